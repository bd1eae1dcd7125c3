"""Which of the files seen are complete: those whose size and time stay the same from one look to the next.

Only what a file system says of its files is used, so that it is the same for a disk, a network folder, or one that
another machine writes to.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable

_QUIET = 60.0
"""Seconds since its last change after which a file is taken as complete at the first look."""
_State = tuple[int, int]
"""Size, and time of the last change of the content in nanoseconds."""


class Looks:
    """Remembers files from look to look. `clock` is the time of day in seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._seen: dict[str, _State] = {}
        self._done: dict[str, _State] = {}
        self._first = True

    def look(self, names: Iterable[str]) -> list[str]:
        """The files among these that are complete and were not given to `done` as they are now.

        Empty files are never complete: copies begin as one.
        """
        now, seen, ready = self._clock(), dict[str, _State](), []
        for name in names:
            facts = _facts(name)
            if facts is None:
                continue
            state = seen[name] = (facts.st_size, facts.st_mtime_ns)
            # A copy may have its source's time, but not the file system's own.
            quiet = self._first and now - max(facts.st_mtime, facts.st_ctime) > _QUIET
            if facts.st_size and self._done.get(name) != state and (quiet or self._seen.get(name) == state):
                ready.append(name)
        self._seen, self._first = seen, False
        self._done = {name: state for name, state in self._done.items() if name in seen}
        return ready

    def done(self, names: Iterable[str]) -> None:
        """Take files as dealt with, as they were at the last look."""
        self._done.update((name, self._seen[name]) for name in names if name in self._seen)


def _facts(name: str) -> os.stat_result | None:
    """Status of a file; None for one that is gone, or that is none."""
    try:
        facts = os.stat(name)  # noqa: PTH116 - of thousands, again and again
    except OSError:
        return None
    return facts if stat.S_ISREG(facts.st_mode) else None
