"""Protocols of row-wise input and output of the engine.

Implemented by decoders and encoders, so that an image never exists as floats as a whole. In each pass rows are
requested once, in order from the top; a pass may restart at the top.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from imgcycle.engine.padding import pad_to, padded_size


class RowSource(Protocol):
    """Rows of an image of `height` × `width` pixels."""

    @property
    def height(self) -> int:
        """Number of rows."""
        ...

    @property
    def width(self) -> int:
        """Pixels of a row."""
        ...

    def read_rows(self, top: int, bottom: int) -> Tensor:
        """Rows top..bottom, float32 (1, 3, bottom − top, width) RGB in [-1, 1]."""
        ...


class RowSink(Protocol):
    """Receives a result's rows, in order, each once."""

    def write_rows(self, top: int, rows: Tensor) -> None:
        """Write rows from `top` on, float32 (1, 3, h, width) RGB in [-1, 1]."""
        ...


class PaddedSource:
    """A source padded to sides that a net accepts, exactly as `padding.pad_to` pads a whole image.

    The last rows read are kept: for reflection at the bottom, and for a strip that is computed again in smaller ones.
    So rows of the image are requested in order, each once in a pass.
    """

    def __init__(self, source: RowSource, stride: int, least: int) -> None:
        self.source = source
        self.height, self.width = padded_size(source.height, source.width, stride, least)
        self._mirrored = self.height - source.height
        self._held = (0, torch.empty(0))

    def read_rows(self, top: int, bottom: int) -> Tensor:
        """Rows of the padded image."""
        inner = self.source.height
        if top < inner:
            self._hold(top, min(bottom, inner))
        first, rows = self._held
        if bottom > inner:
            rows = pad_to(rows, self.height - first, rows.shape[3])
        rows = rows[:, :, top - first : bottom - first]
        return pad_to(rows, rows.shape[2], self.width)

    def _hold(self, top: int, bottom: int) -> None:
        """Keep the rows from `top`, or from the start of the reflection, to `bottom`."""
        first, rows = self._held
        end = first + (rows.shape[2] if rows.dim() == 4 else 0)
        if not first <= top <= end:
            first = end = top
            rows = torch.empty(0)
        if bottom > end:
            new = self.source.read_rows(end, bottom)
            rows = torch.cat([rows, new], 2) if end > first else new
        from_here = max(first, min(top, self.source.height - 1 - self._mirrored))
        self._held = (from_here, rows[:, :, from_here - first :])
