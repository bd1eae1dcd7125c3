"""A line chart as inline SVG: one series, its last value named, references as dashed lines."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 320, 132
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 8, 22
_POINTS = 240
"""Points of a line at most: more than that and a browser draws what nobody sees."""
_TAIL = 0.01
"""Share of the values at either end that may lie outside: the first losses are a hundred times the later ones."""
_CALM = 0.15
"""Weight of a new value in the calm line through noisy ones."""
_LINE = 11
"""Height of a line of small letters."""
_NOISY = 30
"""Points from which on a calm line is drawn."""


@dataclass(frozen=True)
class Curve:
    """One series of a run: its name, its values by step, and what they are measured against.

    `noisy` ones are drawn faintly, with a calm line through them.
    """

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    references: tuple[tuple[str, float], ...] = ()
    noisy: bool = True


def chart(curve: Curve, last: int) -> str:
    """A figure for a curve of finite values over steps 0 to `last`; empty for one without values."""
    pairs = [(s, v) for s, v in zip(curve.steps, curve.values, strict=True) if math.isfinite(v)]
    if not pairs:
        return ""
    steps, values = _thinned(*zip(*pairs, strict=True))
    low, high = _bounds(values, [value for _, value in curve.references])
    plot = _Plot(max(last, steps[-1], 1), low, high)
    calm = _smoothed(values) if curve.noisy and len(values) >= _NOISY else values
    name, now = escape(curve.name), figure(calm[-1])
    spoken = f"{name}: {figure(calm[0])} at step {steps[0]:,}, {now} at step {steps[-1]:,}"
    parts = [_grid(plot), *_references(plot, curve.references)]
    if calm is not values:
        parts.append(f'<path class="raw" d="{plot.path(steps, values)}"/>')
    parts.append(f'<path class="line" d="{plot.path(steps, calm)}"/>')
    parts.append('<line class="cursor" y1="0" y2="0" hidden=""/><circle class="dot" r="3.5" hidden=""/>')
    said = json.dumps([[plot.x(s), plot.y(v), s, figure(v)] for s, v in zip(steps, calm, strict=True)])
    return f"""<figure class="chart" data-points='{escape(said)}' data-now="{now}">
<figcaption><span>{name}</span> <output>{now}</output></figcaption>
<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{spoken}">{"".join(parts)}</svg>
</figure>
"""


def figure(value: float) -> str:
    """A value in three digits."""
    if value and (abs(value) < 0.001 or abs(value) >= 100_000):
        return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


@dataclass(frozen=True)
class _Plot:
    last: int
    low: float
    high: float

    def x(self, step: float) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * step / self.last, 1)

    def y(self, value: float) -> float:
        share = (min(self.high, max(self.low, value)) - self.low) / (self.high - self.low)
        return round(_HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share, 1)

    def path(self, steps: Sequence[int], values: Sequence[float]) -> str:
        points = [f"{self.x(s):g},{self.y(v):g}" for s, v in zip(steps, values, strict=True)]
        if len(points) == 1:  # a point has no length: a short line stands for it
            points.append(f"{self.x(steps[0]) + 2:g},{self.y(values[0]):g}")
        return "M" + "L".join(points)


def _thinned(steps: Sequence[int], values: Sequence[float]) -> tuple[list[int], list[float]]:
    """Means of as many neighbours as leave few enough points."""
    size = -(-len(steps) // _POINTS)
    starts = range(0, len(steps), size)
    means = [sum(values[i : i + size]) / len(values[i : i + size]) for i in starts]
    return [steps[min(i + size, len(steps)) - 1] for i in starts], means


def _smoothed(values: Sequence[float]) -> list[float]:
    """An exponential mean that begins as the plain mean of the first values."""
    found: list[float] = []
    for n, value in enumerate(values):
        weight = max(_CALM, 1 / (n + 1))
        found.append(value if not found else found[-1] + weight * (value - found[-1]))
    return found


def _bounds(values: Sequence[float], references: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values)
    tail = int(_TAIL * len(ordered))
    inner = [*ordered[tail : len(ordered) - tail], *references]
    low, high = min(inner), max(inner)
    room = 0.06 * (high - low) or max(abs(high), 1e-6) * 0.1
    return low - room, high + room


def _grid(plot: _Plot) -> str:
    marks = []
    for value in _round_numbers(plot.low, plot.high):
        y = plot.y(value)
        marks.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:g}" y2="{y:g}"/>')
        marks.append(f'<text class="tick" x="{_LEFT - 6}" y="{y + 3.5:g}" text-anchor="end">{figure(value)}</text>')
    for step, anchor in ((0, "start"), (plot.last, "end")):
        at = f'x="{plot.x(step):g}" y="{_HEIGHT - 6}" text-anchor="{anchor}"'
        marks.append(f'<text class="tick" {at}>{step:,}</text>')
    return "".join(marks)


def _references(plot: _Plot, references: Sequence[tuple[str, float]]) -> Iterator[str]:
    """Dashed lines from the highest down, each with its label above it, or below where that would lie on another's."""
    lowest = -math.inf
    for label, value in sorted(references, key=lambda pair: -pair[1]):
        y = plot.y(value)
        above = y - 4 >= max(lowest + _LINE, _TOP + 4)
        at = y - 4 if above else max(y + 10, lowest + _LINE)
        lowest = at
        yield f'<line class="reference" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:g}" y2="{y:g}"/>'
        yield (
            f'<text class="tick" x="{_WIDTH - _RIGHT}" y="{at:g}" text-anchor="end">'
            f"{escape(label)} {figure(value)}</text>"
        )


def _round_numbers(low: float, high: float) -> list[float]:
    """Two to four round numbers between two others."""
    rough = (high - low) / 3
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(s for s in (size, 2 * size, 5 * size, 10 * size) if s >= rough)
    first = math.ceil(low / step)
    return [round(n * step, 12) for n in range(first, math.floor(high / step) + 1)]
