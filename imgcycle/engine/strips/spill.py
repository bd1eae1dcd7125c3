"""Storage of planes between passes: in memory, or in a temporary file that vanishes with the process.

Rows are stored one after another, channels innermost, so that a strip is one range of memory or one read of the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from imgcycle.media.temporary_file import SpillFile


class Planes(Protocol):
    """Rows of planes (1, C, h, W), read and written by position, in the dtype they are stored in."""

    def read(self, lo: int, hi: int) -> Tensor:
        """Rows lo..hi; the tensor may be a view of the storage and must not be modified."""
        ...

    def write(self, lo: int, rows: Tensor) -> None:
        """Write rows from `lo` on."""
        ...

    def close(self) -> None:
        """Free the storage."""
        ...


class MemoryPlanes:
    """Planes in the memory of a device."""

    def __init__(
        self, channels: int, height: int, width: int, dtype: torch.dtype, device: torch.device | None = None
    ) -> None:
        self._rows: Tensor | None = torch.empty((height, width, channels), dtype=dtype, device=device)

    def read(self, lo: int, hi: int) -> Tensor:
        assert self._rows is not None
        return self._rows[lo:hi].permute(2, 0, 1)[None]

    def write(self, lo: int, rows: Tensor) -> None:
        assert self._rows is not None
        self._rows[lo : lo + rows.shape[2]] = rows[0].permute(1, 2, 0)

    def close(self) -> None:
        self._rows = None


class FilePlanes:
    """Planes in a temporary file; OutputError if it cannot be written."""

    def __init__(self, channels: int, height: int, width: int, dtype: torch.dtype, folder: Path | None = None) -> None:
        self._shape = (width, channels)
        self._dtype = dtype
        self._row = width * channels * dtype.itemsize
        hint = "free some room, set TMPDIR to another disk, or raise --memory"
        self._file = SpillFile(folder, height * self._row, "temporary planes", hint)

    def read(self, lo: int, hi: int) -> Tensor:
        rows = torch.empty((hi - lo, *self._shape), dtype=self._dtype)
        self._file.read_into(lo * self._row, _bytes_of(rows))
        return rows.permute(2, 0, 1)[None]

    def write(self, lo: int, rows: Tensor) -> None:
        self._file.write(lo * self._row, _bytes_of(rows[0].permute(1, 2, 0).to("cpu", self._dtype).contiguous()))

    def close(self) -> None:
        self._file.close()


def _bytes_of(rows: Tensor) -> memoryview:
    """Memory view of the bytes of a contiguous CPU tensor."""
    assert rows.is_contiguous()
    if not rows.numel():
        return memoryview(bytearray())
    return memoryview(rows.as_strided((rows.numel(),), (1,)).view(torch.uint8).numpy())  # type: ignore[arg-type]
