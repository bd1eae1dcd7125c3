"""Layout of a contact sheet: rows of equal height that fill its width, like justified text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 2000
"""Approximate width of a sheet in pixels: less if a few images do not fill it."""
MARGIN, GUTTER, SEAM = 56, 40, 6
"""Around everything; between comparisons; between the images of one, if there are two (else half a gutter)."""
HEAD = 128
"""Height of the heading below the upper margin."""
_HEIGHTS = [round(720 * 0.93**n) for n in range(27)]
"""Candidate heights of rows, before they are justified: 720 down to 109."""
_STRETCH = 1.35
"""Largest enlargement of a row to fill the width; a shorter one, as the last may be, stays short."""
_FLAT, _TALL = 3.0, 0.4
"""Bounds of width / height: images beyond them are shown smaller."""
_WIDE = 1.45
"""Width / height that a sheet should have, like screens and paper."""
_MOST = 400
"""Most images on a sheet: with more they are too small, and the sheet takes more memory than a photograph."""


@dataclass(frozen=True)
class LayoutBox:
    """Position and size of one image, in pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class SheetLayout:
    """Size of a sheet without its foot, font size of the captions, and a box for each image of each comparison, in
    order.
    """

    width: int
    height: int
    letters: int
    boxes: tuple[tuple[LayoutBox, ...], ...]

    @property
    def longest(self) -> int:
        """Longest side of any image."""
        return max(max(box.width, box.height) for row in self.boxes for box in row)


@dataclass(frozen=True)
class _Strip:
    """Images of one ratio in a row, `gap` pixels apart."""

    count: int
    ratio: float
    gap: int

    def width(self, height: float) -> float:
        return self.count * self.ratio * height + (self.count - 1) * self.gap


def most_comparisons(pictures: int) -> int:
    """Number of comparisons of so many images each that fit a sheet."""
    return max(1, _MOST // pictures)


def lay_out(ratios: Sequence[float], pictures: int) -> SheetLayout:
    """Layout for comparisons of these widths / heights, of `pictures` images each.

    The images of one comparison stay in one row, unless it is the only one and has more than two.
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
    """Penalty of a layout: its shape, unused width, and empty places at the ends of rows."""
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
    """Strips broken into rows that come nearest to the available width, at this height."""
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
    """Height at which a row fills the width."""
    gaps = (len(row) - 1) * GUTTER + sum((strip.count - 1) * strip.gap for strip in row)
    full = max(1.0, (room - gaps) / sum(strip.count * strip.ratio for strip in row))
    return full if full <= height * _STRETCH else float(height)
