"""SIGINT and SIGTERM as a request to stop, honoured between two steps."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_signals(heard: Callable[[], None] = lambda: None) -> Iterator[threading.Event]:
    """An event that is set by the first SIGINT or SIGTERM, when `heard` is called; a second raises KeyboardInterrupt.

    Outside the main thread no handler can be installed: the event then stays unset.
    """
    asked = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        with contextlib.suppress(RuntimeError):  # the signal came in the middle of another line
            heard()

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
