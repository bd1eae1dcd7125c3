from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcycle.engine.strips.spill import FilePlanes, MemoryPlanes, Planes, SpillFile, sweep
from imgcycle.errors import OutputError


@settings(max_examples=30, deadline=None)
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
    cut = data.draw(st.integers(0, height))
    lo = data.draw(st.integers(0, height - 1))
    hi = data.draw(st.integers(lo + 1, height))
    for store in stores:
        store.write(0, x[:, :, :cut].contiguous(memory_format=torch.channels_last))
        store.write(cut, x[:, :, cut:])
        found = store.read(lo, hi)
        assert found.dtype == dtype
        assert torch.equal(found, x[:, :, lo:hi].to(dtype))
        store.close()
        store.close()


def test_the_file_has_no_name_and_goes_with_an_exception(tmp_path: Path) -> None:
    def broken() -> None:
        with SpillFile(tmp_path, 4096) as file:
            if os.name == "posix":
                assert not list(tmp_path.iterdir())
            file.write(0, torch.ones(4))
            raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert not list(tmp_path.iterdir())


def test_a_kill_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import os, sys, torch; from pathlib import Path; from imgcycle.engine.strips.spill import FilePlanes\n"
        "planes = FilePlanes(4, 64, 64, torch.float32, Path(sys.argv[1]))\n"
        "planes.write(0, torch.ones(1, 4, 64, 64)); os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", script, tmp_path], check=False)
    assert ended.returncode == -signal.SIGKILL
    sweep(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="locks of other systems are another matter")
def test_leftovers_are_swept_and_the_living_left_alone(tmp_path: Path) -> None:
    import fcntl

    left, living, other = (
        tmp_path / n for n in ("imgcycle-spill-1-ab.planes", "imgcycle-spill-2-cd.planes", "a.planes")
    )
    for path in (left, living, other):
        path.write_bytes(b"x")
    with living.open("rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        # A new file sweeps its folder first.
        SpillFile(tmp_path).close()
        assert sorted(tmp_path.iterdir()) == sorted([living, other])
    assert sweep(tmp_path) == [living]
    assert sweep(tmp_path / "nowhere") == []


def test_a_full_disk_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OutputError, match=r"for 3\.0 GB: No space left") as caught:
        SpillFile(tmp_path, 3_000_000_000)
    assert "TMPDIR" in str(caught.value)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    monkeypatch.setattr(os, "pwrite", full, raising=False)
    with SpillFile(tmp_path) as file, pytest.raises(OutputError, match="No space left"):
        file.write(0, torch.ones(3))


def test_a_folder_that_takes_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no temporary file"):
        SpillFile(tmp_path / "nowhere")


def test_a_file_cut_short_is_noticed(tmp_path: Path) -> None:
    planes = FilePlanes(1, 4, 4, torch.float32, tmp_path)
    os.ftruncate(planes._file._number, 8)
    with pytest.raises(OutputError, match="shorter"):
        planes.read(0, 2)
    planes.close()
