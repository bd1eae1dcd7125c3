"""Ctrl-C and SIGTERM end the work the same way: what is being written is finished, then exit code 130."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from imgcycle.errors import Interrupted


def _as_usual() -> Interrupted:
    return Interrupted("interrupted; what was finished stays, the same command goes on")


@contextmanager
def ending_well(interrupted: Callable[[], Interrupted] = _as_usual) -> Iterator[None]:
    """Turn SIGTERM into what Ctrl-C does, and either into Interrupted: the one that `interrupted` makes then."""

    def stop(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    # Python lets only the main thread handle signals; elsewhere (a test, a server) they are not ours to handle.
    ours = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, stop) if ours else None
    try:
        yield
    except KeyboardInterrupt:
        raise interrupted() from None
    finally:
        if ours:
            signal.signal(signal.SIGTERM, before)
