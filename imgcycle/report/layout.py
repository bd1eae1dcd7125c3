"""Where pictures go on a sheet: in rows of one height each that fill its width, as a printer justifies lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 2000
"""Pixels of a sheet's width, about: less where a few pictures do not fill it."""
MARGIN, GUTTER, SEAM = 56, 40, 6
"""Around everything; between comparisons; between the pictures of one, where there are two (else half a gutter)."""
HEAD = 128
"""What the heading takes below the upper margin."""
_HEIGHTS = [round(720 * 0.93**n) for n in range(27)]
"""Heights that rows may have, before they are justified: 720 down to 109."""
_STRETCH = 1.35
"""A row is enlarged no more than this to fill the width; a shorter one, as the last may be, stays short."""
_FLAT, _TALL = 3.0, 0.4
"""Bounds of width / height: what is longer is shown smaller."""
_WIDE = 1.45
"""Width / height that a sheet comes near to, as screens and paper have it."""
_MOST = 400
"""Pictures on a sheet at most: beyond that they are stamps, and the sheet takes more memory than a photograph."""


@dataclass(frozen=True)
class LayoutBox:
    """A place for one picture, in pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class SheetLayout:
    """A sheet's size without its foot, the size of letters below the pictures, and a box for each picture of each
    comparison, in order."""

    width: int
    height: int
    letters: int
    boxes: tuple[tuple[LayoutBox, ...], ...]

    @property
    def longest(self) -> int:
        """No side of a picture is longer than this."""
        return max(max(box.width, box.height) for row in self.boxes for box in row)


@dataclass(frozen=True)
class _Strip:
    """Pictures of one ratio in a row, `gap` pixels apart."""

    count: int
    ratio: float
    gap: int

    def width(self, height: float) -> float:
        return self.count * self.ratio * height + (self.count - 1) * self.gap


def most_comparisons(pictures: int) -> int:
    """How many comparisons of so many pictures each a sheet has room for."""
    return max(1, _MOST // pictures)


def lay_out(ratios: Sequence[float], pictures: int) -> SheetLayout:
    """A layout for comparisons of these widths / heights, of `pictures` pictures each.

    The pictures of one comparison stay in one row, unless it is the only one and has more than two.
    """
    bounded = [min(_FLAT, max(_TALL, ratio)) for ratio in ratios]
    alone = len(bounded) == 1 and pictures > 2
    if alone:
        strips = [_Strip(1, bounded[0], 0)] * pictures
    else:
        strips = [_Strip(pictures, ratio, SEAM if pictures == 2 else GUTTER // 2) for ratio in bounded]
    found = min((_justified(strips, height) for height in _HEIGHTS), key=_distance)
    return SheetLayout(found.width, found.height, found.letters, (sum(found.boxes, ()),)) if alone else found


def _distance(found: SheetLayout) -> float:
    """How far a layout is from a good one: in its shape, in width not used, in places empty at the ends of rows."""
    ends = {strip[-1].top: strip[-1].left + strip[-1].width + MARGIN for strip in found.boxes}
    empty = sum(1 - end / found.width for end in ends.values())
    return abs(math.log(found.width / found.height / _WIDE)) + math.log(WIDTH / found.width) + empty


def _justified(strips: Sequence[_Strip], height: int) -> SheetLayout:
    room = WIDTH - 2 * MARGIN
    letters = 17 if height >= 240 else 13
    label = round(2.5 * letters)
    top = float(MARGIN + HEAD)
    right = 0
    boxes: list[tuple[LayoutBox, ...]] = []
    for row in _rows(strips, height, room):
        tall = _height(row, height, room)
        left = float(MARGIN)
        for strip in row:
            step = strip.ratio * tall + strip.gap
            size = max(1, round(strip.ratio * tall)), max(1, round(tall))
            boxes.append(tuple(LayoutBox(round(left + n * step), round(top), *size) for n in range(strip.count)))
            left += strip.width(tall) + GUTTER
        right = max(right, boxes[-1][-1].left + boxes[-1][-1].width)
        top += round(tall) + label + GUTTER // 2
    return SheetLayout(right + MARGIN, round(top) + GUTTER // 2, letters, tuple(boxes))


def _rows(strips: Sequence[_Strip], height: int, room: int) -> list[list[_Strip]]:
    """Strips broken into rows that come nearest to the room there is, at this height."""
    rows: list[list[_Strip]] = [[]]
    used = 0.0
    for strip in strips:
        wider = used + strip.width(height) + (GUTTER if rows[-1] else 0)
        if rows[-1] and wider - room > room - used:
            rows.append([])
            wider = strip.width(height)
        rows[-1].append(strip)
        used = wider
    return rows


def _height(row: Sequence[_Strip], height: int, room: int) -> float:
    """The height at which a row fills the room."""
    gaps = (len(row) - 1) * GUTTER + sum((strip.count - 1) * strip.gap for strip in row)
    full = max(1.0, (room - gaps) / sum(strip.count * strip.ratio for strip in row))
    return full if full <= height * _STRETCH else float(height)
