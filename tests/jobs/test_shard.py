from __future__ import annotations

from pathlib import Path

import pytest

from imgcycle.cli.app import run
from imgcycle.config import ClipRequest, ConvertRequest
from imgcycle.engine.style import Style
from imgcycle.errors import UsageError
from imgcycle.jobs.images.plan import plan
from imgcycle.jobs.ledger import Ledger
from imgcycle.jobs.shard import Shard
from imgcycle.jobs.video.plan import plan_clips
from imgcycle.media.inputs import Source
from tests.media.pictures import encoded, scene
from tests.styles import save_style

STYLE = Style("tiny", "d" * 64)


def tree(folder: Path, count: int, suffix: str = "jpg") -> Path:
    for n in range(count):
        path = folder / f"{n % 3}" / f"{n}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(scene(seed=n)) if suffix == "jpg" else b"no clip")
    return folder


def test_parts_share_all_inputs_out_and_no_input_twice(tmp_path: Path) -> None:
    photos = tree(tmp_path / "photos", 30)
    whole = {task.input for task in plan(ConvertRequest((str(photos),)), STYLE).tasks}
    parts = [plan(ConvertRequest((str(photos),), shard=f"{k}/4"), STYLE) for k in range(1, 5)]
    names = [{task.input for task in part.tasks} for part in parts]
    assert set().union(*names) == whole
    assert sum(map(len, names)) == len(whole) == 30
    assert all(names)
    assert f"shard 1/4: {len(names[0])} of 30 inputs" in parts[0].notes
    one = plan(ConvertRequest((str(photos),), shard="1/1"), STYLE)
    assert {task.input for task in one.tasks} == whole
    assert not any("shard" in note for note in one.notes)


def test_the_part_of_an_input_follows_from_its_name_in_the_folder_alone(tmp_path: Path) -> None:
    here, there = Source(f"{tmp_path}/a/x/1.jpg", f"{tmp_path}/a"), Source("/b/x/1.jpg", "/b")
    held = [k for k in range(1, 8) if Shard(k, 7).holds(here)]
    assert held == [k for k in range(1, 8) if Shard(k, 7).holds(there)]
    assert len(held) == 1
    # The same on every machine and in every version: results of a run with other parts would be made twice.
    assert [Shard(k, 5).holds(Source("photo.jpg")) for k in range(1, 6)] == [False, False, False, True, False]
    sampled = ConvertRequest((str(tree(tmp_path / "photos", 30)),), sample=6)
    whole = {task.input for task in plan(sampled, STYLE).tasks}
    halves = [plan(ConvertRequest(sampled.inputs, sample=6, shard=f"{k}/2"), STYLE).tasks for k in (1, 2)]
    assert {task.input for half in halves for task in half} == whole


@pytest.mark.parametrize("text", ["0/4", "5/4", "3", "a/b", "-1/2", "1/0", ""])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="K/N"):
        Shard.parse(text)


def test_clips_are_shared_out_too(tmp_path: Path) -> None:
    clips = tree(tmp_path / "clips", 12, "mp4")
    parts = [plan_clips(ClipRequest((str(clips),), shard=f"{k}/3"), STYLE) for k in (1, 2, 3)]
    names = [task.input for part in parts for task in part.tasks]
    assert len(names) == len(set(names)) == 12
    assert any("of 12 inputs" in note for note in parts[1].notes)


def test_parts_on_the_command_line_fill_one_folder_with_one_ledger(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, style = tree(tmp_path / "photos", 9), save_style(tmp_path / "tiny.safetensors", work_size=32)
    (photos / "film.mp4").write_bytes(b"")
    command = ["convert", str(photos), "--to", str(style), "-o", f"{tmp_path / 'out'}/"]
    assert run([*command, "--shard", "2/2", "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "of 9 inputs" in said.err
    assert not (tmp_path / "out").exists()
    planned = len(said.out.splitlines())
    for part in ("1/2", "2/2"):
        assert run([*command, "--shard", part]) == 0
    made = sorted((tmp_path / "out").rglob("*.jpg"))
    assert len(made) == 9
    assert 0 < planned < 9
    ledger = Ledger(tmp_path / "out")
    assert all(ledger.standing(path) == "ours" for path in made)
    capsys.readouterr()
    assert run(command) == 0
    assert "9 converted before" in capsys.readouterr().err
    assert run([*command, "--shard", "3/2"]) == 2
