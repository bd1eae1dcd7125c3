"""The plan for clips, made without a look into any of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgcycle.config import ClipRequest, VideoOptions
from imgcycle.engine.style import Style
from imgcycle.errors import UsageError
from imgcycle.jobs.recipe import clip_recipe_for, resolve_frames
from imgcycle.jobs.video.fingerprints import fingerprint
from imgcycle.jobs.video.kinds import is_sequence
from imgcycle.jobs.video.plan import metadata_for, plan_clips

STYLE = Style("tiny", "d" * 64, 384, 0.25, origin="x.pth is recognised as something")


def outputs(request: ClipRequest) -> list[str]:
    return [task.output for task in plan_clips(request, STYLE).tasks]


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b.MOV", "c.mkv", "d.webm", "e.avi", "f.ts", "g.wmv"):
        (tmp_path / name).write_bytes(b"never opened")
    return tmp_path


@pytest.mark.parametrize(
    ("codec", "wanted"),
    [
        ("h264", ["a-tiny.mp4", "b-tiny.MOV", "c-tiny.mkv", "d-tiny.mkv", "e-tiny.mp4", "f-tiny.ts", "g-tiny.mkv"]),
        ("av1", ["a-tiny.mp4", "b-tiny.MOV", "c-tiny.mkv", "d-tiny.webm", "e-tiny.mp4", "f-tiny.mp4", "g-tiny.mkv"]),
    ],
)
def test_the_container_is_kept_where_it_holds_the_codec(clips: Path, codec: str, wanted: list[str]) -> None:
    options = VideoOptions.from_dict({"codec": codec})
    named = tuple(sorted(path.name for path in clips.iterdir()))
    assert outputs(ClipRequest(named, None, options=options)) == wanted
    assert outputs(ClipRequest(("[ab].*",), "out/", options=options)) == ["out/a.mp4", "out/b.MOV"]
    assert outputs(ClipRequest(("a.mp4",), None, options=VideoOptions(preview="3"))) == ["a-tiny-preview.mp4"]
    assert outputs(ClipRequest(("a.mp4",), None, options=VideoOptions(compare="wipe"))) == ["a-tiny-compare.mp4"]
    assert outputs(ClipRequest(("a.mp4",), None, options=options, name="{style}-{stem}.mkv")) == ["tiny-a.mkv"]


def test_where_sequences_go(clips: Path) -> None:
    assert outputs(ClipRequest(("shots/%05d.png",))) == ["shots-tiny/%05d.png"]
    assert outputs(ClipRequest(("shots/%d.ppm",))) == ["shots-tiny/%d.png"]
    assert outputs(ClipRequest(("shots/%d.png",), "x.mkv")) == ["x.mkv"]
    assert outputs(ClipRequest(("shots/%d.png",), "new/%03d.jpg")) == ["new/%03d.jpg"]
    assert outputs(ClipRequest(("shots/%d.png",), "new")) == ["new/%d.png"]
    assert outputs(ClipRequest(("a.mp4",), "new/%03d.jpg")) == ["new/%03d.jpg"]
    with pytest.raises(UsageError, match="never written over"):
        outputs(ClipRequest(("shots/%d.png",), "new/../shots/%d.png"))
    with pytest.raises(UsageError, match="two inputs would become"):
        outputs(ClipRequest(("a.mp4", "shots/%d.png"), "x.mkv"))
    # A file that is really called like that is a file.
    (clips / "odd%d.mp4").write_bytes(b"")
    assert outputs(ClipRequest(("odd%d.mp4",), "out.mp4")) == ["out.mp4"]
    assert not is_sequence(clips / "odd%d.mp4")


def test_pictures_that_are_there_are_not_ours(clips: Path) -> None:
    (clips / "new").mkdir()
    (clips / "new" / "notes.png").write_bytes(b"no number")
    request = ClipRequest(("a.mp4",), "new/%03d.png")
    assert plan_clips(request, STYLE).tasks[0].verdict == "convert"
    (clips / "new" / "007.png").write_bytes(b"mine")
    plan = plan_clips(request, STYLE)
    assert (plan.tasks[0].verdict, plan.to_convert) == ("keep", [])
    assert plan.notes == (STYLE.origin, "1 output kept: not written by imgcycle (--overwrite to replace)")
    again = ClipRequest(("a.mp4",), "new/%03d.png", overwrite=True)
    assert plan_clips(again, STYLE).tasks[0].verdict == "convert"


def test_facts_of_pictures_change_when_one_of_them_does(clips: Path) -> None:
    for n in (1, 2, 3):
        (clips / f"{n}.png").write_bytes(bytes(n))
    before = fingerprint(clips / "%d.png")
    assert before.size == 6
    assert fingerprint(Path("%d.png")) == before
    (clips / "2.png").write_bytes(bytes(5))
    assert fingerprint(clips / "%d.png").digest != before.digest
    (clips / "2.png").unlink()
    assert fingerprint(clips / "%d.png").size == 4


def test_a_recipe_has_a_place_in_each_container() -> None:
    recipe = clip_recipe_for(VideoOptions(), resolve_frames(VideoOptions(), STYLE), STYLE)
    assert (recipe["options"]["work_size"], recipe["options"]["detail"]) == (384, 0.25)
    assert list(metadata_for(recipe, "mkv", {})) == ["IMGCYCLE"]
    assert list(metadata_for(recipe, "mp4", {})) == ["synopsis"]
    assert list(metadata_for(recipe, "mp4", {"synopsis": "A film about a dog"})) == ["comment"]
    assert metadata_for(recipe, "mov", {"comment": "mine"}) == {}
    assert metadata_for(recipe, "ts", {}) == {}
    # What was said of an earlier making is no word of the user's.
    earlier = metadata_for(recipe, "mp4", {})
    assert list(metadata_for(recipe, "mp4", earlier | {"comment": "mine"})) == ["synopsis"]


def test_a_raw_file_has_a_row_when_it_was_named(clips: Path) -> None:
    (clips / "one.nef").write_bytes(b"never opened")
    (clips / "shots").mkdir()
    (clips / "shots" / "two.dng").write_bytes(b"never opened")
    (clips / "shots" / "three.mp4").write_bytes(b"never opened")
    plan = plan_clips(ClipRequest(("one.nef", "shots"), "out/"), STYLE)
    assert [(task.input, task.output, task.verdict, task.reason) for task in plan.tasks] == [
        ("one.nef", "", "keep", "a RAW file (imgcycle convert takes it)"),
        ("shots/three.mp4", "out/three.mp4", "convert", ""),
    ]
    assert "2 pictures left alone (imgcycle convert takes them)" in plan.notes
