"""Downscale a photograph to the work size of a style, and upscale the net's change to full size.

A style learnt on 256-pixel images has strokes of a few pixels, which vanish on twelve megapixels. So the style is
applied to a downscaled image r of the photograph p, and with E the upscaling to full size the result is

    out = (1 − s) p + s (E(net(r)) + d (p − E(r)))        s strength, d detail

that is: the upscaled result, plus a share d of the fine detail that downscaling removed. Since E is linear, out = (1 −
s + s d) p + E(s (net(r) − d r)), so only one upscaling of a small image is computed, band by band. A net that changes
nothing gives the photograph back exactly when d = 1.

Where nothing is downscaled (the image is not larger than the work size, or `full` was asked for) the result is (1 − s)
p + s net(p), `detail` has no effect, and rows are streamed (`blended`).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from imgcycle.nets.compact import LUMA

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Floats = npt.NDArray[np.float32]

BAND = 32
"""Rows computed at a time, few enough to stay in the cache (75 ms for 12 megapixels, twice that with 64)."""
_SHARPNESS = -0.75
"""Parameter of Keys's cubic kernel, the same as OpenCV's, since rows are upscaled here and columns there."""
_TO_LUMA = np.array([LUMA], np.float32)


def to_float01(pixels: Pixels) -> Floats:
    """Integer levels to [0, 1]."""
    return pixels.astype(np.float32) * np.float32(1 / np.iinfo(pixels.dtype).max)


def to_tensor(unit: Floats) -> Tensor:
    """(H, W, 3) in [0, 1] to float32 (1, 3, H, W) in [-1, 1], channels innermost in memory."""
    return torch.from_numpy(unit).permute(2, 0, 1)[None] * 2 - 1


def from_tensor(x: Tensor) -> Floats:
    """Inverse of `to_tensor`, not rounded."""
    return np.ascontiguousarray(x[0].float().cpu().permute(1, 2, 0).add(1).div_(2).numpy())


def restored(
    pixels: Pixels, small: Floats, result: Floats, detail: float, strength: float, out: Pixels | None = None
) -> Pixels:
    """Full-size result from the photograph, its downscaled image and the net's result, both (h, w, 3) in [0, 1].

    Rounded to the photograph's integer type and clipped; written to `out`, which may be `pixels` itself.
    """
    out = np.empty_like(pixels) if out is None else out
    whole = Restoration(pixels.shape[0], pixels.shape[1], pixels.dtype, small, result, detail, strength)
    whole.widen(0, len(small))  # all at once is a quarter faster, and takes little memory beside the pixels
    for top in range(0, pixels.shape[0], BAND):
        whole.rows(top, pixels[top : top + BAND], out[top : top + BAND])
    return out


class Restoration:
    """`restored` in bands of at most `BAND` rows, in order."""

    def __init__(
        self,
        height: int,
        width: int,
        dtype: npt.DTypeLike,
        small: Floats,
        result: Floats,
        detail: float,
        strength: float,
    ) -> None:
        self._height, self._width = height, width
        self._keep = 1 - strength + strength * detail
        most = float(np.iinfo(dtype).max)
        self._change = (strength * most * (result - np.float32(detail) * small)).astype(np.float32)
        self._columns = np.empty((0, width * 3), np.float32)
        self._first = 0

    def rows(self, top: int, pixels: Pixels, out: Pixels) -> None:
        """Write the band (h, W, 3) that begins at row `top` to `out`, which may be `pixels` itself."""
        _mix(pixels, self._keep, self._added(top, len(pixels)), out)

    def floats(self, top: int, pixels: Pixels) -> Floats:
        """The band as floats, clipped to [0, 1], not rounded."""
        most = float(np.iinfo(pixels.dtype).max)
        band = pixels.astype(np.float32).reshape(len(pixels), -1)
        mixed = cv2.addWeighted(band, self._keep / most, self._added(top, len(pixels)), 1 / most, 0.0)
        return mixed.clip(0, 1).reshape(pixels.shape).astype(np.float32, copy=False)

    def _added(self, top: int, count: int) -> Floats:
        """Upscaled change to add, (count, W × 3), in levels."""
        first, weights = _enlarging_rows(len(self._change), self._height, top, top + count)
        self.widen(first, first + weights.shape[1])
        at = first - self._first
        # By torch: numpy's matrix products start threads of their own, which spin after each call and slow down video.
        added = torch.from_numpy(weights) @ torch.from_numpy(self._columns[at : at + weights.shape[1]])
        return added.numpy()

    def widen(self, first: int, last: int) -> None:
        """Upscale rows first..last of the change along the row; those before `first` are freed."""
        have = self._first + len(self._columns)
        if last <= have:
            return
        begin = max(first, have)
        size = (self._width, last - begin)
        new = cv2.resize(self._change[begin:last], size, interpolation=cv2.INTER_CUBIC).reshape(last - begin, -1)
        self._columns = np.concatenate([self._columns[first - self._first :], new])
        self._first = first


def blended(pixels: Pixels, result: Floats, strength: float, out: Pixels) -> None:
    """(1 − s) p + s net(p) without downscaling: rows (h, w, 3) of the photograph and of the net's result.

    Rounded and clipped like `restored`; `out` may be `pixels` itself.
    """
    most = float(np.iinfo(pixels.dtype).max)
    _mix(pixels, 1 - strength, (strength * most * result).astype(np.float32), out)


def _mix(pixels: Pixels, keep: float, added: Floats, out: Pixels) -> None:
    """keep × pixels + added, rounded and clipped in one pass."""
    shape = (pixels.shape[0], pixels.shape[1] * 3)
    depth = cv2.CV_8U if pixels.dtype == np.uint8 else cv2.CV_16U
    band = pixels.astype(np.float32).reshape(shape)
    cv2.addWeighted(band, keep, added.reshape(shape), 1.0, 0.0, out.reshape(shape), depth)


def _enlarging_rows(small: int, large: int, top: int, bottom: int) -> tuple[int, Floats]:
    """Rows top..bottom of the cubic upscaling small → large: first source row, weights.

    Half-pixel centres, edge rows repeated, as in cv2.resize.
    """
    at = (np.arange(top, bottom) + 0.5) * small / large - 0.5
    base = np.floor(at).astype(np.intp)
    share = at - base
    first, last = max(0, int(base[0]) - 1), min(small - 1, int(base[-1]) + 2)
    weights = np.zeros((bottom - top, last - first + 1), np.float32)
    lines = np.arange(bottom - top)
    for tap in range(-1, 3):
        source = np.clip(base + tap, 0, small - 1) - first
        np.add.at(weights, (lines, source), _cubic(np.abs(share - tap)).astype(np.float32))
    return first, weights


def _cubic(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Keys, Cubic convolution interpolation, 1981, equation 15 with a free parameter."""
    a = _SHARPNESS
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


def with_colours_of(small: Floats, result: Floats) -> Floats:
    """The result's lightness with the photograph's colours: only the change of luma (BT.601) is applied."""
    return small + luma_of(result - small)


def luma_of(change: Floats) -> Floats:
    """Luma (h, w, 1) of a change (h, w, 3): BT.601."""
    return np.asarray(cv2.transform(change, _TO_LUMA), np.float32)[..., None]
