"""Downscale images by area averaging: whole, or row by row; to a size, or to a longest side."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from imgcycle.media.image.pixels import Floats, Pixels


def limited_shape(height: int, width: int, max_side: int | None) -> tuple[int, int]:
    """Size (height, width) with the same proportions and no side above `max_side`; never enlarged."""
    longest = max(height, width)
    if max_side is None or longest <= max_side:
        return height, width
    return max(1, round(height * max_side / longest)), max(1, round(width * max_side / longest))


def reduced_planes(pixels: Pixels, alpha: Pixels | None, shape: tuple[int, int]) -> tuple[Pixels, Pixels | None]:
    """Pixels (H, W, 3) and alpha (H, W) downscaled to `shape`; colours count as much as they are opaque."""
    if alpha is None or pixels.shape[:2] == shape:
        return reduced(pixels, shape), alpha
    small = reduced(alpha, shape)
    plain = reduced(pixels, shape)
    if int(alpha.min()) == np.iinfo(alpha.dtype).max:
        return plain, small
    # One channel after the other: all in floats would take several times the picture's memory.
    opaque = alpha.astype(np.float32)
    weight = _area(opaque, shape)
    there = weight > 0
    for channel in range(3):
        sums = _area(pixels[..., channel] * opaque, shape)
        plain[..., channel][there] = np.rint(sums[there] / weight[there])
    return plain, small


def _area(plane: Floats, shape: tuple[int, int]) -> Floats:
    size = (shape[1], shape[0])
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA).reshape(shape)  # type: ignore[return-value]


def reduced(pixels: Pixels, shape: tuple[int, int]) -> Pixels:
    """Pixels (H, W, 3) downscaled to `shape` by area averaging; the same array if it has that shape."""
    if pixels.shape[:2] == shape:
        return pixels
    return cv2.resize(pixels, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


class Reduction:
    """`reduced` for an image given row by row: `add` returns the rows that are complete by then.

    The same levels, except where float sums are within a rounding error of half a level.
    """

    def __init__(self, height: int, width: int, shape: tuple[int, int], dtype: npt.DTypeLike) -> None:
        self._dtype, self._width = np.dtype(dtype), shape[1]
        # OpenCV sums integers where both ratios are whole; in bands of that many rows so does this.
        whole = height % shape[0] == 0 and width % shape[1] == 0
        self._step = height // shape[0] if whole else 0
        self._shares = iter([] if whole else _area_shares(height, shape[0]))
        self._share = next(self._shares, None)
        self._held = np.empty((0, width, 3), dtype)
        self._sum = np.zeros((shape[1], 3), np.float32)
        self._next = 0

    def add(self, rows: Pixels) -> Pixels:
        """Add the next rows, (h, W, 3); returns the next ones of the reduced image, of which there may be none."""
        return self._add_whole(rows) if self._step else self._add_shares(rows)

    def _add_whole(self, rows: Pixels) -> Pixels:
        rows = np.concatenate([self._held, rows])
        count = len(rows) // self._step
        self._held = rows[count * self._step :]
        if not count:
            return np.empty((0, self._width, 3), self._dtype)
        return reduced(rows[: count * self._step], (count, self._width))

    def _add_shares(self, rows: Pixels) -> Pixels:
        top, self._next = self._next, self._next + len(rows)
        size = (self._width, len(rows))
        columns = cv2.resize(rows.astype(np.float32), size, interpolation=cv2.INTER_AREA).reshape(*size[::-1], 3)
        found = []
        while self._share is not None and self._share[1] < self._next:
            target, source, weight = self._share
            self._sum += weight * columns[source - top]
            self._share = next(self._shares, None)
            if self._share is None or self._share[0] != target:
                found.append(np.rint(self._sum).astype(self._dtype))
                self._sum[:] = 0
        return np.stack(found) if found else np.empty((0, self._width, 3), self._dtype)


def _area_shares(large: int, small: int) -> list[tuple[int, int, np.float32]]:
    """List of (target row, source row, weight), as in cv2's INTER_AREA."""
    found = []
    scale = large / small
    for target in range(small):
        begin, end = target * scale, (target + 1) * scale
        cell = min(scale, large - begin)
        last = min(int(end), large - 1)
        first = min(math.ceil(begin), last)
        if first - begin > 1e-3:
            found.append((target, first - 1, np.float32((first - begin) / cell)))
        found += [(target, source, np.float32(1 / cell)) for source in range(first, last)]
        if end - last > 1e-3:
            found.append((target, last, np.float32(min(end - last, 1, cell) / cell)))
    return found
