"""Ledger of an output folder in an object store: in parts, since nothing there can be appended to.

Every driver writes parts of its own, and whoever reads unites them all. A part that a killed driver did not write costs
nothing but time: its results hold their recipes.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from imgcycle.errors import ImgcycleError, OutputError
from imgcycle.jobs.ledger import Ledger, Record, Standing, line_of, records_in, relative_name
from imgcycle.media import remote
from imgcycle.media.paths import STATE_FOLDER
from imgcycle.media.remote import Listings, ObjectFacts, is_remote

PARTS = "done"
ROWS, SECONDS = 200, 20.0
"""A part is written with so many records, or when the first of them is so old."""
UNITED = 32
"""Parts from which on they are united into one."""


def ledger_at(root: Path) -> AnyLedger:
    """The ledger of an output folder, wherever that is."""
    return RemoteLedger(root) if is_remote(root) else Ledger(root)


class RemoteLedger:
    """Records of an output folder in a store; OutputError if a part cannot be written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = root / STATE_FOLDER / PARTS
        self._records: dict[str, Record] | None = None
        self._listings = Listings()
        self._new: list[Record] = []
        self._since = 0.0
        self._run = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        self._number = 0

    def get(self, output: Path | str) -> Record | None:
        """The last record of an output, or None."""
        return self._all().get(relative_name(self.root, output))

    def standing(self, output: Path | str) -> Standing:
        """State of an existing output: as we wrote it, changed since, or not in the ledger."""
        record, found = self.get(output), self.facts(output)
        if record is None or found is None:
            return "unknown"
        return "ours" if (found.size, found.tag) == (record.output_size, record.output_tag) else "edited"

    def facts(self, output: Path | str) -> ObjectFacts | None:
        """Facts of an output, by one listing for each folder; None where nothing is."""
        return self._listings.facts(Path(output))

    def append(self, record: Record) -> None:
        """Keep a record for the next part, and write that if it is time."""
        if not self._new:
            self._since = time.monotonic()
        record = record.replace(noted=time.time_ns())
        self._new.append(record)
        if self._records is not None:
            self._records[record.output] = record
        if len(self._new) >= ROWS or time.monotonic() - self._since >= SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the part at once."""
        if self._new:
            self._put(self._new)
            self._new = []

    def close(self) -> None:
        """Write what is left, and unite the parts if they have become many."""
        self.flush()
        with contextlib.suppress(ImgcycleError):  # as it is, it is as good
            parts, _ = remote.objects_in(self._folder)
            if len(parts) >= UNITED:
                names = sorted(parts)
                # One that cannot be read now must not be removed: its records would be in no part any more.
                united = _united(record for name in names for record in self._part(name))
                self._put(list(united.values()))
                remote.remove_objects([self._folder / name for name in names])

    def _put(self, records: list[Record]) -> None:
        data = b"".join(line_of(record) for record in records)
        path = self._folder / f"{self._run}-{self._number:06d}.jsonl"
        try:
            remote.put_object(data, path, create=True)
        except OutputError as error:
            raise error.at(remote.address_of(path)) from error
        self._number += 1

    def _all(self) -> dict[str, Record]:
        if self._records is None:
            parts, _ = remote.objects_in(self._folder)
            self._records = _united(record for name in sorted(parts) for record in self._read(name))
        return self._records

    def _read(self, name: str) -> Iterator[Record]:
        with contextlib.suppress(ImgcycleError):  # united by another driver since it was listed
            yield from self._part(name)

    def _part(self, name: str) -> Iterator[Record]:
        """Records of a part; InputError if it cannot be read."""
        yield from records_in(remote.read_object(self._folder / name).splitlines(keepends=True))


def _united(records: Iterable[Record]) -> dict[str, Record]:
    """The last record of each output: by when it was noted, since parts are named by when their drivers began."""
    found: dict[str, Record] = {}
    for record in records:
        known = found.get(record.output)
        if known is None or record.noted >= known.noted:
            found[record.output] = record
    return found


AnyLedger = Ledger | RemoteLedger
"""The ledger of an output folder, wherever that is."""
