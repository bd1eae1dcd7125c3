"""Styles of two nets: what a file says of its second one, and what that does to pictures and clips."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from imgcycle.cli.app import run
from imgcycle.config import ClipRequest, ConvertOptions, VideoOptions
from imgcycle.engine.strips import plan as engine_plan
from imgcycle.engine.style import Strokes, Style
from imgcycle.errors import UsageError, WeightsError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.events import Event
from imgcycle.jobs.images.cost import plan_file
from imgcycle.jobs.images.image import converted
from imgcycle.jobs.images.plan import read_recipe
from imgcycle.jobs.images.run import convert_image
from imgcycle.jobs.recipe import check_strokes, clip_recipe_for, recipe_for, resolve, resolve_frames
from imgcycle.jobs.tasks import Task
from imgcycle.jobs.translators import load_translator
from imgcycle.jobs.video.cost import DEFAULT_LIMITS, VideoLimits
from imgcycle.jobs.video.plan import plan_clips
from imgcycle.jobs.video.run import convert_clips
from imgcycle.media.image.read import read_still
from imgcycle.weights.description import inspect_weights
from imgcycle.weights.native import load_generator, load_strokes, save_weights
from tests.jobs.films import film, frames_of
from tests.media.pictures import encoded, scene
from tests.styles import TINY, save_style, save_two_nets, stroke_net, tiny_net

CARD = {"share": 0.6, "detail": 0.7, "calm": 1.5}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return save_two_nets(tmp_path / "two.safetensors", strokes=CARD, work_size=32, detail=0.2)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(scene(90, 120)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def pixels(path: Path) -> npt.NDArray[np.int64]:
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def test_one_file_holds_both_nets(weights: Path, tmp_path: Path) -> None:
    net, about = load_generator(weights)
    fine = load_strokes(about)
    assert fine is not None
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(net(x), tiny_net()(x))
    assert torch.equal(fine(x), stroke_net()(x))
    alone = save_style(tmp_path / "one.safetensors")
    assert load_strokes(inspect_weights(alone)) is None
    save_weights(tmp_path / "odd.safetensors", tiny_net(), TINY.to_dict(), {}, (tiny_net(), {"kind": "resnet"}))
    with pytest.raises(WeightsError, match=r"does not fit its own description: strokes\."):
        load_strokes(inspect_weights(tmp_path / "odd.safetensors"))


def test_the_style_says_how_its_strokes_are_laid(weights: Path) -> None:
    translator = load_translator(str(weights), precision="fp32")
    style = translator.style
    assert style.strokes == Strokes(0.6, 0.7, 1.5)
    assert translator.strokes is not None
    assert (style.strokes_share(None), style.strokes_share(0.2), Style().strokes_share(1.0)) == (0.6, 0.2, 0.0)
    assert load_translator(str(weights), precision="bf16").exact().strokes is not None


def test_strokes_of_luma_keep_the_first_nets_colours(tmp_path: Path, photo: Path) -> None:
    weights = save_two_nets(tmp_path / "luma.safetensors", strokes={**CARD, "luma": True}, work_size=32, detail=0.7)
    translator = load_translator(str(weights), precision="fp32")
    assert translator.style.strokes == Strokes(0.6, 0.7, 1.5, luma=True)
    for name, strokes in (("without", 0.0), ("with", 1.0)):
        convert_image(photo, tmp_path / f"{name}.png", translator, ConvertOptions(strokes=strokes, strength=0.5))
    change = pixels(tmp_path / "with.png") - pixels(tmp_path / "without.png")
    assert np.abs(change).max() > 2
    assert np.ptp(change, 2).max() <= 2


def test_strokes_are_drawn_on_enlarged_results_alone(weights: Path, photo: Path, tmp_path: Path) -> None:
    translator = load_translator(str(weights), precision="fp32")
    found = {}
    for share in (0.0, 0.5, 1.0):
        convert_image(photo, tmp_path / "out.png", translator, ConvertOptions(strokes=share, detail=0.7))
        found[share] = pixels(tmp_path / "out.png")
    drawn = found[1.0] - found[0.0]
    assert np.abs(drawn).max() > 5
    inside = np.all([(f > 0) & (f < 255) for f in found.values()], axis=0)
    assert np.abs(found[0.5] - (found[0.0] + found[1.0]) / 2)[inside].max() <= 1, "from nothing on, without a jump"
    assert abs(drawn.mean()) < 0.3, "light and colours stay"
    small = photo.with_name("small.png")
    Image.fromarray(scene(30, 34)).save(small)
    for share in (0.0, 1.0):
        convert_image(small, tmp_path / f"small-{share}.png", translator, ConvertOptions(strokes=share))
    assert np.array_equal(pixels(tmp_path / "small-0.0.png"), pixels(tmp_path / "small-1.0.png"))


def test_nothing_is_drawn_without_strength(weights: Path, photo: Path, tmp_path: Path) -> None:
    convert_image(photo, tmp_path / "out.png", load_translator(str(weights)), ConvertOptions(strength=0))
    assert np.array_equal(pixels(tmp_path / "out.png"), pixels(photo))


def test_the_recipe_states_strokes_where_there_are_any(weights: Path, photo: Path, tmp_path: Path) -> None:
    translator = load_translator(str(weights))
    convert_image(photo, tmp_path / "out.png", translator, ConvertOptions())
    recipe = read_recipe(tmp_path / "out.png")
    assert recipe is not None
    assert (recipe["options"]["strokes"], recipe["options"]["detail"]) == (0.6, None)
    assert "strokes" not in recipe_for(resolve(ConvertOptions(), Style("plain")), Style("plain"))["options"]


def test_the_plan_counts_the_second_net(weights: Path, photo: Path, tmp_path: Path) -> None:
    translator = load_translator(str(weights))
    task = Task(str(photo), str(tmp_path / "out.png"), str(tmp_path), resolve(ConvertOptions(), translator.style))
    course = plan_file(task, translator, MemoryBudget(2**32))
    assert course.strokes is not None
    assert (course.strokes.height, course.strokes.width) == (90, 120)
    assert "Then strokes, 120 × 90" in str(course)
    without = resolve(ConvertOptions(strokes=0), translator.style)
    plain = plan_file(replace(task, options=without), translator, MemoryBudget(2**32))
    assert plain.strokes is None
    assert plain.size < course.size


def test_progress_runs_once_from_nothing_to_all(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_plan, "WHOLE_BYTES", 0)
    monkeypatch.setattr(engine_plan, "STRIP_BYTES", 2**14)
    translator = load_translator(str(weights), precision="fp32")
    heard: list[float] = []
    still = read_still(encoded(scene(90, 120), "PNG"))
    options = resolve(ConvertOptions(), translator.style)
    converted(still, options, translator, MemoryBudget(2**32), listener=heard.append)
    assert len(heard) > 4
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(1)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return film(tmp_path / "clip.mp4")


def made(
    clip: Path, weights: Path, options: VideoOptions, room: VideoLimits = DEFAULT_LIMITS
) -> tuple[list[Event], Path]:
    translator = load_translator(str(weights), precision="fp32")
    heard: list[Event] = []
    out = clip.with_name("out.mkv")
    request = ClipRequest((str(clip),), str(out), options=replace(options, codec="ffv1"), overwrite=True)
    heard += convert_clips(plan_clips(request, translator.style), translator, heard.append, limits=room)
    return heard, out


def test_frames_of_a_clip_have_strokes(clip: Path, weights: Path) -> None:
    frames = {}
    for share in (0.0, 1.0):
        _, out = made(clip, weights, VideoOptions(strokes=share, detail=0.7, work_size=16))
        frames[share] = frames_of(out)
    apart = [np.abs(a.astype(int) - b).max() for a, b in zip(frames[0.0], frames[1.0], strict=True)]
    assert min(apart) > 10
    # Several frames at once are those of one at a time.
    _, out = made(clip, weights, VideoOptions(strokes=1.0, detail=0.7, work_size=16), VideoLimits(frames=3))
    assert all(np.array_equal(a, b) for a, b in zip(frames[1.0], frames_of(out), strict=True))


def test_clips_get_none_unless_asked(clip: Path, weights: Path) -> None:
    unasked, none, drawn = (
        frames_of(made(clip, weights, VideoOptions(work_size=16, strokes=share))[1]) for share in (None, 0.0, 1.0)
    )
    assert np.array_equal(unasked, none)
    assert not np.array_equal(unasked, drawn)
    style = load_translator(str(weights)).style
    assert resolve_frames(VideoOptions(strokes=0.4), style).strokes == 0.4
    assert resolve_frames(VideoOptions(), style).strokes == 0.0
    assert resolve_frames(VideoOptions(), Style("plain")) == resolve(VideoOptions().picture(), Style("plain"))
    # What was not asked for and what was, alike, are one making; pictures made like a clip have none either.
    recipes = [clip_recipe_for(o, resolve_frames(o, style), style) for o in (VideoOptions(), VideoOptions(strokes=0.0))]
    assert recipes[0] == recipes[1]
    assert recipes[0]["options"]["strokes"] == 0.0


def test_the_detail_goes_with_the_share_of_the_strokes(weights: Path) -> None:
    style = load_translator(str(weights)).style  # work size 32, detail 0.2, and 0.7 below strokes
    drawn = resolve(ConvertOptions(strokes=1.0), style)
    found = [drawn.detail_share(side, side) for side in (20, 32, 48, 64, 4000)]
    assert found == pytest.approx([0.2, 0.2, 0.45, 0.7, 0.7])
    assert resolve(ConvertOptions(strokes=0.5), style).detail_share(64, 64) == pytest.approx(0.45)
    assert resolve(ConvertOptions(strokes=0.0), style).detail_share(64, 64) == 0.2
    assert resolve(ConvertOptions(strokes=1.0, detail=0.1), style).detail_share(64, 64) == 0.1
    assert recipe_for(drawn, style)["options"]["detail"] is None, "left to the style, so that --like leaves it, too"


def test_strokes_on_the_command_line(
    weights: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["convert", str(photo), "--to", str(weights), "-o", str(tmp_path / "a.png"), "--strokes", "0.3"]
    assert run([*command, "--json"]) == 0
    recipe = read_recipe(tmp_path / "a.png")
    assert recipe is not None
    assert recipe["options"]["strokes"] == 0.3
    capsys.readouterr()
    assert run([*command[:-1], "0.9"]) == 1, "another share is another result: kept"
    assert run([*command[:-1], "2"]) == 2
    assert "--strokes is 2" in capsys.readouterr().err
    plain = save_style(tmp_path / "plain.safetensors", work_size=32)
    assert run(["convert", str(photo), "--to", str(plain), "--strokes", "0.5"]) == 2
    assert "plain has no fine strokes" in capsys.readouterr().err
    assert json.loads((tmp_path / ".imgcycle" / "done.jsonl").read_text().splitlines()[0])


def test_a_style_without_a_second_net_has_no_share_of_it() -> None:
    with pytest.raises(UsageError, match="plain has no fine strokes"):
        check_strokes([Style("plain")], ConvertOptions(strokes=0.5))
    check_strokes([Style("plain")], ConvertOptions(strokes=0.0))
    check_strokes([Style("plain"), Style("two", strokes=Strokes())], ConvertOptions(strokes=0.5))
