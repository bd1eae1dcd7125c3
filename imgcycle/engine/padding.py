"""Padding of images to sizes that a net accepts, the same whole and in strips."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def padded_size(height: int, width: int, stride: int, least: int) -> tuple[int, int]:
    """Smallest multiples of `stride` that hold the image and are at least `least`."""
    return tuple(-(-max(side, least) // stride) * stride for side in (height, width))  # type: ignore[return-value]


def pad_to(x: Tensor, height: int, width: int, at: tuple[int, int] = (0, 0)) -> Tensor:
    """Pad NCHW planes to `height` × `width`, the image's first row and column at `at`.

    By reflection as far as it reaches, then by replication.
    """
    sides = (at[0], height - x.shape[2] - at[0], at[1], width - x.shape[3] - at[1])
    reach = (x.shape[2] - 1, x.shape[2] - 1, x.shape[3] - 1, x.shape[3] - 1)
    top, bottom, left, right = (min(*pair) for pair in zip(sides, reach, strict=True))
    if any((top, bottom, left, right)):
        x = F.pad(x, (left, right, top, bottom), "reflect")
    rest = (sides[2] - left, sides[3] - right, sides[0] - top, sides[1] - bottom)
    return F.pad(x, rest, "replicate") if any(rest) else x
