from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcycle.engine.strips.spill import FilePlanes, MemoryPlanes, Planes
from imgcycle.errors import OutputError


@settings(max_examples=30)
@given(
    st.integers(1, 4),
    st.integers(1, 12),
    st.integers(1, 7),
    st.sampled_from(["float32", "float16", "bfloat16"]),
    st.data(),
)
def test_what_was_written_is_read(channels: int, height: int, width: int, name: str, data: st.DataObject) -> None:
    dtype = getattr(torch, name)
    x = torch.randn(1, channels, height, width)
    stores: list[Planes] = [MemoryPlanes(channels, height, width, dtype), FilePlanes(channels, height, width, dtype)]
    cut_into_passes = data.draw(st.integers(0, height))
    lo = data.draw(st.integers(0, height - 1))
    hi = data.draw(st.integers(lo + 1, height))
    for store in stores:
        store.write(0, x[:, :, :cut_into_passes].contiguous(memory_format=torch.channels_last))
        store.write(cut_into_passes, x[:, :, cut_into_passes:])
        found = store.read(lo, hi)
        assert found.dtype == dtype
        assert torch.equal(found, x[:, :, lo:hi].to(dtype))
        store.close()
        store.close()


def test_a_file_cut_short_is_noticed(tmp_path: Path) -> None:
    planes = FilePlanes(1, 4, 4, torch.float32, tmp_path)
    os.ftruncate(planes._file._file.fileno(), 8)
    with pytest.raises(OutputError, match="shorter"):
        planes.read(0, 2)
    planes.close()
