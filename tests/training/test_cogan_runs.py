"""CoGAN as a run: two colours from one code, and weights that translate by search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle.cli.app import run as command
from imgcycle.config import ConvertOptions
from imgcycle.engine.openvino import OpenVinoNet
from imgcycle.errors import UsageError
from imgcycle.jobs.images.run import convert_image
from imgcycle.jobs.translators import load_translator
from imgcycle.jobs.video.run import convert_video
from imgcycle.nets.cogan import FIT_STEPS, CoganGenerator
from imgcycle.training.loop import train
from imgcycle.weights.description import inspect_weights
from imgcycle.weights.native import load_generator
from tests.training.test_validation import MeanColour
from tests.training.worlds import config_for, learnt, levels, translated


def loaded(run: Path, way: str = "A2B") -> CoganGenerator:
    return cast(CoganGenerator, load_generator(run / f"weights/{way}.safetensors")[0])


def test_it_learns_to_draw_two_colours_and_finds_pictures_among_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgcycle.training.loop.PROBE_EVERY", 100)
    run = learnt(tmp_path, config_for(tmp_path, "cogan", steps=100, save_every=100, lr=3e-3))
    torch.manual_seed(0)
    with torch.no_grad():
        red, blue = loaded(run).draw(2 * torch.rand(16, 100) - 1)
    assert levels(red)[0] > levels(red)[2] + 20
    assert levels(blue)[2] > levels(blue)[0] + 20
    for direction, redness in (("A2B", -1), ("B2A", 1)):
        source, made = translated(run, direction)
        assert redness * (levels(made)[0] - levels(made)[2]) > 15
        net = loaded(run, direction)
        with torch.no_grad():
            found, started = net.draw(net.find(source.clone()))[0], net.draw(net._starts(source)[::2])[0]
        assert float((found - source).square().mean()) < 0.8 * float((started - source).square().mean())
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert set(next(row["probe"] for row in rows if "probe" in row)) == {"A2B", "B2A"}
    with Image.open(run / "samples/step-100.png") as grid:
        assert grid.size == (3 * 32, 8 * 32), "input | translated | cycled"


@pytest.fixture
def glance(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at samples that takes no time."""
    monkeypatch.setattr("imgcycle.methods.cogan.LOOKING_STEPS", 1)


@pytest.mark.usefixtures("glance")
def test_both_weights_are_one_net_and_a_run_can_begin_with_either(tmp_path: Path) -> None:
    train(config_for(tmp_path, "cogan", steps=2), tmp_path / "run")
    onward, back = (loaded(tmp_path / "run", way) for way in ("A2B", "B2A"))
    with torch.no_grad():
        drawn = [net.draw(torch.full((1, 100), 0.3)) for net in (onward, back)]
    assert torch.equal(drawn[0][0], drawn[1][1])
    assert torch.equal(drawn[0][1], drawn[1][0])
    assert onward.fit_steps == FIT_STEPS, "a glance is for runs alone"
    card = inspect_weights(tmp_path / "run/weights/A2B.safetensors").card
    assert (card["method"], card["work_size"], card["detail"]) == ("cogan", 32, 0.0)
    again = config_for(tmp_path, "cogan", steps=1, lr=1e-9, ema=0.0)
    train(again, tmp_path / "again", start_from=tmp_path / "run/weights/B2A.safetensors")
    with torch.no_grad():
        begun = loaded(tmp_path / "again").draw(torch.full((1, 100), 0.3))[0]
    assert float((begun - drawn[0][0]).abs().max()) < 0.1


@pytest.mark.usefixtures("glance")
def test_convert_finds_and_draws_a_picture_of_another_shape(tmp_path: Path) -> None:
    train(config_for(tmp_path, "cogan", steps=1), tmp_path / "run")
    photo = np.random.default_rng(0).integers(0, 256, (50, 90, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    translator = load_translator(str(tmp_path / "run"), "A2B", "cpu", "fp32")
    assert (translator.style.work_size, translator.style.detail) == (32, 0.0)
    for name in ("one.png", "two.png"):
        convert_image(tmp_path / "photo.png", tmp_path / name, translator)
    pictures = [np.asarray(Image.open(tmp_path / name)) for name in ("one.png", "two.png")]
    assert pictures[0].shape == (50, 90, 3)
    assert np.array_equal(pictures[0], pictures[1])
    convert_image(tmp_path / "photo.png", tmp_path / "full.png", translator, ConvertOptions(work_size="full"))
    x = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        wanted = ((loaded(tmp_path / "run")(x)[0].permute(1, 2, 0) + 1) * 127.5).round().numpy()
    assert np.abs(np.asarray(Image.open(tmp_path / "full.png")) - wanted).max() <= 1


@pytest.mark.usefixtures("glance")
def test_clips_and_openvino_are_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(config_for(tmp_path, "cogan", steps=1), tmp_path / "run")
    (tmp_path / "clip.mp4").write_bytes(b"never opened")
    assert command(["video", str(tmp_path / "clip.mp4"), "--style", str(tmp_path / "run"), "--dry-run"]) == 2
    said = capsys.readouterr().err
    assert "searches anew for every picture" in said
    assert said.count("\n") == 1
    assert not list(tmp_path.glob("clip-*"))
    with pytest.raises(UsageError, match="searches anew"):
        convert_video(tmp_path / "clip.mp4", tmp_path / "out.mp4", load_translator(str(tmp_path / "run"), device="cpu"))
    with pytest.raises(UsageError, match="searches by gradients"):
        OpenVinoNet(loaded(tmp_path / "run"))


@pytest.mark.usefixtures("glance")
def test_validation_measures_what_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgcycle.training.validation.FeatureNet", MeanColour)
    config = config_for(tmp_path, "cogan", steps=2)
    run = learnt(tmp_path, config.replace(val_a=config.a, val_b=config.b, val_every=2))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert set(next(row["kid"] for row in rows if "kid" in row)) == {"A2B", "B2A"}
    assert inspect_weights(run / "weights/best/A2B.safetensors").card["work_size"] == 32
