"""Mixes of styles in conversions: names, recipes, what is done already, masks, rows, animations, workers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle import convert_image, convert_video, load_translator, translate
from imgcycle.cli.app import run
from imgcycle.config import ConvertOptions, VideoOptions
from imgcycle.errors import UsageError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.images import cost
from imgcycle.jobs.images.cost import ImageCost
from imgcycle.jobs.images.plan import read_recipe
from imgcycle.jobs.pools.setup import WorkerPlan
from imgcycle.jobs.pools.worker import Worker, WorkerFacts
from imgcycle.jobs.translators import open_style
from imgcycle.media.image.read import read_still
from imgcycle.weights.mix import find_styles
from tests.media.pictures import scene
from tests.styles import save_style, save_two_nets, settle
from tests.weights.onnx.models import of_levels

MIX = "one:0.6,two:0.4"
FULL = ConvertOptions(work_size="full")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    settle(monkeypatch, tmp_path / "home", "one", "two")
    for n in range(2):
        Image.fromarray(scene(90, 130, n)).save(tmp_path / f"{n}.png")
    return tmp_path


def pixels(path: Path) -> Any:
    return read_still(path.read_bytes()).pixels.astype(int)


def made(folder: Path, style: str, options: ConvertOptions, memory: MemoryBudget | None = None) -> Any:
    convert_image("0.png", "made.png", load_translator(style, precision="fp32"), options, memory)
    return pixels(folder / "made.png")


def test_a_picture_in_a_mix_is_the_mean_of_pictures(folder: Path) -> None:
    for options in (FULL, ConvertOptions(), FULL.replace(strength=0.5), FULL.replace(keep_colour=True)):
        one, two = (made(folder, name, options) for name in ("one", "two"))
        assert np.abs(one - two).mean() > 5
        apart = np.abs(made(folder, MIX, options) - (0.6 * one + 0.4 * two))
        assert np.percentile(apart, 99) <= 1  # they were rounded and clipped, each by itself
    both = translate(scene(90, 130), load_translator(MIX, precision="fp32"), work_size="full")
    assert np.array_equal(both, made(folder, MIX, FULL))


def test_row_by_row_and_beside_a_mask(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.zeros((90, 130), np.uint8)
    mask[:, 65:] = 255
    Image.fromarray(mask).save(folder / "m.png")
    options = FULL.replace(mask="m.png", strength=0.8)
    whole = made(folder, MIX, options)
    assert np.array_equal(whole[:, :65], scene(90, 130)[:, :65])
    assert np.abs(whole[:, 65:] - scene(90, 130)[:, 65:]).mean() > 5
    real = cost.row_cost
    monkeypatch.setattr(cost, "row_cost", lambda *about: real(*about) and ImageCost(0, 0, 0))
    assert np.abs(made(folder, MIX, options, MemoryBudget(1)) - whole).max() <= 1


def test_what_is_there_knows_its_mix(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", "0.png", "--to", MIX]) == 0
    recipe = read_recipe(folder / "0-one60-two40.png")
    assert recipe is not None
    one, two = (load_translator(name).style for name in ("one", "two"))
    assert recipe["style"] == MIX
    assert recipe["weights"] == f"{one.digest}:0.6,{two.digest}:0.4"
    assert recipe["options"]["mix"] == [
        {"share": share, "style": style.name, "weights": style.digest, "work_size": 32, "detail": 0.5, "strokes": 0.0}
        for share, style in ((0.6, one), (0.4, two))
    ]
    for words, status in (([], "skipped"), (["--detail", "0.1"], "kept")):
        capsys.readouterr()
        run(["convert", "0.png", "--to", MIX, "--json", *words])
        assert json.loads(capsys.readouterr().out.splitlines()[0])["status"] == status
    # By another name of the same shares, and with others whose name is the same.
    assert run(["convert", "0.png", "--to", "one:3,two:2", "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "shares add to 5, not to 1: one 60 %, two 40 %" in said.err
    assert "skip: converted before" in said.out
    run(["convert", "0.png", "--to", "one:0.601,two:0.399", "--dry-run"])
    assert "made with other weights or options" in capsys.readouterr().out


def test_a_mix_is_made_again_like_a_result(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_style(folder / "far.safetensors", seed=9, work_size=48, detail=0.9)
    mix = "one:0.5,far.safetensors:0.5"
    assert run(["convert", "0.png", "--to", mix, "-o", "made.png"]) == 0
    recipe = read_recipe(folder / "made.png")
    assert recipe is not None
    # What the styles differ in was left to them.
    assert (recipe["options"]["work_size"], recipe["options"]["detail"]) == ("auto", None)
    assert [part["work_size"] for part in recipe["options"]["mix"]] == [32, 48]
    assert run(["models", "add", "far.safetensors", "--name", "far"]) == 0
    assert run(["convert", "0.png", "--like", "made.png", "-o", "again.png"]) == 0
    assert read_recipe(folder / "again.png") == recipe
    assert np.array_equal(pixels(folder / "again.png"), pixels(folder / "made.png"))
    assert "other weights" not in capsys.readouterr().err
    assert run(["convert", "0.png", "--to", mix, "--work-size", "40", "-o", "forty.png"]) == 0
    assert read_recipe(folder / "forty.png")["options"]["work_size"] == 40  # type: ignore[index]


def test_strokes_that_one_style_has(folder: Path) -> None:
    save_two_nets(folder / "fine.safetensors", 3, {"share": 0.0}, work_size=32)
    mix = "one:0.5,fine.safetensors:0.5"
    plain, stroked = (made(folder, mix, ConvertOptions(strokes=share)) for share in (None, 1.0))
    # They are drawn over the mix, and its light and colours stay.
    assert np.abs(plain - stroked).mean() > 0.05
    assert np.abs(plain.mean((0, 1)) - stroked.mean((0, 1))).max() < 0.2
    with pytest.raises(UsageError, match="one60-two40 has no fine strokes"):
        translate(scene(), MIX, strokes=1.0)


def test_an_animation_and_its_frames(folder: Path) -> None:
    first, *others = (Image.fromarray(scene(48, 64, n)) for n in range(3))
    first.save(folder / "a.webp", save_all=True, append_images=others, duration=100, lossless=True)
    translator = load_translator(MIX)
    row = convert_video("a.webp", "b.webp", translator, VideoOptions(smooth="light"))
    assert (row.status, row.frames, row.width, row.height) == ("done", 3, 64, 48)


def test_pages_credit_every_style_of_a_mix(folder: Path) -> None:
    assert run(["convert", "0.png", "1.png", "--to", MIX, "--gallery", "look.html"]) == 0
    page = (folder / "look.html").read_text("utf-8")
    assert "one60-two40" in page
    assert "one: work size 32, detail 0.5; two: work size 32, detail 0.5" in page


def test_workers_are_told_all_of_a_mix(folder: Path) -> None:
    of_levels(folder / "n.onnx")
    for text, precision in ((MIX, "bf16"), ("one:0.5,n.onnx:0.5", "bf16")):
        found = find_styles(text, value_range="0..255" if "onnx" in text else None)
        order = WorkerPlan(("cpu",), "bf16", 1).order(found, open_style(found, "cpu", "fp32").style)
        assert order.precision == precision
        opened = open_style(order.style, "cpu", order.precision, order.backend)
        assert WorkerFacts.of(opened, order.threads) == order.facts()
    # Where its files are not.
    order = replace(order, threads=torch.get_num_threads(), weights=tuple(path.read_bytes() for path in found.paths))
    for path in found.paths:
        path.unlink()
    assert Worker("cpu").open(order) == order.facts()


def test_what_is_wrong_with_a_mix_takes_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("convert", "video"):
        for text in ("one:0.6,tow:0.4", "one:0,two:1", "one:0.5,one:0.5", "one:x,two:1"):
            assert run([command, "0.png", "--to", text]) == 2
            said = capsys.readouterr().err
            assert said.count("\n") == 1
            assert said.startswith("imgcycle: ")
