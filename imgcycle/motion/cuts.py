"""Scene cuts: frames unrelated to the previous one."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_SIZE = (96, 54)
"""Width and height frames are reduced to, so that motion of a few pixels makes no difference."""
_BINS = 32
_CUT = 0.7
"""On real clips cuts are at 0.80 and above; the fastest pan of a camera reaches 0.60, other motion 0.25."""


def is_cut(before: Floats, after: Floats) -> bool:
    """True if a new scene begins between two frames, (h, w, 3) RGB in [0, 1]."""
    return change(before, after) > _CUT


def change(before: Floats, after: Floats) -> float:
    """Mean difference (1 for 100 8-bit levels) plus the distance of the histograms (0..1)."""
    small = [_reduced(frame) for frame in (before, after)]
    counts = [_histogram(frame) for frame in small]
    return float(2.55 * np.abs(small[1] - small[0]).mean() + np.abs(counts[1] - counts[0]).sum() / 2)


def _reduced(frame: Floats) -> Floats:
    return cast(Floats, cv2.resize(np.clip(frame, 0, 1), _SIZE, interpolation=cv2.INTER_AREA))


def _histogram(frame: Floats) -> npt.NDArray[np.float64]:
    """Histogram of each channel, (3 · bins,), summing to 1."""
    bins = np.minimum((frame * _BINS).astype(np.intp), _BINS - 1) + np.arange(3) * _BINS
    return np.bincount(bins.ravel(), minlength=3 * _BINS) / bins.size
