"""Ctrl-C and SIGTERM end the work the same way: what is being written is finished, then exit code 130."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from imgcycle.errors import Interrupted


@contextmanager
def ending_well() -> Iterator[None]:
    """Turn SIGTERM into what Ctrl-C does, and either into Interrupted."""

    def stop(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    # Python lets only the main thread handle signals; elsewhere (a test, a server) they are not ours to handle.
    ours = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, stop) if ours else None
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("interrupted; what was finished stays, the same command goes on") from None
    finally:
        if ours:
            signal.signal(signal.SIGTERM, before)
