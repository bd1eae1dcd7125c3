"""Ctrl-C and SIGTERM end the work the same way: what is being written is finished, then exit code 130."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from imgcycle.errors import Interrupted


@contextmanager
def ending_well() -> Iterator[None]:
    """Turn SIGTERM into what Ctrl-C does, and either into Interrupted."""

    def stop(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("interrupted; what was finished stays, the same command goes on") from None
    finally:
        signal.signal(signal.SIGTERM, before)
