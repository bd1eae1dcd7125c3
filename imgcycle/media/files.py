"""Files in and out: an input is opened without waiting for it, what imgcycle writes appears whole or not at all."""

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
"""A file's bytes, or a view of them."""
PARTIAL = ".imgcycle-"
"""Temporary names start with this, so that a walk passes over them and the leftovers of a kill can be found."""


def opened(path: Path) -> BufferedReader:
    """An input file, open for reading; OSError when it is not there, or is none.

    A pipe would be waited for until somebody writes to it, which nobody may: it is refused without waiting.
    """
    way = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, way | getattr(os, "O_NONBLOCK", 0))
    except BlockingIOError:  # a file that a server has lent to a client, which takes a moment to give it back
        if not stat.S_ISREG(path.stat().st_mode):
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
    """A file of imgcycle's own, open to read and to append, made where it is not there; a link is not followed.

    Nothing is waited for: of a pipe the first look at its end fails. OSError passes through.
    """
    way = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    handle = os.open(path, way | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)
    return os.fdopen(handle, "ab+")


def read_file(path: Path) -> bytes:
    """All bytes of an input file; OSError as from `opened`."""
    with opened(path) as file:
        return file.read()


def _kind(mode: int) -> str:
    known = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return known.get(stat.S_IFMT(mode), "a device")


@contextlib.contextmanager
def atomic_write(path: Path, mode: int | None = None, times: tuple[int, int] | None = None) -> Iterator[IO[bytes]]:
    """A binary file that becomes `path` when the block ends well, and vanishes when it does not.

    The temporary name lies in the same folder; data and folder are synced before the name counts. `mode` sets
    permission bits; by default the process's umask decides, as for any new file. `times` of access and modification,
    in nanoseconds, are the file's before its name counts, so that no kill leaves it with others. OSError passes
    through.
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
    """The same for a file that another program writes: the temporary name, empty, for it to fill."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=PARTIAL, suffix=".partial", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # For writing: Windows syncs no handle that may only read.
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(_default_mode())
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a small UTF-8 file the same way."""
    with atomic_write(path) as file:
        file.write(text.encode())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system offers that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Delete what a killed writer left in a folder only one process writes to."""
    for path in folder.glob(f"{PARTIAL}*.partial"):
        path.unlink(missing_ok=True)


def _default_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
