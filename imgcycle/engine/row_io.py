"""The two ends of a stream of rows: where a picture's rows come from, and where the result's rows go.

A decoder and an encoder can stand at either, so that a picture never exists as floats as a whole. In each pass the
rows are asked for once, in order from the top; a pass may begin anew at the top.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from imgcycle.engine.padding import pad_to, padded_size


class RowSource(Protocol):
    """Rows of a picture of `height` × `width` pixels."""

    @property
    def height(self) -> int:
        """Rows there are."""
        ...

    @property
    def width(self) -> int:
        """Pixels in each."""
        ...

    def read_rows(self, top: int, bottom: int) -> Tensor:
        """Rows top..bottom, float32 (1, 3, bottom − top, width) RGB in [-1, 1]."""
        ...


class RowSink(Protocol):
    """Takes a result's rows, in order, each once."""

    def write_rows(self, top: int, rows: Tensor) -> None:
        """Rows from `top` on, float32 (1, 3, h, width) RGB in [-1, 1]."""
        ...


class PaddedSource:
    """A source grown to sides that a net can take, exactly as `padding.pad_to` grows a whole picture.

    What was read last is held back: for the mirror at the bottom, and for a strip that has to be computed again in
    smaller ones. So the picture's own rows are asked for in order, and each once in a pass, whatever happens.
    """

    def __init__(self, source: RowSource, stride: int, least: int) -> None:
        self.source = source
        self.height, self.width = padded_size(source.height, source.width, stride, least)
        self._mirrored = self.height - source.height
        self._held = (0, torch.empty(0))

    def read_rows(self, top: int, bottom: int) -> Tensor:
        """Rows of the grown picture."""
        inner = self.source.height
        if top < inner:
            self._hold(top, min(bottom, inner))
        first, rows = self._held
        if bottom > inner:
            rows = pad_to(rows, self.height - first, rows.shape[3])
        rows = rows[:, :, top - first : bottom - first]
        return pad_to(rows, rows.shape[2], self.width)

    def _hold(self, top: int, bottom: int) -> None:
        """Hold the rows from `top`, or from where the mirror begins, to `bottom`."""
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
