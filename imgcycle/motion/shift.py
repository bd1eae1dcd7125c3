"""How far the picture as a whole has moved: the camera's part of the motion, and what it means for a net's grid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_WORTH = 0.25
"""Mean slide in pixels that a grid's turn must save. A shake of half a pixel would make it go to and fro for nothing:
without this bound a hand-held clip flickered by a tenth more than frame by frame, with it a twentieth less."""


def grid_shift(flow: Floats, period: int) -> tuple[int, int]:
    """The whole pixels (down, right), 0..period − 1, after which a grid slides least over what moves by a flow.

    Each axis takes the shift with the least mean distance of the flow (h, w, 2) from it, counted round the period:
    on a grid of 4 what moves by 1 and what moves by 5 are content with the same. A median would fall between them.
    It stays where it is when another place is hardly better.
    """
    right, down = (_least_slide(flow[..., axis], period) for axis in (0, 1))
    return down, right


def _least_slide(moved: Floats, period: int) -> int:
    slides = []
    for shift in range(period):
        apart = moved - shift
        apart -= period * np.rint(apart / period)
        slides.append(float(np.abs(apart).mean(dtype=np.float64)))
    best = int(np.argmin(slides))
    return best if slides[0] - slides[best] > _WORTH else 0
