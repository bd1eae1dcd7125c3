"""Fine strokes at full size, drawn by a second net over the upscaled result of the first.

A style learnt on 256-pixel images is applied at its work size and upscaled, so that at 1:1 a large photograph is a blur
with the photograph's own detail on it. A second net, trained at 1:1 on scans of paintings, draws the strokes that are
missing. With p the photograph, r its downscaled image, n = net(r) and E the upscaling,

    b = E(n) + d (p − E(r))           the upscaled result with a share d of the photograph's detail: no strokes yet
    x = E(r + B(n − r)) + d (p − E(r))         the same without what the first net did to small things
    y = fine(x)
    z = y + L(b − y)                  light, colours and broad strokes are those of b, fine strokes those of y
    out = (1 − s) p + s (b + k (z − b))        s strength, k the share of the strokes; z − b is c − L(c) with c = y − b

B is a blur (σ = `calm` pixels of r; none if it is 0): upscaled specks would be painted over as if they were things. L
is a low-pass that ends just above the size of those specks, so that the first net's broad strokes stay. Where strokes
are of `luma` alone, y is b with the luma of fine(x): the palette of a few scans is not that of a style.

Every part is local except norms of the fine net, which the engine's passes handle, so rows are streamed and the result
is that of the whole image.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from imgcycle.engine import resample
from imgcycle.engine.resample import Floats, Pixels

SPECK = 0.75
"""Standard deviation of the low-pass in pixels of the downscaled image: a first net's specks are about as wide."""
CELLS = (2, 8)
"""Least and greatest side in pixels of the cells whose means the low-pass smooths."""
SIGMA = 1.0
"""Standard deviation, in cells, of the Gaussian that smooths these means."""
_REACH = 4
_TAPS = np.exp(-0.5 * (np.arange(-_REACH, _REACH + 1) / SIGMA) ** 2)
_KERNEL: Floats = (_TAPS / _TAPS.sum()).astype(np.float32)
LAG = (_REACH + 2) * CELLS[1]
"""Largest number of rows by which output lags behind input."""
_ROW_BYTES = 60
"""Bytes a pixel of buffered rows: the photograph, b, y and their difference, and the result, as floats."""
_STRIP = 96 * 2**20
"""Bytes of the rows of one strip, or of an image processed whole, beside the net's planes."""


def bytes_in_hand(width: int) -> int:
    """Peak bytes of `StrokeRows` for an image, beside the net's planes."""
    return _STRIP + (LAG + 2 * resample.BAND) * width * _ROW_BYTES


def with_blurred_change(small: Floats, result: Floats, calm: float) -> Floats:
    """The first net's result (h, w, 3) with its change to `small` blurred by `calm` pixels."""
    if not calm:
        return result
    return small + cv2.GaussianBlur(result - small, (0, 0), calm)


def cell_of(height: int, small: int) -> int:
    """Side of the low-pass's cells for an image of `height` rows that was downscaled to `small`."""
    return min(max(round(SPECK * height / small), CELLS[0]), CELLS[1])


class StrokeRows:
    """Rows of x for the fine net, and its result turned into finished pixels; see the module.

    `read` returns rows top..bottom of the photograph ahead of the net, `reread` the same once more behind it, in order;
    `write` receives finished rows in order. `small` and `result` are the first net's, (h, w, 3) in [0, 1] in the
    image's own colour space; `calm` is in their pixels. With `luma` strokes change luma alone.
    """

    def __init__(
        self,
        height: int,
        width: int,
        read: Callable[[int, int], Pixels],
        reread: Callable[[int, int], Pixels],
        write: Callable[[int, Pixels], None],
        dtype: npt.DTypeLike,
        small: Floats,
        result: Floats,
        *,
        calm: float,
        detail: float,
        strength: float,
        share: float,
        luma: bool = False,
    ) -> None:
        self.height, self.width = height, width
        self._read, self._reread, self._write = read, reread, write
        self._dtype, self._small, self._detail = dtype, small, detail
        self._calm = with_blurred_change(small, result, calm)
        self._strength, self._share, self._luma = strength, share, luma
        self._fore = self._aft = self._restoration(self._calm)
        self._broad = self._restoration(result)
        self._last: tuple[int, int, Pixels] | None = None
        self._lows = LowPass(height, width, cell_of(height, len(small)), 1 if luma else 3)
        self._pending: deque[tuple[Pixels, Floats, Floats]] = deque()
        self._written = 0

    def ahead(self, top: int, bottom: int) -> Floats:
        """Rows of x for the net; a pass may restart at the top."""
        if top == 0:
            self._fore = self._restoration(self._calm)
        return self._painted(self._fore, top, self._read(top, bottom))

    def behind(self, top: int, bottom: int) -> Floats:
        """The same rows once more, just before the net's rows are `put`."""
        return self._painted(self._aft, top, self._photograph(top, bottom))

    def put(self, top: int, result: Floats) -> None:
        """Add rows of the fine net's result; finished rows are written as soon as the low-pass covers them."""
        for first in range(0, len(result), resample.BAND):
            part = result[first : first + resample.BAND]
            pixels = self._photograph(top + first, top + first + len(part))
            broad = self._painted(self._broad, top + first, pixels)
            change = part - broad
            if self._luma:  # one plane, for all three colours
                change = resample.luma_of(change)
            self._pending.append((pixels, broad, change))
            self._lows.add(change)
            self._finish()

    def _photograph(self, top: int, bottom: int) -> Pixels:
        """Rows behind the net, those just read from memory."""
        if self._last is None or top < self._last[0] or self._last[1] < bottom:
            self._last = top, bottom, self._reread(top, bottom)
        first = self._last[0]
        return self._last[2][top - first : bottom - first]

    def _restoration(self, result: Floats) -> resample.Restoration:
        about = (self._dtype, self._small, result, self._detail)
        return resample.Restoration(self.height, self.width, *about, strength=1.0)

    def _painted(self, whole: resample.Restoration, top: int, pixels: Pixels) -> Floats:
        bands = range(0, len(pixels), resample.BAND)
        parts = [whole.floats(top + first, pixels[first : first + resample.BAND]) for first in bands]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _finish(self) -> None:
        """Write the rows that the low-pass covers."""
        while self._pending and (low := self._lows.take(len(self._pending[0][0]))) is not None:
            pixels, broad, change = self._pending.popleft()
            result = broad + self._share * (change - low)
            out = np.empty_like(pixels)
            resample.blended(pixels, result, self._strength, out)
            self._write(self._written, out)
            self._written += len(out)


class LowPass:
    """Low-pass L of an image (H, W, C) given row by row: means over cells, smoothed, upscaled linearly.

    The result does not depend on the bands in which rows are added and taken, not in a bit.
    """

    def __init__(self, height: int, width: int, cell: int, channels: int = 3) -> None:
        self._height, self._width, self._cell, self._channels = height, width, cell, channels
        self._cells = -(-height // cell)
        self._partial = np.empty((0, width, channels), np.float32)
        self._means: dict[int, Floats] = {}
        self._lines: dict[int, Floats] = {}
        """Smoothed means by row of cells, each upscaled to the full width."""
        self._added = self._done = self._taken = 0

    def add(self, rows: Floats) -> None:
        """Add the next rows, (h, W, C)."""
        self._added += len(rows)
        rows = np.concatenate([self._partial, rows])
        while len(rows) >= self._cell or (len(rows) and self._added == self._height):
            self._means[self._done] = self._mean(rows[: self._cell])
            self._done += 1
            rows = rows[self._cell :]
        self._partial = rows

    def take(self, count: int) -> Floats | None:
        """The next `count` rows of L, or None while rows below them are missing."""
        at = (np.arange(self._taken, self._taken + count) + 0.5) / self._cell - 0.5
        above = np.floor(at).astype(np.intp)
        if min(int(above[-1]) + 1, self._cells - 1) + _REACH >= self._done < self._cells:
            return None
        share = (at - above).astype(np.float32)[:, None, None]
        first = max(0, int(above[0]))
        for known in [n for n in self._lines if n < first]:
            del self._lines[known]
        for known in [n for n in self._means if n < first - _REACH]:
            del self._means[known]
        out = np.empty((count, self._width, self._channels), np.float32)
        for row in range(int(above[0]), int(above[-1]) + 1):
            # All rows between the middles of the same two cells.
            between = slice(*np.searchsorted(above, (row, row + 1)))
            upper, lower = (self._line(min(max(r, 0), self._cells - 1)) for r in (row, row + 1))
            out[between] = upper + share[between] * (lower - upper)
        self._taken += count
        return out

    def _line(self, row: int) -> Floats:
        if row not in self._lines:
            around = np.clip(np.arange(row - _REACH, row + _REACH + 1), 0, self._cells - 1)
            smooth: Floats = sum(weight * self._means[int(n)] for weight, n in zip(_KERNEL, around, strict=True))
            wide = cv2.resize(smooth[None], (smooth.shape[0] * self._cell, 1), interpolation=cv2.INTER_LINEAR)
            self._lines[row] = np.asarray(wide, np.float32).reshape(-1, self._channels)[: self._width]
        return self._lines[row]

    def _mean(self, rows: Floats) -> Floats:
        """Means over one row of cells, smoothed along the row."""
        line = rows.mean(0)
        whole = self._width // self._cell
        means = line[: whole * self._cell].reshape(whole, self._cell, self._channels).mean(1)
        if whole * self._cell < self._width:
            means = np.concatenate([means, line[whole * self._cell :].mean(0, keepdims=True)])
        one = np.ones(1, np.float32)
        smooth = cv2.sepFilter2D(means[None], -1, _KERNEL, one, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(smooth, np.float32).reshape(-1, self._channels)
