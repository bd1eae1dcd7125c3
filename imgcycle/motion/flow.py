"""Dense optical flow between two frames, and where it is unknown.

Flow is DIS (Kroeger et al., Fast Optical Flow using Dense Inverse Search, ECCV 2016) of OpenCV, in its medium preset.
It gives the same bytes on any number of threads. Occlusions are found by comparing both directions (Sundaram et al.,
Dense Point Trajectories, ECCV 2010, equations 5 and 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_LEAST = 16
"""Sides in pixels below which DIS refuses a frame, or returns only NaN."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Flow between two frames of one size, in pixels, (h, w, 2) float32, x before y.

    `forward`, on the grid of the earlier frame, says where its pixels go; `backward`, on the grid of the later one,
    where its pixels came from.
    """

    forward: Floats
    backward: Floats

    def warped(self, earlier: Floats, *, sharp: bool = True) -> Floats:
        """An image (h, w, c) that belongs to the earlier frame, warped to the content of the later one.

        `sharp` interpolates cubically, else linearly. Outside the image its edge is replicated.
        """
        # Not reflected: remap never returns from reflecting an image of one row or column.
        how = cv2.INTER_CUBIC if sharp else cv2.INTER_LINEAR
        return cast(Floats, cv2.remap(earlier, *self._sources, how, borderMode=cv2.BORDER_REPLICATE))

    @cached_property
    def known(self) -> Mask:
        """Mask (h, w) of the later frame's pixels that are visible in the earlier one, away from motion edges.

        A pixel is occluded where the flow there and back does not return, |f_w + b|² > 0.01 (|f_w|² + |b|²) + 0.5; at
        an edge where |∇b|² > 0.01 |b|² + 0.002; or it came from outside the frame.
        """
        there, back = self.warped(self.forward, sharp=False), self.backward
        length = squared(back)
        hidden = squared(there + back) > 0.01 * (squared(there) + length) + 0.5
        edge = _steepness(back) > 0.01 * length + 0.002
        x, y = self._sources
        height, width = back.shape[:2]
        outside = (x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)
        return cast(Mask, ~(hidden | edge | outside))

    def reversed(self) -> Motion:
        """The motion between the two frames in the other order."""
        return Motion(self.backward, self.forward)

    @cached_property
    def _sources(self) -> tuple[Floats, Floats]:
        """Columns and rows of the earlier frame at which each pixel of the later one is sampled."""
        height, width = self.backward.shape[:2]
        columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
        return self.backward[..., 0] + columns, self.backward[..., 1] + rows


def measure_motion(earlier: Floats, later: Floats) -> Motion:
    """Motion between two frames, (h, w, 3) RGB in [0, 1], of one size; from their luma in 8 bits."""
    pair = [_grey(frame) for frame in (earlier, later)]
    height, width = pair[0].shape
    grown = (max(0, _LEAST - height), max(0, _LEAST - width))
    if any(grown):
        pair = [np.pad(g, ((0, grown[0]), (0, grown[1])), "edge") for g in pair]
    forward, backward = (_flow(a, b)[:height, :width] for a, b in (pair, pair[::-1]))
    return Motion(np.ascontiguousarray(forward), np.ascontiguousarray(backward))


def _grey(frame: Floats) -> npt.NDArray[np.uint8]:
    levels = cv2.convertScaleAbs(frame, alpha=255)  # rounded and clipped: no frame is below 0
    return cast(npt.NDArray[np.uint8], cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY))


def _flow(here: npt.NDArray[np.uint8], there: npt.NDArray[np.uint8]) -> Floats:
    # A new object for each call (13 µs): it keeps buffers, and frames are processed in several threads.
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return cast(Floats, search.calc(here, there, None))


def squared(vectors: Floats) -> Floats:
    """Squares of the lengths of vectors (h, w, c), by OpenCV: in a third of numpy's time for c = 2 or 3."""
    sums = np.ones((1, vectors.shape[2]), np.float32)
    return cast(Floats, cv2.transform(cv2.multiply(vectors, vectors), sums).reshape(vectors.shape[:2]))


def _steepness(flow: Floats) -> Floats:
    """|∇u|² + |∇v|² by forward differences, 0 past the last row and column."""
    found = np.zeros(flow.shape[:2], np.float32)
    if flow.shape[1] > 1:
        found[:, :-1] += squared(flow[:, 1:] - flow[:, :-1])
    if flow.shape[0] > 1:
        found[:-1] += squared(flow[1:] - flow[:-1])
    return found
