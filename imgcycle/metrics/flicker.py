"""Flicker of a clip: changes from frame to frame beyond motion.

The warping error of Lai et al., Learning Blind Video Temporal Consistency, ECCV 2018, section 4.2: each frame is warped
back onto the one before by the optical flow of the *input*, and compared where that flow is known,

    E_warp = mean over frames of  Σ M |V̂(t+1) − V(t)|² / Σ M        squares averaged over channels

The input's own error is the lower bound: flow errors, noise, and real changes of light. A blurred clip scores well
without being better, so sharpness, and the distance from unsmoothed results, are reported beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class Backward(Protocol):
    """Warps a frame back onto the one before: a `motion.flow.Motion`, reversed."""

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Mask (h, w) of trusted motion."""

    def warped(self, earlier: Floats, *, sharp: bool = True) -> Floats:
        """An image (h, w, 3), warped."""


@dataclass(frozen=True)
class Figures:
    """Figures of a sequence; NaN where there was nothing to measure.

    `e_warp` in squares of [0, 1]; `sharpness`, the mean of |∂x| + |∂y|, and `distance`, the mean difference from the
    unsmoothed results, in 8-bit levels.
    """

    frames: int
    e_warp: float
    sharpness: float
    distance: float


class Flicker:
    """Measures one sequence frame by frame; only the last frame is kept.

    Several sequences of one clip (input, per frame, smoothed) share the motion, which is the expensive part.
    """

    def __init__(self) -> None:
        self._before: Floats | None = None
        self._frames = 0
        self._errors: list[float] = []
        self._sharpness = 0.0
        self._distances: list[float] = []

    def add(self, frame: Floats, back: Backward | None, plain: Floats | None = None) -> None:
        """Add the next frame, (h, w, 3) in [0, 1], and its motion back to the last one: None at a scene cut.

        `plain` is the same frame's result without smoothing.
        """
        if back is not None and self._before is not None and back.known.any():
            apart = back.warped(frame, sharp=False) - self._before
            self._errors.append(float(np.square(apart[back.known], dtype=np.float64).mean()))
        self._before = frame
        self._frames += 1
        self._sharpness += 255 * steepness(frame)
        if plain is not None:
            self._distances.append(255 * float(np.abs(frame - plain).mean(dtype=np.float64)))

    def figures(self) -> Figures:
        """Figures of the frames so far."""
        sharpness = self._sharpness / self._frames if self._frames else float("nan")
        return Figures(self._frames, _mean(self._errors), sharpness, _mean(self._distances))


def steepness(image: Floats) -> float:
    """Mean of |∂x| + |∂y| over pixels and channels, by differences of neighbours."""
    lines = (np.abs(np.diff(image, axis=axis)) for axis in (0, 1))
    return sum(float(line.mean(dtype=np.float64)) for line in lines if line.size)


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
