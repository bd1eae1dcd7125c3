"""Timing two things in turn, so that a machine whose speed drifts drifts for both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def in_turn(
    things: Mapping[str, Callable[[], object]],
    rounds: int,
    warm: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each thing by `clock`, round by round, after `warm` uncounted rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in things}
    for turn in range(warm + rounds):
        for name, thing in things.items():
            began = clock()
            thing()
            if turn >= warm:
                seconds[name].append(clock() - began)
    return seconds


def table(seconds: Mapping[str, list[float]], against: str) -> str:
    """Median seconds of each, and the median of its ratios to `against`, round by round."""
    lines = [f"{'':28}{'median s':>10}{'min s':>10}{'max s':>10}{'times faster':>14}"]
    for name, each in seconds.items():
        ratio = statistics.median(base / mine for base, mine in zip(seconds[against], each, strict=True))
        lines.append(f"{name:28}{statistics.median(each):10.3f}{min(each):10.3f}{max(each):10.3f}{ratio:14.2f}")
    return "\n".join(lines)
