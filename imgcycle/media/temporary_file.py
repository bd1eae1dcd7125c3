"""Temporary file for data too large for memory, read and written by position; it vanishes with the process."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from imgcycle.errors import OutputError, reason_of


class SpillFile:
    """An unnamed temporary file where the system supports it, and elsewhere one that the system deletes.

    `folder` is by default the system's for temporary files; `needed` bytes are reserved at once, so that a full disk is
    reported in the first second rather than after an hour. Positional access rather than a memory map, whose pages
    would count as this process's memory. OutputError if no file can be made or `what` cannot be written: it names the
    folder, and ends in `hint`.
    """

    def __init__(self, folder: Path | None, needed: int, what: str, hint: str) -> None:
        self._folder = folder or Path(tempfile.gettempdir())
        self._what, self._hint = what, hint
        try:
            self._file = tempfile.TemporaryFile(prefix="imgcycle-", dir=self._folder, buffering=0)  # noqa: SIM115
        except OSError as error:
            where = f"no temporary file can be made in {self._folder}"
            raise OutputError(f"{where}: {reason_of(error)}", "set TMPDIR") from error
        try:
            if needed and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._file.fileno(), 0, needed)
        except OSError as error:
            self.close()
            raise self._failed(error, f" for {needed / 1e9:.1f} GB") from error

    def read_into(self, at: int, left: memoryview) -> None:
        """Fill a buffer from byte `at` on."""
        while left:
            if hasattr(os, "preadv"):
                count = os.preadv(self._file.fileno(), [left], at)
            else:
                self._file.seek(at)
                count = self._file.readinto(left)
            if not count:
                raise OutputError(f"a temporary file in {self._folder} is shorter than what was written to it")
            left, at = left[count:], at + count

    def write(self, at: int, left: memoryview) -> None:
        """Write a buffer at byte `at`."""
        try:
            while left:
                if hasattr(os, "pwrite"):
                    count = os.pwrite(self._file.fileno(), left, at)
                else:
                    self._file.seek(at)
                    count = self._file.write(left) or 0
                left, at = left[count:], at + count
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Free the space; safe to call twice."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _failed(self, error: OSError, room: str = "") -> OutputError:
        # Not DiskFull for the results: TMPDIR may be on another disk.
        return OutputError(f"{self._what} cannot be written to {self._folder}{room}: {reason_of(error)}", self._hint)
