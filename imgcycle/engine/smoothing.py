"""Calm for clips: frames translated so that what the net paints stays on what it was painted on.

A net sees every frame for the first time. Two things make its strokes flicker, and each has its answer:

- A strided net works on a grid, and a moving picture slides over it. So a frame is put on the grid where its content
  lay before, to the nearest pixel (`Translator.whole`'s `at`). Exact for shifts by whole pixels, free of cost. Each
  frame turns only against the one before: a sum of all shifts would jump by a pixel now and then, which is worse
  than to slide on by fractions.
- What is left is blended with what came before. With n the net's result for a frame x, W the way from the frame
  before to this one by the optical flow of the input, and z the change that was shown last,

      z ← (n − x) + c (W(z) − (n − x))        c = weight · exp(−(|W(x before) − x| / tolerance)²)

  and 0 where the flow does not know (hidden places, edges of motion). Only changes are blended, never pictures: what
  moves in the photograph leaves no ghost of itself, and light that changes is followed at once. Averages are softer
  than what they average, so fine detail is then raised to the strength that it has in n around.

The net sees frames alone, so several may be in it at once: where each is put on the grid (`align_to_grid`) and what
is blended (`blend`) goes in order, the net itself (`translated`) need not. A scene cut forgets everything. The third
thing often tried, moments of the norms held through time, is left out: what it took of the flicker it took of the
contrast (tests/benchmarks/flicker.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch

from imgcycle.engine import resample
from imgcycle.engine.translator import Translator
from imgcycle.motion.cuts import is_cut
from imgcycle.motion.flow import Motion, measure_motion
from imgcycle.motion.shift import grid_shift

Floats = npt.NDArray[np.float32]
State = dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]]
Strength = Literal["off", "light", "strong"]
At = tuple[int, int]
"""A place on a net's grid: pixels down and right, within a stride."""

_COARSEST = 8
"""Grids coarser than this many pixels are let slide: to follow them a frame would have to grow too much."""
_FINE = 1.5
"""Standard deviation in pixels of the low-pass that fine detail is what is left of."""
_AROUND = 15
"""Side in pixels of the square in which the strength of fine detail is measured."""
_MOST = 1.5
"""How far fine detail is raised at most: noise in a plane without any would else become a pattern."""


@dataclass(frozen=True)
class Smoothing:
    """The share of the last frame's change that is kept at most, and the difference of the input that ends it.

    `tolerance` in levels of 8 bits: at that difference between a frame and the last one moved, e⁻¹ of the share.
    """

    weight: float
    tolerance: float


SMOOTHING: Mapping[Strength, Smoothing | None] = {
    "off": None,
    "light": Smoothing(0.7, 6.0),
    "strong": Smoothing(0.8, 9.0),
}


class TemporalSmoother:
    """One clip on its way through a translator, frame by frame; remembers one frame.

    Frames and results are float32 (h, w, 3) RGB in [0, 1], at work size. The same frames in the same order give the
    same bytes; `off` gives what the translator gives and costs nothing.
    """

    def __init__(self, translator: Translator, strength: Strength = "light") -> None:
        self.translator = translator
        self.smoothing = SMOOTHING[strength]
        self._at = (0, 0)
        """The place on the grid of the frame that was placed last."""
        self._settled = (0, 0)
        """That of the frame that was settled last."""
        self._before: Floats | None = None
        self._change: Floats | None = None

    def step(self, frame: Floats) -> Floats:
        """The result for the next frame."""
        return self.follow(frame, None if self.smoothing is None else self.watch(frame))

    def watch(self, frame: Floats) -> Motion | None:
        """How the frame before moved to become this one; None for the first of a scene. Changes nothing."""
        return motion_between(self._before, frame)

    def follow(self, frame: Floats, motion: Motion | None) -> Floats:
        """The result for the next frame when its motion is known already.

        `motion_between` needs frames alone, so it may run ahead in other threads while the net works.
        """
        at = self.align_to_grid(motion)
        return self.blend(frame, self.translated(frame, at), motion, at)

    def align_to_grid(self, motion: Motion | None) -> At:
        """Where on the net's grid (down, right) the next frame goes; frames are placed in order."""
        if self.smoothing is not None:
            self._at = (0, 0) if motion is None else _turned(self._at, motion, self.translator.stride)
        return self._at

    def translated(self, frame: Floats, at: At) -> Floats:
        """What the net makes of a frame in its place: remembers nothing, so any thread may ask for any frame."""
        with torch.inference_mode():
            return resample.from_tensor(self.translator.whole(resample.to_tensor(frame), at))

    def blend(self, frame: Floats, fresh: Floats, motion: Motion | None, at: At) -> Floats:
        """The result for the next frame, of which the net made `fresh`; frames are settled in order."""
        if self.smoothing is None:
            return fresh
        result = fresh
        if motion is not None and self._before is not None and self._change is not None:
            result = self._blended(self._before, self._change, frame, fresh, motion, self.smoothing)
        # A copy: whoever reads frames may use one buffer for all.
        self._before, self._change, self._settled = frame.copy(), result - frame, at
        return result

    def skip_frame(self, frame: Floats, at: At) -> None:
        """Settle a frame that the net failed with: the next one is taken as the net makes it."""
        if self.smoothing is not None:
            self._before, self._change, self._settled = frame.copy(), None, at

    def state(self) -> State:
        """All that is remembered, to be saved without loss; empty before the first frame and with `off`."""
        if self._before is None:
            return {}
        found: State = {"before": self._before, "at": np.array(self._settled, np.int64)}
        return found if self._change is None else found | {"change": self._change}

    def load(self, state: Mapping[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]]) -> None:
        """Go on where `state` was asked for: the frames to come give the same bytes as if nothing had been in between.

        KeyError when something is missing from it.
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
        """`fresh` with the change that was `shown` on the frame before, where that frame is to be trusted."""
        trust = _trust(before, frame, motion, smoothing.tolerance)[..., None]
        change = fresh - frame
        mixed = fresh + smoothing.weight * trust * (motion.warped(shown) - change)
        calm: Floats = np.clip(mixed + np.sqrt(trust) * _lost(mixed, fresh), 0, 1)
        return calm


def motion_between(before: Floats | None, frame: Floats) -> Motion | None:
    """How one frame moved to become the next; None when none was before, in another size, or in another scene."""
    if before is None or before.shape != frame.shape or is_cut(before, frame):
        return None
    return measure_motion(before, frame)


def _turned(at: At, motion: Motion, stride: int) -> At:
    """The place on the net's grid at which most of a frame's content lies where it lay before, to the nearest pixel."""
    if stride > _COARSEST:
        return at
    down, right = grid_shift(motion.backward, stride)
    return (at[0] + down) % stride, (at[1] + right) % stride


def _trust(before: Floats, frame: Floats, motion: Motion, tolerance: float) -> Floats:
    """How sure it is, 0..1, that each pixel shows what it showed before, (h, w)."""
    apart = motion.warped(before, sharp=False) - frame
    squared = np.einsum("hwc,hwc->hw", apart, apart) * np.float32(255**2 / 3)
    trust: Floats = np.where(motion.known, np.exp(squared / np.float32(-(tolerance**2))), np.float32(0))
    return trust


def _lost(mixed: Floats, fresh: Floats) -> Floats:
    """What an average lacks for fine detail as strong as a fresh result's around; nothing where it lacks none."""
    fine, wanted = (image - cv2.GaussianBlur(image, (0, 0), _FINE) for image in (mixed, fresh))
    there, aim = (cv2.blur(np.einsum("hwc,hwc->hw", f, f), (_AROUND, _AROUND)) for f in (fine, wanted))
    gain = np.clip(np.sqrt(aim / (there + np.float32(1e-8))), 1, _MOST)
    lost: Floats = (gain - 1)[..., None] * fine
    return lost
