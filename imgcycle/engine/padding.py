"""Pictures of any size made fit for a net, and cut back after: the same way whole and in strips."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def padded_size(height: int, width: int, stride: int, least: int) -> tuple[int, int]:
    """The smallest multiples of `stride` that hold the picture and are at least `least`."""
    return tuple(-(-max(side, least) // stride) * stride for side in (height, width))  # type: ignore[return-value]


def pad_to(x: Tensor, height: int, width: int) -> Tensor:
    """NCHW planes grown at the right and the bottom, by reflection while it reaches, then by replication."""
    down, right = height - x.shape[2], width - x.shape[3]
    reflect = (min(down, x.shape[2] - 1), min(right, x.shape[3] - 1))
    if any(reflect):
        x = F.pad(x, (0, reflect[1], 0, reflect[0]), "reflect")
    rest = (height - x.shape[2], width - x.shape[3])
    return F.pad(x, (0, rest[1], 0, rest[0]), "replicate") if any(rest) else x
