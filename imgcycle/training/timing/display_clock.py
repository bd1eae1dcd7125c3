"""What a run shows by the clock, beside what it shows by steps: a slow machine should not be silent for long."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = {"count": 1.0, "losses": 30.0, "diagnosis": 120.0, "samples": 600.0}
"""How long a run says nothing of a kind at most."""
FIRST_SAMPLES = 45.0
"""Seconds until the first samples: within a minute, the step that is under way included."""
TIMED_STEPS = 3
"""Steps after which a run's length is estimated; the first of all, which finds kernels and fills caches, is no such."""


class DisplayClock:
    """Says when something is due, by `clock` in seconds; the counting begins when it is made."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        now = clock()
        self._last = dict.fromkeys(SECONDS, now)
        self._last["samples"] = now - SECONDS["samples"] + FIRST_SAMPLES
        self._steps = 0
        self._since: float | None = None

    def due(self, kind: str) -> bool:
        """Whether as many seconds have passed since that was last due or done."""
        now = self._clock()
        if now - self._last[kind] < SECONDS[kind]:
            return False
        self._last[kind] = now
        return True

    def done(self, kind: str) -> None:
        """That was shown for another reason: its seconds count anew."""
        self._last[kind] = self._clock()

    def timed(self) -> float | None:
        """Told of every step: after the `TIMED_STEPS`-th timed one, once, the mean seconds of a step; else None."""
        self._steps += 1
        now = self._clock()
        if self._since is None:
            self._since = now
        elif self._steps == TIMED_STEPS + 1:
            return (now - self._since) / TIMED_STEPS
        return None
