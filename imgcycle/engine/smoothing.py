"""Temporal smoothing of video: strokes stay on the content they were painted on.

A net sees every frame independently. Two causes make its strokes flicker, and each has its remedy:

- A strided net works on a grid, and a moving picture slides over it. So a frame is placed on the grid where its content
  was before, to the nearest pixel (`Translator.whole`'s `at`). Exact for shifts by whole pixels, without cost. Each
  frame is aligned to the previous one only: a sum of all shifts would jump by a pixel now and then, which is worse than
  to drift by fractions.
- The rest is blended with the previous change. With n the net's result for a frame x, W the warping from the previous
  frame to this one by the optical flow of the input, and z the change that was shown last,

      z ← (n − x) + c (W(z) − (n − x))        c = weight · exp(−(|W(x before) − x| / tolerance)²)

and c = 0 where the flow is unknown (occlusions, motion edges). Only changes are blended, never images: moving content
leaves no ghost, and changes of light are followed at once. Averages are softer than what they average, so fine detail
is then amplified to its strength in n nearby.

The net needs single frames only, so several may be in it at once: grid alignment (`align_to_grid`) and blending
(`blend`) go in order, the net itself (`translated`) need not. A scene cut resets the state. Another common approach,
holding norm statistics over time, is left out: it reduced flicker and contrast alike (tests/benchmarks/flicker.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

import cv2
import numpy as np
import numpy.typing as npt
import torch

from imgcycle.engine import resample
from imgcycle.engine.translator import Translator
from imgcycle.motion.cuts import is_cut
from imgcycle.motion.flow import Motion, measure_motion, squared
from imgcycle.motion.shift import grid_shift

Floats = npt.NDArray[np.float32]
State = dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]]
Strength = Literal["off", "light", "strong"]
At = tuple[int, int]
"""Offset on a net's grid: pixels down and right, within a stride."""

_COARSEST = 8
"""Coarser grids than this many pixels are not aligned: a frame would need too much padding."""
_FINE = 1.5
"""Standard deviation in pixels of the low-pass; fine detail is what it removes."""
_AROUND = 15
"""Side in pixels of the square in which the strength of fine detail is measured."""
_MOST = 1.5
"""Largest amplification of fine detail: noise in a flat area would otherwise become a pattern."""


@dataclass(frozen=True)
class Smoothing:
    """Largest share of the last frame's change that is kept, and the difference of the input that ends it.

    `tolerance` in 8-bit levels: where a frame differs by it from the warped previous one, e⁻¹ of the share is kept.
    """

    weight: float
    tolerance: float


SMOOTHING: Mapping[Strength, Smoothing | None] = {
    "off": None,
    "light": Smoothing(0.7, 6.0),
    "strong": Smoothing(0.8, 9.0),
}


class TemporalSmoother:
    """Translates the frames of one clip, with the state of the previous frame.

    Frames and results are float32 (h, w, 3) RGB in [0, 1], at work size. The same frames in the same order give the
    same bytes; without `smoothing` the result is the translator's, at no cost.
    """

    def __init__(self, translator: Translator, strength: Strength = "light") -> None:
        self.translator = translator
        self.smoothing = SMOOTHING[strength]
        self._at = (0, 0)
        """Grid offset of the last aligned frame."""
        self._settled = (0, 0)
        """Grid offset of the last blended frame."""
        self._before: Floats | None = None
        self._change: Floats | None = None

    def step(self, frame: Floats) -> Floats:
        """Result for the next frame."""
        return self.follow(frame, None if self.smoothing is None else self.watch(frame))

    def watch(self, frame: Floats) -> Motion | None:
        """Motion from the previous frame to this one; None for the first of a scene. Does not change the state."""
        return motion_between(self._before, frame)

    def follow(self, frame: Floats, motion: Motion | None) -> Floats:
        """Result for the next frame with its motion.

        `motion_between` needs frames alone, so it may run ahead in other threads while the net works.
        """
        at = self.align_to_grid(motion)
        return self.blend(frame, self.translated(frame, at), motion, at)

    def align_to_grid(self, motion: Motion | None) -> At:
        """Grid offset (down, right) of the next frame; to be called in order."""
        if self.smoothing is not None:
            self._at = (0, 0) if motion is None else _turned(self._at, motion, self.translator.stride)
        return self._at

    def translated(self, frame: Floats, at: At) -> Floats:
        """The net's result for a frame at a grid offset; without state, so any thread may call it for any frame."""
        with torch.inference_mode():
            return resample.from_tensor(self.translator.whole(resample.to_tensor(frame), at))

    def blend(self, frame: Floats, fresh: Floats, motion: Motion | None, at: At) -> Floats:
        """Result for the next frame from the net's result `fresh`; to be called in order."""
        if self.smoothing is None:
            return fresh
        result = fresh
        if motion is not None and self._before is not None and self._change is not None:
            result = self._blended(self._before, self._change, frame, fresh, motion, self.smoothing)
        # A copy: the caller may reuse the frame's buffer.
        self._before, self._change, self._settled = frame.copy(), result - frame, at
        return result

    def skip_frame(self, frame: Floats, at: At) -> None:
        """Skip a frame that the net failed on: the next one is not blended."""
        if self.smoothing is not None:
            self._before, self._change, self._settled = frame.copy(), None, at

    def state(self) -> State:
        """The whole state, to be saved without loss; empty before the first frame and without smoothing."""
        if self._before is None:
            return {}
        found: State = {"before": self._before, "at": np.array(self._settled, np.int64)}
        return found if self._change is None else found | {"change": self._change}

    def load(self, state: Mapping[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]]) -> None:
        """Restore a `state`: the next frames give the same bytes as without interruption.

        KeyError if something is missing.
        """
        self._before, self._change, self._at, self._settled = None, None, (0, 0), (0, 0)
        if not state:
            return
        down, right = (int(n) for n in state["at"])
        self._before = np.asarray(state["before"], np.float32)
        self._change = np.asarray(state["change"], np.float32) if "change" in state else None
        self._at = self._settled = (down, right)

    @staticmethod
    def _blended(
        before: Floats, shown: Floats, frame: Floats, fresh: Floats, motion: Motion, smoothing: Smoothing
    ) -> Floats:
        """`fresh` blended with the change `shown` on the previous frame, where that frame is trusted."""
        trust = _trust(before, frame, motion, smoothing.tolerance)
        mixed = motion.warped(shown)
        mixed -= fresh - frame
        mixed *= _for_each_colour(smoothing.weight * trust)
        mixed += fresh
        calm = _missing_detail(mixed, fresh)
        calm *= _for_each_colour(np.sqrt(trust))
        calm += mixed
        return np.clip(calm, 0, 1, out=calm)


def motion_between(before: Floats | None, frame: Floats) -> Motion | None:
    """Motion from one frame to the next; None for the first frame, another size, or another scene."""
    if before is None or before.shape != frame.shape or is_cut(before, frame):
        return None
    return measure_motion(before, frame)


def _turned(at: At, motion: Motion, stride: int) -> At:
    """Grid offset at which most of a frame's content keeps its place on the grid, to the nearest pixel."""
    if stride > _COARSEST:
        return at
    down, right = grid_shift(motion.backward, stride)
    return (at[0] + down) % stride, (at[1] + right) % stride


def _trust(before: Floats, frame: Floats, motion: Motion, tolerance: float) -> Floats:
    """Confidence, 0..1, that each pixel shows the same content as before, (h, w)."""
    apart = motion.warped(before, sharp=False)
    apart -= frame
    trust = squared(apart)
    trust *= np.float32(255**2 / 3)
    trust /= np.float32(-(tolerance**2))
    np.exp(trust, out=trust)
    trust[~motion.known] = 0
    return trust


def _missing_detail(mixed: Floats, fresh: Floats) -> Floats:
    """Fine detail to add to an average so that it is as strong as in a fresh result nearby."""
    fine, wanted = _fine(mixed), _fine(fresh)
    there, gain = (cast(Floats, cv2.blur(squared(f), (_AROUND, _AROUND))) for f in (fine, wanted))
    there += np.float32(1e-8)
    gain /= there
    np.clip(np.sqrt(gain, out=gain), 1, _MOST, out=gain)
    gain -= 1
    fine *= _for_each_colour(gain)
    return fine


def _fine(image: Floats) -> Floats:
    coarse = cv2.GaussianBlur(image, (0, 0), _FINE)
    return cast(Floats, np.subtract(image, coarse, out=coarse))


def _for_each_colour(plane: Floats) -> Floats:
    """(h, w) as (h, w, 3): numpy takes twice as long to repeat it while it multiplies."""
    return cv2.merge([plane, plane, plane])  # type: ignore[return-value]
