"""Rows out of a tensor, and into one."""

from __future__ import annotations

import torch
from torch import Tensor


class TensorSource:
    """A picture that is in memory already: (1, C, H, W)."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    @property
    def height(self) -> int:
        """Rows there are."""
        return self.x.shape[2]

    @property
    def width(self) -> int:
        """Pixels in each."""
        return self.x.shape[3]

    def read_rows(self, top: int, bottom: int) -> Tensor:
        """A view."""
        return self.x[:, :, top:bottom]


class TensorSink:
    """A result gathered in memory, float32 (1, C, H, W)."""

    def __init__(self, channels: int, height: int, width: int) -> None:
        self.x = torch.empty((1, channels, height, width))

    def write_rows(self, top: int, rows: Tensor) -> None:
        """Copy in."""
        self.x[:, :, top : top + rows.shape[2]] = rows
