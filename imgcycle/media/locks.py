"""One at a time: processes that would change the same thing wait for one another, or are told."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from imgcycle.media.files import appending

_EVERY = 0.1
"""Seconds between two looks at a lock that another process holds: a wait that Ctrl-C and SIGTERM can end."""


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock file while the block runs; `waiting` is called once when another process holds it.

    The system lets go of it when a process dies, however it dies. The file stays: deleting it would let two in.
    A link in its place is not followed. Some network file systems have no locks, and there nobody waits.
    OSError passes through.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with appending(path) as file:
        if busy := taken(file) is False:
            waiting()
        while busy:
            time.sleep(_EVERY)
            busy = taken(file) is False
        yield  # closing the file lets go


def taken(file: IO[bytes], *, shared: bool = False, wait: bool = False) -> bool | None:
    """Take the lock on an open file, which is ours until the file is closed; False when somebody else holds it.

    `shared` is with others who share it, in place of what was held before. With `wait` nobody comes away without it.
    None where there are no locks: on some network file systems, and of these two kinds on Windows.
    """
    try:
        try:
            fcntl = importlib.import_module("fcntl")
        except ImportError:
            if shared or wait:
                return None
            msvcrt = importlib.import_module("msvcrt")
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True
