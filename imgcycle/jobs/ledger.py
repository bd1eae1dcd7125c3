"""Ledger of finished results, `.imgcycle/done.jsonl` of an output root: one line a result, appended by the driver
alone.

A line counts once it ends in a newline, so a killed process leaves at most an incomplete line, which is ignored. A
result whose line was lost with the process still has its recipe, and its source's time. Damaged lines are ignored, the
others count.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Any, Literal, Self

from imgcycle.config import JsonConfig
from imgcycle.errors import OutputError, UsageError, reported
from imgcycle.media.files import appending, opened, remove_leftovers
from imgcycle.media.locks import taken
from imgcycle.media.paths import STATE_FOLDER, is_plain, shown
from imgcycle.media.remote import is_remote

LEDGER, LOCK = "done.jsonl", "lock"
_LONGEST = 1 << 20
"""Longest line in bytes that can be a record: two paths and the options, escaped, take a tenth."""
_AFAR = ("input_tag", "output_tag", "noted")
"""Fields of records of results in object stores alone."""
Standing = Literal["ours", "edited", "unknown"]


@dataclass(frozen=True)
class Fingerprint:
    """A file's size in bytes, its time in nanoseconds, its SHA-256.

    Of numbered pictures: the sum of their sizes, the latest time, and the SHA-256 of all names, sizes and times.
    """

    size: int = 0
    time: int = 0
    digest: str = ""

    @classmethod
    def of(cls, found: os.stat_result, digest: str) -> Self:
        """Fingerprint of a file with this status and digest."""
        return cls(found.st_size, found.st_mtime_ns, digest)


@dataclass(frozen=True, slots=True)
class Record(JsonConfig):
    """One result as it was written: sizes in bytes, times in nanoseconds, SHA-256 digests.

    `output` is relative to the root, with forward slashes; `options` are the recipe's, as JSON text. In an object store
    tags (ETags) tell one version of a file from another, and stand in place of its time; `noted` is when the record was
    made, in nanoseconds, where several parts of a ledger tell of one result.
    """

    output: str
    input: str
    input_size: int
    input_time: int
    input_digest: str
    output_size: int
    output_time: int
    output_digest: str
    weights: str
    options: str
    input_tag: str = ""
    output_tag: str = ""
    noted: int = 0

    @property
    def recipe(self) -> dict[str, Any]:
        """What the result was made with, as a recipe in a file has it."""
        return {"weights": self.weights, "options": _options(self.options)}

    def is_of(self, source: Path | str) -> bool:
        """True if a file of this machine is the input as it was then."""
        facts = os.stat(source)  # noqa: PTH116 - of thousands of names
        if (facts.st_size, facts.st_mtime_ns) == (self.input_size, self.input_time):
            return True
        return facts.st_size == self.input_size and file_digest(source) == self.input_digest

    @classmethod
    def of(
        cls, root: Path, output: Path, result: Fingerprint, source: str, found: Fingerprint, recipe: Mapping[str, Any]
    ) -> Self:
        """Record of a `result` at `output` below `root`, made as `recipe` states from the input `source`, whose
        fingerprint is `found`; empty source and recipe for files without an input.
        """
        return cls(
            output=relative_name(root, output),
            input=source,
            input_size=found.size,
            input_time=found.time,
            input_digest=found.digest,
            output_size=result.size,
            output_time=result.time,
            output_digest=result.digest,
            weights=str(recipe.get("weights", "")),
            options=json.dumps(recipe.get("options", {}), sort_keys=True),
        )


class Ledger:
    """Records of one output root; appending takes a lock, reading does not.

    A ledger that is a symbolic link, or in a linked folder, belongs to somebody else: it is ignored and never written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / STATE_FOLDER / LEDGER
        self._records = {} if _linked(self.path.parent) or _linked(self.path) else dict(_read(self.path))

    def get(self, output: Path | str) -> Record | None:
        """The last record of an output, or None."""
        return self._records.get(self._key(output))

    def standing(self, output: Path | str) -> Standing:
        """State of an existing output: as we wrote it, changed since, or not in the ledger."""
        record = self.get(output)
        if record is None:
            return "unknown"
        facts = os.stat(output)  # noqa: PTH116 - of thousands of names
        if facts.st_size != record.output_size:
            return "edited"
        if facts.st_mtime_ns == record.output_time or file_digest(output) == record.output_digest:
            return "ours"
        return "edited"

    def append(self, record: Record) -> None:
        """Append a line. OutputError if it cannot be written, UsageError as from `check_state`."""
        line = line_of(record)
        with reported(OutputError, f"{shown(self.path)} cannot be written"), _own_file(self.root, LEDGER) as file:
            # Without locks a line may be lost, and its result's recipe replaces it.
            taken(file, wait=True)
            end = file.seek(0, os.SEEK_END)
            if end:
                # After an incomplete line of a killed writer, a new line is started.
                file.seek(end - 1)
                if file.read(1) != b"\n":
                    line = b"\n" + line
            file.write(line)
        self._records[record.output] = record

    def close(self) -> None:
        """Nothing to close: every line is written at once."""

    def _key(self, output: Path | str) -> str:
        return relative_name(self.root, output)


@functools.lru_cache(maxsize=64)  # thousands of records have the same few options
def _options(text: str) -> Any:
    return json.loads(text)


def line_of(record: Record) -> bytes:
    """A record as a line of a ledger."""
    values = {name: value for name, value in record.to_dict().items() if value or name not in _AFAR}
    return json.dumps(values, sort_keys=True).encode() + b"\n"


def relative_name(root: Path | str, output: Path | str) -> str:
    """Name of an output relative to its root, as in the ledger."""
    folder, name = os.fspath(root), os.fspath(output)
    if is_plain(name) and is_plain(folder) and name.startswith(f"{folder}/"):
        return name[len(folder) + 1 :]
    return PurePath(name).relative_to(folder).as_posix()


def file_digest(path: Path | str) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> Iterator[tuple[str, Record]]:
    """Yield the records of all valid lines."""
    try:
        with opened(path) as file:
            for record in records_in(iter(lambda: file.readline(_LONGEST), b"")):
                yield record.output, record
    except OSError:
        return


def records_in(lines: Iterable[bytes]) -> Iterator[Record]:
    """Yield the records of all valid lines; one that is too long comes in pieces, and counts for none."""
    whole = True
    for line in lines:
        begins, whole = whole, line.endswith(b"\n")
        # JSON nested without end is a RecursionError.
        with contextlib.suppress(ValueError, UsageError, TypeError, RecursionError):
            if begins and whole:
                yield _record(json.loads(line))


def _record(values: Any) -> Record:
    """Parse a record; UsageError, TypeError or ValueError for anything else."""
    if not isinstance(values, dict):
        raise TypeError("a record is an object")
    record = Record.from_dict(values)
    if not _is_object(record.options):
        raise TypeError("options are an object")
    return record


@functools.lru_cache(maxsize=64)  # thousands of lines have the same few options
def _is_object(text: str) -> bool:
    return isinstance(json.loads(text), dict)


def check_state(root: Path) -> None:
    """UsageError for a link in an output root's state folder, or in its place.

    Records would be written to its target, which is somebody else's file.
    """
    for folder, folders, files in os.walk(root / STATE_FOLDER):
        for name in (*folders, *files):
            _refuse_link(Path(folder) / name)
    _refuse_link(root / STATE_FOLDER)


def _refuse_link(path: Path) -> None:
    if kind := _linked(path):
        raise UsageError(
            f"{shown(path)} is {kind}, and imgcycle keeps no records through one", "delete it, or choose another -o"
        )


def _linked(path: Path) -> str:
    """Kind of link at a path; empty if there is none."""
    try:
        found = path.lstat()
    except OSError:
        return ""
    if stat.S_ISLNK(found.st_mode):
        return "a link"
    return "a file of several names" if stat.S_ISREG(found.st_mode) and found.st_nlink > 1 else ""


def _own_file(root: Path, name: str) -> IO[bytes]:
    """Open a file of a root's state folder to read and append; UsageError if it is a link, OSError passes."""
    path = root / STATE_FOLDER / name
    _refuse_link(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    _refuse_link(path)
    return appending(path)


@contextlib.contextmanager
def at_work(roots: set[Path], folders: set[Path]) -> Iterator[Callable[[], None]]:
    """Announce to other processes that this one writes below `roots`; if alone, remove leftovers of killed ones. What
    is yielded does so once more, for when workers of one's own were killed and nothing is being written.

    Any number of processes may work on one root: every file appears atomically, and the ledger is locked line by line.
    Only leftovers in `folders` are removed, and only while no other process could be writing them. OutputError if
    nothing can be written, UsageError as from `check_state`.
    """
    with contextlib.ExitStack() as stack:
        held = []
        for root in sorted(root for root in roots if not is_remote(root)):
            with reported(OutputError, f"{shown(root)} cannot be written to", "choose another -o"):
                held.append(stack.enter_context(_own_file(root, LOCK)))

        def sweep() -> None:
            alone = [taken(file) for file in held]
            if all(alone):
                for folder in folders:
                    if not is_remote(folder):
                        remove_leftovers(folder)
            for file in held:
                taken(file, shared=True)

        sweep()
        yield sweep
