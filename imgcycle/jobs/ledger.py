"""What is done, in `.imgcycle/done.jsonl` of an output root: one line a result, appended by the driver alone.

A line counts from the moment it ends in a newline, so a killed process leaves at most a line that counts for
nothing. A result whose line was lost with the process still carries its recipe, and its source's time.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from imgcycle.config import JsonConfig
from imgcycle.errors import OutputError, UsageError
from imgcycle.media.files import opened, remove_leftovers
from imgcycle.media.locks import taken
from imgcycle.media.paths import STATE_FOLDER

LEDGER, LOCK = "done.jsonl", "lock"
Standing = Literal["ours", "edited", "unknown"]


@dataclass(frozen=True)
class Record(JsonConfig):
    """One result as it was written: sizes in bytes, times in nanoseconds, SHA-256 digests.

    `output` is relative to the root, with forward slashes; `options` are the recipe's, as JSON text.
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


class Ledger:
    """The records of one output root; reading needs no lock, appending takes one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / STATE_FOLDER / LEDGER
        self._records = dict(_read(self.path))

    def get(self, output: Path) -> Record | None:
        """The last record of an output, or None."""
        return self._records.get(self._key(output))

    def standing(self, output: Path) -> Standing:
        """Whether an existing output is as we wrote it, was changed since, or is not in the ledger."""
        record = self.get(output)
        if record is None:
            return "unknown"
        facts = output.stat()
        if facts.st_size != record.output_size:
            return "edited"
        if facts.st_mtime_ns == record.output_time or file_digest(output) == record.output_digest:
            return "ours"
        return "edited"

    def append(self, record: Record) -> None:
        """Add a line. OutputError when it cannot be written."""
        line = json.dumps(record.to_dict(), sort_keys=True).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as file, locked(file):
                end = file.seek(0, os.SEEK_END)
                if end:
                    # A writer killed in the middle of a line must not spoil ours.
                    file.seek(end - 1)
                    if file.read(1) != b"\n":
                        line = b"\n" + line
                file.write(line)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror or error}") from error
        self._records[record.output] = record

    def _key(self, output: Path) -> str:
        return relative_name(self.root, output)


def relative_name(root: Path, output: Path) -> str:
    """An output's name inside its root, as the ledger spells it."""
    return output.relative_to(root).as_posix()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> Iterator[tuple[str, Record]]:
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError, UsageError, TypeError):
            values: Any = json.loads(line)
            record = Record.from_dict(values)
            yield record.output, record


@contextlib.contextmanager
def at_work(roots: set[Path], folders: set[Path]) -> Iterator[None]:
    """Tell other processes that this one writes below `roots`; alone there, first clear what killed ones left.

    Any number of processes may work on one root: every file appears whole, and the ledger is locked line by line.
    Only leftovers in `folders` are cleared, and only while no other process could be writing them.
    """
    with contextlib.ExitStack() as stack:
        held = []
        for root in sorted(roots):
            try:
                (root / STATE_FOLDER).mkdir(parents=True, exist_ok=True)
                held.append(stack.enter_context((root / STATE_FOLDER / LOCK).open("ab")))
            except OSError as error:
                why = f"{root} cannot be written to: {error.strerror or error}"
                raise OutputError(why, "choose another -o") from error
        alone = [taken(file) for file in held]
        if all(alone):
            for folder in folders:
                remove_leftovers(folder)
        for file in held:
            _shared(file)
        yield


@contextlib.contextmanager
def locked(file: IO[bytes]) -> Iterator[None]:
    """Hold an open file for ourselves, where the system has such locks."""
    # Some network file systems have no locks: there a line may be lost, and its result's recipe stands in for it.
    with contextlib.suppress(OSError):
        _flock(file, "LOCK_EX")
    try:
        yield
    finally:
        file.flush()
        with contextlib.suppress(OSError):
            _flock(file, "LOCK_UN")


def _shared(file: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        _flock(file, "LOCK_SH")


def _flock(file: IO[bytes], *flags: str) -> None:
    """flock(2); nothing on Windows, where two writers at one moment may lose a line, but never a picture."""
    with contextlib.suppress(ImportError):
        fcntl = importlib.import_module("fcntl")
        fcntl.flock(file, sum(getattr(fcntl, flag) for flag in flags))
