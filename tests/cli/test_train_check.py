"""`imgcycle train --check`: what is said of two folders, and the copy without what does not belong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from imgcycle.cli.app import run
from imgcycle.errors import MissingExtra
from tests.training.toys import texture_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders of eight pictures, one of them twice and one that is none; no features are looked at."""
    texture_world(tmp_path)
    shutil.copy(tmp_path / "red/3.png", tmp_path / "red/twice.png")
    (tmp_path / "blue/bad.png").write_bytes(b"bad")

    def missing() -> None:
        raise MissingExtra("metrics", "finding pictures that do not belong")

    monkeypatch.setattr("imgcycle.training.check.features.check_extra", missing)
    return tmp_path


def test_it_says_what_is_there_and_learns_nothing(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(world / "red"), str(world / "blue"), "--check", "-q"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"A  {world / 'red'}: 9 pictures, 0.0 MB, 40 px")
    assert lines[2:6] == [
        "left out by training: 1",
        "  B  bad.png: not an image that imgcycle can read",
        "the same file again: 1",
        "  A  twice.png: the same file as 3.png",
    ]
    assert "imgcycle[metrics]" in lines[6]
    assert any("8 pictures in blue: too few" in line for line in lines)
    assert not (world / "red2blue").exists()
    assert sorted(path.name for path in world.iterdir()) == ["blue", "red"]


def test_a_program_is_told_everything(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(world / "red"), str(world / "blue"), "--check", "--json", "--method", "cut"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["a"]["pictures"] == 9
    assert said["a"]["shorter"] == {"least": 40, "median": 40, "most": 40}
    assert [(remark["kind"], remark["domain"]) for remark in said["remarks"]] == [
        ("unreadable", "B"),
        ("duplicate", "A"),
    ]
    assert said["steps_per_epoch"] == 9
    assert said["told_apart"] is None
    assert said["advice"]


def test_a_clean_copy_needs_the_extra_and_leaves_doubles_out(
    world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", str(world / "red"), str(world / "blue"), "--clean", str(world / "out"), "-q"]
    assert run(words) != 0
    assert "metrics" in capsys.readouterr().err
    assert not (world / "out").exists()

    class Net:
        def __init__(self, device: torch.device) -> None: ...

    monkeypatch.setattr("imgcycle.training.check.features.check_extra", lambda: None)
    monkeypatch.setattr("imgcycle.metrics.features.FeatureNet", Net)
    assert run(words) == 0
    assert "8 in" in capsys.readouterr().err
    assert sorted(path.name for path in (world / "out/red").iterdir()) == [f"{n}.png" for n in range(8)]
    assert "twice.png\tduplicate\t" in (world / "out/dropped.tsv").read_text()
    assert run(words) == 2
    assert "is there already" in capsys.readouterr().err


def test_what_cannot_be_looked_at_exits_2(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(world / "red"), str(world / "nowhere"), "--check"]) == 2
    assert "nowhere is no folder" in capsys.readouterr().err
    pairs = ["train", str(world / "red"), str(world / "blue"), "--method", "pix2pix", "--clean", str(world / "out")]
    assert run(pairs) == 2
    assert "--clean is not for pairs" in capsys.readouterr().err
