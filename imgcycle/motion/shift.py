"""Global shift of a frame, modulo the stride of a net's grid."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_WORTH = 0.25
"""Mean slide in pixels that realignment must save. A shake of half a pixel would make it oscillate for nothing:
without this bound a hand-held clip flickered by a tenth more than frame by frame, with it a twentieth less.
"""


def grid_shift(flow: Floats, period: int) -> tuple[int, int]:
    """Shift in whole pixels (down, right), 0..period − 1, by which a grid best follows a flow.

    Each axis takes the shift with the least mean distance of the flow (h, w, 2) from it, counted modulo the period: on
    a grid of 4, motions by 1 and by 5 need the same shift. A median would fall between them. 0 if another shift is
    hardly better.
    """
    right, down = (_least_slide(cast(Floats, moved), period) for moved in cv2.split(flow))
    return down, right


def _least_slide(moved: Floats, period: int) -> int:
    slides = []
    apart, turns = np.empty_like(moved), np.empty_like(moved)
    for shift in range(period):
        np.subtract(moved, shift, out=apart)
        np.rint(np.divide(apart, period, out=turns), out=turns)
        turns *= period
        apart -= turns
        slides.append(float(np.abs(apart, out=apart).mean(dtype=np.float64)))
    best = int(np.argmin(slides))
    return best if slides[0] - slides[best] > _WORTH else 0
