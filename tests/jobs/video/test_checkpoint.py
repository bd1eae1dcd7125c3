from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from imgcycle.errors import OutputError
from imgcycle.jobs.video.checkpoint import SegmentRecord, SegmentStore, is_begun, remove_segments, segment_folder

MAKING = {"input": "a", "crf": 18}


def closed(number: int, frames: int = 10, failed: int = 0) -> SegmentRecord:
    return SegmentRecord(frames, Fraction(number), Fraction(number + 1), 10 * number + 9, failed)


def filled(root: Path, count: int) -> SegmentStore:
    """A shelf with so many segments, left as a killed process leaves it."""
    with SegmentStore(root, root / "out.mp4", MAKING) as shelf:
        for n in range(count):
            shelf.next_path.write_bytes(b"segment %d" % n)
            shelf.add(closed(n, failed=n), {"before": np.full((2, 2, 3), n / 3, np.float32), "at": np.array([n, 1])})
    return shelf


def test_what_was_closed_is_there_again(tmp_path: Path) -> None:
    before = filled(tmp_path, 3)
    with SegmentStore(tmp_path, tmp_path / "out.mp4", MAKING) as shelf:
        assert shelf.closed == before.closed
        assert (shelf.frames, shelf.failed, shelf.last) == (30, 3, 29)
        memory = shelf.memory()
        assert np.array_equal(memory["before"], np.full((2, 2, 3), 2 / 3, np.float32))
        assert memory["at"].tolist() == [2, 1]
        assert [s.path.read_bytes() for s in shelf.segments()] == [b"segment 0", b"segment 1", b"segment 2"]
        assert shelf.next_path.name == "000003.mp4"
        assert shelf.problems is None
        shelf.reach(30, ["a frame is damaged"])
        shelf.complete()
    # Only the last memory is kept: frames are large.
    assert [p.name for p in before.folder.glob("memory*")] == ["memory-000003.npz"]
    with SegmentStore(tmp_path, tmp_path / "out.mp4", MAKING) as shelf:
        assert shelf.problems == ("a frame is damaged",)
        assert is_begun(tmp_path, tmp_path / "out.mp4")
    remove_segments(tmp_path, tmp_path / "out.mp4")
    assert not is_begun(tmp_path, tmp_path / "out.mp4")
    assert list((tmp_path / ".imgcycle").iterdir()) == []


@pytest.mark.parametrize("harm", ["making", "segment", "manifest", "older", "not asked", "elsewhere"])
def test_what_does_not_fit_is_begun_afresh(tmp_path: Path, harm: str) -> None:
    folder = filled(tmp_path, 2).folder
    (folder / ".imgcycle-x.partial").write_bytes(b"left by a kill")
    manifest = folder / "manifest.json"
    if harm == "segment":
        (folder / "000000.mp4").unlink()
    elif harm == "manifest":
        manifest.write_bytes(manifest.read_bytes()[:40])
    elif harm == "older":
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"schema": 0}))
    making = MAKING | {"crf": 19} if harm == "making" else MAKING
    there = harm != "elsewhere"
    with SegmentStore(tmp_path, tmp_path / "out.mp4", making, harm != "not asked", lambda _: there) as shelf:
        assert (shelf.closed, shelf.memory(), shelf.last) == ([], {}, None)
        assert [p.name for p in folder.iterdir()] == ["lock"]


def test_a_segment_that_was_not_noted_does_not_count(tmp_path: Path) -> None:
    folder = filled(tmp_path, 1).folder
    (folder / "000001.mp4").write_bytes(b"closed, then killed")
    np.savez(folder / "memory-000002.npz", allow_pickle=False, before=np.ones((1, 1, 3)))
    with SegmentStore(tmp_path, tmp_path / "out.mp4", MAKING) as shelf:
        assert shelf.frames == 10
        assert shelf.memory()["at"].tolist() == [0, 1]
        shelf.next_path.write_bytes(b"again")
        # Nothing is remembered after a frame that failed: what the killed process left must not stand for it.
        shelf.add(closed(1), {})
        assert shelf.memory() == {}


def test_each_place_has_its_own_shelf(tmp_path: Path) -> None:
    names = ["a.mp4", "one/a.mp4", "two/a.mp4", "a\nb.mp4", "ü'\".mp4"]
    assert len({segment_folder(tmp_path, tmp_path / name) for name in names}) == len(names)


def test_two_at_once_are_told_apart(tmp_path: Path) -> None:
    with (
        SegmentStore(tmp_path, tmp_path / "out.mp4", MAKING),
        pytest.raises(OutputError, match=r"another imgcycle is at work on .*out\.mp4"),
        SegmentStore(tmp_path, tmp_path / "out.mp4", MAKING),
    ):
        pass
    with SegmentStore(tmp_path, tmp_path / "out.mp4", MAKING):
        pass


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with SegmentStore(tmp_path, tmp_path / "out.mp4", MAKING) as shelf:
        monkeypatch.setattr("imgcycle.jobs.video.checkpoint.write_text", full)
        with pytest.raises(OutputError, match="cannot be written: No space left on device"):
            shelf.add(closed(0), {})
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match="cannot be written to"),
        SegmentStore(tmp_path / "file", tmp_path / "file/x", {}),
    ):
        pass
