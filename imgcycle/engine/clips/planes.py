"""Frames as planes of luma and half-size colour (4:2:0), which is how most clips store them: to the net and back.

What `resample.restored` computes, out = k p + E(c) with the net's change c, is linear until it is rounded and clipped,
and so are the change between RGB and luma with colour differences, and the halving of colour. So it holds plane by
plane, and a clip's frames need not become RGB at full size on the way: only the image at work size does. That saves
both conversions, half of the bytes in both pipes, and half of the enlarging; and planes are rounded once, where RGB in
between is rounded twice.

Colour is read and written as zimg does both: doubled and halved by Keys's cubic kernel with a = −1/2, samples at the
left of their two pixels and midway between their two lines. All steps along one axis are one matrix with few entries
near its diagonal, applied as products of small dense blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from imgcycle.engine import resample
from imgcycle.engine.resample import Floats, Pixels

MATRICES = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114), "bt470bg": (0.299, 0.114)}
"""Shares of red and blue in luma, by ffmpeg's names of matrices (ITU-R BT.709 and BT.601)."""
_LIMITED = 16.0, 219.0, 224.0
"""Black, and the spans of luma and colour, of planes that leave room at both ends."""
_FULL = 0.0, 255.0, 255.0
_NEUTRAL = 128.0
_ZIMG, _OPENCV = -0.5, -0.75
"""Parameters of Keys's cubic kernel."""
_BLOCK = 64
"""Rows or columns of a block: the fewer, the less of it is zeros, and the more products there are."""
_REDUCING = 24
"""The same where there are several columns to a row."""


class Taps(NamedTuple):
    """A matrix with few entries in a row: their columns, (rows, n), and the entries."""

    columns: npt.NDArray[np.intp]
    weights: npt.NDArray[np.float64]

    def after(self, first: Taps) -> Taps:
        """The product self × first."""
        rows = len(self.columns)
        columns = first.columns[self.columns].reshape(rows, -1)
        return Taps(columns, (self.weights[..., None] * first.weights[self.columns]).reshape(rows, -1))


@dataclass(frozen=True)
class Axis:
    """The maps along one axis: of luma and of colour to work size, and of their changes back."""

    luma_in: Band | None
    colour_in: Band
    luma_out: Band | None
    colour_out: Band

    @classmethod
    def of(cls, large: int, small: int, *, beside: bool) -> Axis:
        """Of `large` pixels and `small` at work size; `beside` where colour samples are at the left of two pixels."""
        lag = 0.0 if beside else 0.5
        pixels, samples = np.arange(large), np.arange(large // 2)
        doubled = _cubic((pixels + lag) / 2 - lag, large // 2, _ZIMG)
        halved = _cubic(2 * samples + lag, large, _ZIMG, stretch=2)
        if large == small:
            return cls(None, Band(doubled), None, Band(halved))
        areas = _areas(large, small)
        enlarged = _cubic((pixels + 0.5) * small / large - 0.5, small, _OPENCV)
        return cls(
            Band(areas, _REDUCING), Band(areas.after(doubled), _REDUCING), Band(enlarged), Band(halved.after(enlarged))
        )


class Band:
    """A matrix with entries near its diagonal alone, in dense blocks of its rows."""

    def __init__(self, taps: Taps, size: int = _BLOCK) -> None:
        self.size = len(taps.columns)
        self.blocks: list[tuple[slice, slice, Tensor]] = []
        """Rows of each block, the columns that are not zero there, and the entries."""
        for top in range(0, self.size, size):
            columns, weights = taps.columns[top : top + size], taps.weights[top : top + size]
            first, last = int(columns.min()), int(columns.max()) + 1
            dense = np.zeros((len(columns), last - first))
            np.add.at(dense, (np.arange(len(columns))[:, None], columns - first), weights)
            block = torch.from_numpy(dense.astype(np.float32))
            self.blocks.append((slice(top, top + len(columns)), slice(first, last), block))

    def down(self, plane: Pixels) -> Tensor:
        """The product with a plane's columns; its levels become floats."""
        out = torch.empty((self.size, plane.shape[1]))
        room = np.empty((max(block.shape[1] for _, _, block in self.blocks), plane.shape[1]), np.float32)
        for rows, columns, block in self.blocks:
            levels = room[: block.shape[1]]
            np.copyto(levels, plane[columns])
            torch.mm(block, torch.from_numpy(levels), out=out[rows])
        return out

    def across(self, x: Tensor) -> Tensor:
        """The product with a plane's rows."""
        out = torch.empty((len(x), self.size))
        for rows, columns, block in self.blocks:
            torch.mm(x[:, columns], block.T, out=out[:, rows])
        return out


@dataclass(frozen=True)
class PlaneFrames:
    """Frames of one clip as 8-bit planes, (3 × height ÷ 2, width): luma, then both of colour (OpenCV's I420).

    `shape` is the work size (height, width), `matrix` one of `MATRICES`, which the results keep; `full` says that 0 is
    black and 255 white, where results always have 16 and 235.
    """

    height: int
    width: int
    shape: tuple[int, int]
    matrix: str
    full: bool

    def small(self, frame: Pixels, *, written: bool = False) -> Floats:
        """RGB (h, w, 3) in [0, 1] at work size: means over areas, as `reduced`; of a source's frame, or of a result's.

        In whole levels of 8 bits, so that a net sees what it would see of RGB.
        """
        luma, *colours = self._planes(frame)
        planes = [self._luma_at_work_size(luma)]
        for colour in colours:
            planes.append(self._across.colour_in.across(self._down.colour_in.down(colour)).numpy())
        found = cv2.transform(cv2.merge(planes), _to_rgb(self.matrix, self.full and not written))
        levels = cv2.convertScaleAbs(np.clip(found, 0, 1), alpha=255)
        return resample.to_float01(cast(Pixels, levels))

    def restored(self, frame: Pixels, small: Floats, result: Floats, detail: float, strength: float) -> Pixels:
        """Planes of the result at full size, as `resample.restored` or, at work size, `resample.blended` has it."""
        if self.shape == (self.height, self.width):
            keep, change = 1 - strength, np.float32(strength) * result
        else:
            keep = 1 - strength + strength * detail
            change = np.float32(strength) * (result - np.float32(detail) * small)
        factors, offsets = self._kept(keep)
        changes = cv2.split(cv2.transform(change, np.column_stack([self._from_rgb, offsets]).astype(np.float32)))
        out = np.empty_like(frame)
        downs = self._down.luma_out, self._down.colour_out, self._down.colour_out
        acrosses = self._across.luma_out, self._across.colour_out, self._across.colour_out
        pairs = zip(self._planes(frame), self._planes(out), changes, factors, downs, acrosses, strict=True)
        for plane, target, change, factor, down, across in pairs:
            _add(plane, factor, torch.from_numpy(change), down, across, target)
        return out

    def unchanged(self, frame: Pixels) -> Pixels:
        """A frame as it is, in the levels of results."""
        if not self.full:
            return frame
        out = np.empty_like(frame)
        factors, offsets = self._kept(1.0)
        for plane, target, factor, offset in zip(self._planes(frame), self._planes(out), factors, offsets, strict=True):
            cv2.convertScaleAbs(plane, target, factor, offset)
        return out

    def _luma_at_work_size(self, luma: Pixels) -> Floats:
        if self._down.luma_in is None or self._across.luma_in is None:
            return luma.astype(np.float32)
        return self._across.luma_in.across(self._down.luma_in.down(luma)).numpy()

    def _planes(self, frame: Pixels) -> tuple[Pixels, Pixels, Pixels]:
        luma, half = self.height * self.width, (self.height // 2, self.width // 2)
        one, other = np.split(frame.reshape(-1)[luma:], 2)
        return frame[: self.height], cast(Pixels, one.reshape(half)), cast(Pixels, other.reshape(half))

    def _kept(self, keep: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Factors and offsets with which levels of each plane become `keep` times them in the levels of results."""
        black, light, colour = _FULL if self.full else _LIMITED
        factors = keep * np.array([_LIMITED[1] / light, _LIMITED[2] / colour, _LIMITED[2] / colour])
        zero = np.array([_LIMITED[0], _NEUTRAL, _NEUTRAL])
        return factors, zero - factors * np.array([black, _NEUTRAL, _NEUTRAL])

    @cached_property
    def _down(self) -> Axis:
        return Axis.of(self.height, self.shape[0], beside=False)

    @cached_property
    def _across(self) -> Axis:
        return Axis.of(self.width, self.shape[1], beside=True)

    @cached_property
    def _from_rgb(self) -> npt.NDArray[np.float64]:
        """3 × 3, from [0, 1] to spans of results."""
        _, light, colour = _LIMITED
        return np.diag([light, colour, colour]) @ _differences(self.matrix)


def _to_rgb(matrix: str, full: bool) -> Floats:
    """3 × 4, from levels to [0, 1]."""
    black, light, colour = _FULL if full else _LIMITED
    turned = np.linalg.inv(np.diag([light, colour, colour]) @ _differences(matrix))
    offset = -turned @ np.array([black, _NEUTRAL, _NEUTRAL])
    return np.column_stack([turned, offset]).astype(np.float32)


def _differences(matrix: str) -> npt.NDArray[np.float64]:
    """3 × 3, from RGB to luma in [0, 1] and colour differences in [−1/2, 1/2]."""
    red, blue = MATRICES[matrix]
    luma = np.array([red, 1 - red - blue, blue])
    first = (np.array([0, 0, 1]) - luma) / (2 * (1 - blue))
    second = (np.array([1, 0, 0]) - luma) / (2 * (1 - red))
    return np.stack([luma, first, second])


def _add(plane: Pixels, factor: float, change: Tensor, down: Band | None, across: Band | None, out: Pixels) -> None:
    """factor × plane + change, enlarged, rounded and clipped, block by block while it is in the cache."""
    wide = change if across is None else across.across(change)
    room = np.empty((_BLOCK, plane.shape[1]), np.float32)
    for top in range(0, len(plane), _BLOCK):
        rows = slice(top, min(top + _BLOCK, len(plane)))
        levels = room[: rows.stop - top]
        np.copyto(levels, plane[rows])
        mixed = torch.from_numpy(levels)
        if down is None:
            mixed.mul_(factor).add_(wide[rows])
        else:
            _, columns, block = down.blocks[top // _BLOCK]
            torch.addmm(mixed, block, wide[columns], beta=factor, out=mixed)
        cv2.convertScaleAbs(np.clip(levels, 0, 255, out=levels), out[rows])


def _cubic(at: npt.NDArray[np.floating[Any]], count: int, sharpness: float, stretch: int = 1) -> Taps:
    """Values between `count` samples, at places counted in them, by a kernel `stretch` times as wide.

    Past the edges samples are mirrored.
    """
    base = np.floor(at).astype(np.intp)
    columns = base[:, None] + np.arange(1 - 2 * stretch, 2 * stretch + 1)
    weights = _keys(np.abs(at[:, None] - columns) / stretch, sharpness)
    columns = np.where(columns < 0, -1 - columns, columns)
    columns = np.where(columns >= count, 2 * count - 1 - columns, columns)
    return Taps(np.clip(columns, 0, count - 1), weights / weights.sum(1, keepdims=True))


def _keys(distance: npt.NDArray[np.float64], a: float) -> npt.NDArray[np.float64]:
    """Keys, Cubic convolution interpolation, 1981, equation 15 with a free parameter."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


def _areas(large: int, small: int) -> Taps:
    """Means over areas, as cv2's INTER_AREA has them."""
    scale = large / small
    begin = np.arange(small)[:, None] * scale
    columns = np.floor(begin).astype(np.intp) + np.arange(math.ceil(scale) + 1)
    share = np.minimum(columns + 1, begin + scale) - np.maximum(columns, begin)
    return Taps(np.minimum(columns, large - 1), np.clip(share, 0, None) / scale)
