"""Lock files: processes that would change the same thing wait for each other, or are told."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from imgcycle.media.files import appending

_EVERY = 0.1
"""Seconds between two attempts at a lock that another process holds; Ctrl-C and SIGTERM can end such a wait."""


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock file while the block runs; `waiting` is called once if another process holds it.

    The system releases the lock if the process dies. The file stays: deleting it would let two processes in. Symbolic
    links are not followed. Some network file systems have no locks; there nobody waits. OSError passes through.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with appending(path) as file:
        if busy := taken(file) is False:
            waiting()
        while busy:
            time.sleep(_EVERY)
            busy = taken(file) is False
        yield  # closing the file releases the lock


def taken(file: IO[bytes], *, shared: bool = False, wait: bool = False) -> bool | None:
    """Lock an open file until it is closed; False if another process holds the lock.

    `shared` allows other shared holders and replaces a lock held before. With `wait` it blocks until the lock is free.
    None where locks are not supported: on some network file systems, and shared ones on Windows.
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
