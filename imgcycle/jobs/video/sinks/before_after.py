"""`video --compare`: source and result of a frame in one, side by side or parted by a line that passes to and fro."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import numpy as np

from imgcycle.config.clips import Compare
from imgcycle.jobs.tasks import ClipTask
from imgcycle.jobs.video.sources import FrameSource
from imgcycle.media.image.pixels import Pixels, side_by_side
from imgcycle.media.video.decoder import TimedFrame

_ROUND = Fraction(8)
"""Seconds in which the line of a wipe passes to and fro; all of a shorter clip, so that one that loops goes on."""
_LINES = 360
"""Width or height for which the line is a pixel wide."""


@dataclass(frozen=True)
class BeforeAfter:
    """How frames of `width` × `height` are shown with their results: not at all, side by side, or as a wipe.

    A wipe begins at time `start` with the source alone and shows it again after each `period` (seconds): a function of
    the time, so that a resumed clip goes on with it.
    """

    kind: Compare
    width: int
    height: int
    start: Fraction = Fraction(0)
    period: Fraction = _ROUND

    @classmethod
    def of(cls, task: ClipTask, source: FrameSource) -> Self:
        """The comparison that a task asks for, over the frames of its source."""
        period = min(_ROUND, source.frames / source.rate) if source.frames else _ROUND
        return cls(task.options.comparison, source.width, source.height, source.start or Fraction(0), period)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the result."""
        return self.width * (2 if self.kind == "side" else 1), self.height

    def shown(self, frame: TimedFrame, pixels: Pixels) -> Pixels:
        """Source and result in one, the source at the left."""
        if self.kind == "side":
            return side_by_side(frame.frame, pixels)
        return self._wiped(frame, pixels) if self.kind == "wipe" else pixels

    def alpha(self, frame: TimedFrame) -> Pixels | None:
        """Opacity of what is shown."""
        if frame.alpha is None or self.kind != "side":
            return frame.alpha
        return side_by_side(frame.alpha, frame.alpha)

    def _wiped(self, frame: TimedFrame, pixels: Pixels) -> Pixels:
        """The source left of the line, the result right of it, and a white line between them."""
        phase = float((frame.time - self.start) / self.period)
        place = round(self.width * (1 + math.cos(2 * math.pi * phase)) / 2)
        shown = pixels.copy()
        shown[:, :place] = frame.frame[:, :place]
        if 0 < place < self.width:
            thick = max(1, round(min(self.width, self.height) / _LINES))
            left = max(0, place - thick // 2)
            shown[:, left : left + thick] = np.iinfo(pixels.dtype).max
        return shown
