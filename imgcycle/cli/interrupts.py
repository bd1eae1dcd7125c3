"""Ctrl-C and SIGTERM end the work alike: writes in progress are completed, then exit code 130."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from imgcycle.errors import Interrupted

_ENDING = (signal.SIGINT, signal.SIGTERM)


def _as_usual() -> Interrupted:
    return Interrupted("interrupted; what was finished stays, the same command goes on")


@contextmanager
def graceful_exit(interrupted: Callable[[], Interrupted] = _as_usual) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into Interrupted, as made by `interrupted`.

    For everything that writes; elsewhere `imgcycle/__main__.py` exits at once. From here on garbage is collected as
    usual, except what was imported by now.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()

    def stop(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    # Python lets only the main thread handle signals; elsewhere (a test, a server) they are not ours.
    ours = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, stop) for number in _ENDING} if ours else {}
    try:
        yield
    except KeyboardInterrupt:
        raise interrupted() from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
