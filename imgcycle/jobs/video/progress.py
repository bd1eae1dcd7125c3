"""Speed of a clip's conversion, remaining time, and options that would shorten it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from imgcycle.jobs.events import Estimate, Event, FrameProgress

_TIMED = 3
_WINDOW = 20.0
"""Seconds over which the rate is measured."""
_EVERY = 0.2
"""Minimum seconds between two events."""
_TELLING = 10.0
"""Seconds of work below which no estimate is shown."""
_WORTH = 60.0
"""Seconds of work below which no advice is needed."""
_HELPS = 0.8
_SMALLER_WORK, _FEWER_LINES = 256, 720


class VideoProgress:
    """Counts frames of `lines` lines and reports progress; after the first few, an estimate for the whole."""

    def __init__(
        self,
        name: str,
        frames: int,
        done: int,
        listener: Callable[[Event], None],
        work_size: int | str,
        lines: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.frames, self.done = name, frames, done
        self.listener, self.clock = listener, clock
        self.work_size, self.lines = work_size, lines
        self.net_seconds: Callable[[], float] = lambda: 0.0
        """Returns the seconds that the net alone took so far."""
        self._seen: deque[tuple[float, int]] = deque()
        self._first: tuple[float, float] | None = None
        self._said = 0.0
        listener(FrameProgress(name, done, frames))

    def count(self, written: int) -> None:
        """Report the number of frames written in this run."""
        now = self.clock()
        if self._first is None:
            self._first = (now, self.net_seconds())
        if written == 1 + _TIMED and self.done + written < self.frames:
            self._estimate(now)
        self._seen.append((now, written))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW:
            self._seen.popleft()
        last = self.done + written == self.frames
        if now - self._said < _EVERY and not last:
            return
        self._said = now
        begun, before = self._seen[0]
        rate = (written - before) / (now - begun) if now > begun else 0.0
        left = (self.frames - self.done - written) / rate if rate and self.frames else None
        self.listener(FrameProgress(self.name, self.done + written, self.frames, rate, left))

    def _estimate(self, now: float) -> None:
        assert self._first is not None
        each = (now - self._first[0]) / _TIMED
        if each <= 0:
            return
        net = min(1.0, (self.net_seconds() - self._first[1]) / _TIMED / each)
        left = each * (self.frames - self.done - 1 - _TIMED)
        if left < _TELLING:
            return
        savings = tuple(self._savings(left, net)) if left > _WORTH else ()
        self.listener(Estimate(left, 1 / each, savings, self.name))

    def _savings(self, left: float, net: float) -> list[tuple[str, float]]:
        """Options that would save time, with the seconds left: the net's share scales with the work size, the rest
        with the frame's.
        """
        found = []
        if isinstance(self.work_size, int) and self.work_size > _SMALLER_WORK:
            share = net * (_SMALLER_WORK / self.work_size) ** 2 + 1 - net
            found.append((f"--work-size {_SMALLER_WORK}", share))
        if self.lines > _FEWER_LINES:
            found.append((f"--max-height {_FEWER_LINES}", net + (1 - net) * (_FEWER_LINES / self.lines) ** 2))
        return [(option, share * left) for option, share in found if share < _HELPS]
