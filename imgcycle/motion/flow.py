"""Where every pixel of a frame came from: dense optical flow between two frames, and what it cannot know.

Flow is DIS (Kroeger et al., Fast Optical Flow using Dense Inverse Search, ECCV 2016) as OpenCV has it, in its medium
preset. It gives the same bytes on any number of threads. What is hidden in one of the frames is found by comparing
both directions (Sundaram et al., Dense Point Trajectories, ECCV 2010, equations 5 and 6).
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
"""Sides in pixels under which DIS refuses a frame, or gives nothing but NaN."""


@dataclass(frozen=True, eq=False)
class Motion:
    """The flow between two frames of one size, in pixels, (h, w, 2) float32, x before y.

    `forward`, on the grid of the earlier frame, says where its pixels go; `backward`, on the grid of the later one,
    where its pixels came from.
    """

    forward: Floats
    backward: Floats

    def warped(self, earlier: Floats, *, sharp: bool = True) -> Floats:
        """An image (h, w, c) that belongs to the earlier frame, moved to where the later frame has its content.

        `sharp` interpolates by cubics, else linearly. Outside the image its edge is repeated.
        """
        # No mirror: remap never returns from mirroring an image of one row or column.
        how = cv2.INTER_CUBIC if sharp else cv2.INTER_LINEAR
        return cast(Floats, cv2.remap(earlier, *self._sources, how, borderMode=cv2.BORDER_REPLICATE))

    @cached_property
    def known(self) -> Mask:
        """True at pixels of the later frame whose content the earlier one shows, away from edges of the motion.

        A pixel is hidden where the flow there and back does not return, |f_w + b|² > 0.01 (|f_w|² + |b|²) + 0.5;
        at an edge where |∇b|² > 0.01 |b|² + 0.002; or it came from outside the frame.
        """
        there, back = self.warped(self.forward, sharp=False), self.backward
        hidden = _squared(there + back) > 0.01 * (_squared(there) + _squared(back)) + 0.5
        edge = _steepness(back) > 0.01 * _squared(back) + 0.002
        x, y = self._sources
        height, width = back.shape[:2]
        outside = (x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)
        return cast(Mask, ~(hidden | edge | outside))

    def reversed(self) -> Motion:
        """The same between the two frames in the other order."""
        return Motion(self.backward, self.forward)

    @cached_property
    def _sources(self) -> tuple[Floats, Floats]:
        """Where each pixel of the later frame is read in the earlier one: columns, rows."""
        height, width = self.backward.shape[:2]
        columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
        return self.backward[..., 0] + columns, self.backward[..., 1] + rows


def measure_motion(earlier: Floats, later: Floats) -> Motion:
    """The motion between two frames, (h, w, 3) RGB in [0, 1], of one size; by their luma in 8 bits."""
    pair = [_grey(frame) for frame in (earlier, later)]
    height, width = pair[0].shape
    grown = (max(0, _LEAST - height), max(0, _LEAST - width))
    if any(grown):
        pair = [np.pad(g, ((0, grown[0]), (0, grown[1])), "edge") for g in pair]
    forward, backward = (_flow(a, b)[:height, :width] for a, b in (pair, pair[::-1]))
    return Motion(np.ascontiguousarray(forward), np.ascontiguousarray(backward))


def _grey(frame: Floats) -> npt.NDArray[np.uint8]:
    levels = np.rint(np.clip(frame, 0, 1) * 255).astype(np.uint8)
    return cast(npt.NDArray[np.uint8], cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY))


def _flow(here: npt.NDArray[np.uint8], there: npt.NDArray[np.uint8]) -> Floats:
    # One of its own for each call (13 µs): it keeps buffers, and frames are looked at in several threads.
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return cast(Floats, search.calc(here, there, None))


def _squared(vectors: Floats) -> Floats:
    return cast(Floats, np.einsum("hwc,hwc->hw", vectors, vectors))


def _steepness(flow: Floats) -> Floats:
    """|∇u|² + |∇v|² by forward differences, 0 past the last row and column."""
    found = np.zeros(flow.shape[:2], np.float32)
    found[:, :-1] += _squared(np.diff(flow, axis=1))
    found[:-1] += _squared(np.diff(flow, axis=0))
    return found
