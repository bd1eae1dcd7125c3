"""Planes kept between passes: in memory, or in a file that vanishes with the process.

Rows lie one after another, channels innermost, so that a strip is one stretch of memory or one read of the file.
A file is read and written by position: the pages of a memory map would count as this process's memory.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import torch
from torch import Tensor

from imgcycle.errors import OutputError

_NAME = re.compile(r"imgcycle-spill-(\d+)-\w+\.planes")


class Planes(Protocol):
    """Rows of planes (1, C, h, W), written and read by position, in the type they are kept in."""

    def read(self, lo: int, hi: int) -> Tensor:
        """Rows lo..hi; the tensor may be a view of the store, and is not to be written to."""
        ...

    def write(self, lo: int, rows: Tensor) -> None:
        """Put rows from `lo` on."""
        ...

    def close(self) -> None:
        """Give the room back."""
        ...


class MemoryPlanes:
    """Planes in the memory of a device."""

    def __init__(
        self, channels: int, height: int, width: int, dtype: torch.dtype, device: torch.device | None = None
    ) -> None:
        self._rows: Tensor | None = torch.empty((height, width, channels), dtype=dtype, device=device)

    def read(self, lo: int, hi: int) -> Tensor:
        """A view of the rows."""
        assert self._rows is not None
        return self._rows[lo:hi].permute(2, 0, 1)[None]

    def write(self, lo: int, rows: Tensor) -> None:
        """Copy rows in, rounding to the kept type."""
        assert self._rows is not None
        self._rows[lo : lo + rows.shape[2]] = rows[0].permute(1, 2, 0)

    def close(self) -> None:
        """Free the memory."""
        self._rows = None


class FilePlanes:
    """Planes in a spill file; OutputError when the disk is full or refuses."""

    def __init__(self, channels: int, height: int, width: int, dtype: torch.dtype, folder: Path | None = None) -> None:
        self._shape = (width, channels)
        self._dtype = dtype
        self._row = width * channels * dtype.itemsize
        self._file = SpillFile(folder, height * self._row)

    def read(self, lo: int, hi: int) -> Tensor:
        """The rows, in memory of their own."""
        rows = torch.empty((hi - lo, *self._shape), dtype=self._dtype)
        self._file.read_into(lo * self._row, rows)
        return rows.permute(2, 0, 1)[None]

    def write(self, lo: int, rows: Tensor) -> None:
        """Write the rows, rounded to the kept type."""
        self._file.write(lo * self._row, rows[0].permute(1, 2, 0).to("cpu", self._dtype).contiguous())

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


class SpillFile:
    """One temporary file, its name gone as soon as it is open where the system allows that.

    Where it does not (Windows), the file goes with `close()`, and after a kill with the next `sweep()`: the name
    bears the process's number, and the file is locked as long as the process lives.
    """

    def __init__(self, folder: Path | None = None, needed: int = 0) -> None:
        self._handle: int | None = None
        place = folder or Path(tempfile.gettempdir())
        sweep(place)
        try:
            handle, name = tempfile.mkstemp(".planes", f"imgcycle-spill-{os.getpid()}-", place)
        except OSError as error:
            raise OutputError(f"no temporary file can be made in {place}: {error.strerror}", "set TMPDIR") from error
        self._handle = handle
        self._place = place
        self.path = Path(name)
        _lock(handle)
        # An open file without a name is removed by the system itself, however the process ends.
        with contextlib.suppress(OSError):
            self.path.unlink()
        try:
            self._reserve(needed)
        except BaseException:
            self.close()
            raise

    def read_into(self, at: int, rows: Tensor) -> None:
        """Fill a contiguous CPU tensor from byte `at` on."""
        left = _bytes_of(rows)
        while left:
            if hasattr(os, "preadv"):
                count = os.preadv(self._number, [left], at)
            else:
                os.lseek(self._number, at, os.SEEK_SET)
                piece = os.read(self._number, len(left))
                count = len(piece)
                left[:count] = piece
            if not count:
                raise OutputError(f"a temporary file in {self._place} is shorter than what was written to it")
            left, at = left[count:], at + count

    def write(self, at: int, rows: Tensor) -> None:
        """Put a contiguous CPU tensor at byte `at`."""
        left = _bytes_of(rows)
        try:
            while left:
                if hasattr(os, "pwrite"):
                    count = os.pwrite(self._number, left, at)
                else:
                    os.lseek(self._number, at, os.SEEK_SET)
                    count = os.write(self._number, left)
                left, at = left[count:], at + count
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close, and remove what is left of the name."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    @property
    def _number(self) -> int:
        assert self._handle is not None, "the spill file was closed"
        return self._handle

    def _reserve(self, needed: int) -> None:
        """Claim the room at once: a disk that fills up after an hour is found out in the first second."""
        if not needed:
            return
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._number, 0, needed)
        except OSError as error:
            raise self._failed(error, needed) from error

    def _failed(self, error: OSError, needed: int = 0) -> OutputError:
        room = f" for {needed / 1e9:.1f} GB" if needed else ""
        return OutputError(
            f"temporary planes cannot be written to {self._place}{room}: {error.strerror}",
            "free some room, set TMPDIR to another disk, or raise --memory",
        )


def sweep(folder: Path) -> list[Path]:
    """Remove spill files in `folder` whose process is gone; returns those removed."""
    removed = []
    try:
        found = [p for p in folder.iterdir() if _NAME.fullmatch(p.name)]
    except OSError:
        return []
    for path in found:
        if _abandoned(path):
            with contextlib.suppress(OSError):
                path.unlink()
                removed.append(path)
    return removed


def _abandoned(path: Path) -> bool:
    """True when nobody holds the file's lock; without locks, when nobody holds it open is for unlinking to find out."""
    match = _NAME.fullmatch(path.name)
    if match is not None and int(match[1]) == os.getpid():
        return False
    try:
        import fcntl
    except ImportError:
        return True
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _lock(handle: int) -> None:
    try:
        import fcntl
    except ImportError:
        return
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _bytes_of(rows: Tensor) -> memoryview:
    """The bytes of a contiguous CPU tensor of any type, in place."""
    assert rows.is_contiguous()
    if not rows.numel():
        return memoryview(bytearray())
    return memoryview(rows.as_strided((rows.numel(),), (1,)).view(torch.uint8).numpy())  # type: ignore[arg-type]
