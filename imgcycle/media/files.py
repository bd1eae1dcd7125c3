"""File input and output: inputs are opened without blocking, outputs appear completely or not at all."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import stat
import tempfile
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import IO

Data = bytes | mmap.mmap
"""A file's bytes, or a memory map of them."""
PARTIAL = ".imgcycle-"
"""Prefix of temporary names, so that walks skip them and leftovers of a kill can be found."""


def opened(path: Path | str) -> BufferedReader:
    """Open an input file for reading; OSError if it does not exist, or is not a file.

    Opening a pipe would block until somebody writes to it: it is refused.
    """
    way = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, way | getattr(os, "O_NONBLOCK", 0))
    except BlockingIOError:  # on network file systems, a lease held by another client, which ends in a moment
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116
            raise
        handle = os.open(path, way)
    try:
        if not stat.S_ISREG(mode := os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, f"{_kind(mode)}, not a file", os.fspath(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def appending(path: Path) -> IO[bytes]:
    """Open one of imgcycle's own files for reading and appending, created if missing; symbolic links are not followed.

    Never blocks: a pipe fails at the first seek. OSError passes through.
    """
    way = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    handle = os.open(path, way | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)
    return os.fdopen(handle, "ab+")


def read_file(path: Path | str) -> bytes:
    """All bytes of an input file; OSError as from `opened`."""
    with opened(path) as file:
        return file.read()


def _kind(mode: int) -> str:
    known = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return known.get(stat.S_IFMT(mode), "a device")


@contextlib.contextmanager
def atomic_write(path: Path, mode: int | None = None, times: tuple[int, int] | None = None) -> Iterator[IO[bytes]]:
    """A binary file that becomes `path` if the block ends normally, and is removed otherwise.

    The temporary file is in the same folder; data and folder are synced before the name counts. `mode` sets permission
    bits; by default the process's umask decides, as for any new file. `times` of access and modification, in
    nanoseconds, are set before the rename, so that a kill never leaves other ones. OSError passes through.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=PARTIAL, suffix=".partial", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if times is not None and os.utime in os.supports_fd:
                os.utime(file.fileno(), ns=times)
            os.fsync(file.fileno())
        temporary.chmod(_default_mode() if mode is None else mode)
        if times is not None and os.utime not in os.supports_fd:
            os.utime(temporary, ns=times)
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Like `atomic_write`, for a file that another program writes: yields the empty temporary file's path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=PARTIAL, suffix=".partial", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # For writing: Windows cannot sync a handle that is open for reading only.
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(_default_mode())
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a small UTF-8 file atomically."""
    with atomic_write(path) as file:
        file.write(text.encode())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable (fsync), where the system supports it."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files of a killed writer in a folder that only one process writes to."""
    for path in folder.glob(f"{PARTIAL}*.partial"):
        path.unlink(missing_ok=True)


def _default_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
