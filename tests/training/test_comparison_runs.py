"""SimGAN and BiGAN as runs: what each can learn of a world of two colours, and that its weights translate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle.jobs.images.run import convert_image
from imgcycle.jobs.translators import load_translator
from imgcycle.training.loop import train
from tests.training.worlds import config_for, learnt, levels, translated


def test_simgan_learns_the_colour_and_keeps_the_picture(tmp_path: Path) -> None:
    run = learnt(tmp_path, config_for(tmp_path, "simgan", steps=100, save_every=100, lr=2e-3))
    source, made = translated(run)
    assert levels(made)[2] > levels(made)[0] + 30
    assert levels(source)[2] < levels(source)[0] - 30
    assert float(torch.corrcoef(torch.stack([source.mean(1).flatten(), made.mean(1).flatten()]))[0, 1]) > 0.4
    assert sorted(p.stem for p in (run / "weights").iterdir()) == ["A2B", "discriminators"]


@pytest.mark.parametrize("feature_loss", [None, "vgg19"])
def test_enough_self_regularisation_holds_simgan_to_its_input(tmp_path: Path, feature_loss: str | None) -> None:
    changes = {"lambda_self": 300.0, "feature_loss": feature_loss, "lr": 2e-3}
    run = learnt(tmp_path, config_for(tmp_path, "simgan", steps=60, save_every=60, **changes))
    source, made = translated(run)
    assert np.abs(levels(made) - levels(source)).max() < 30, (
        "of 60 apart: 4 and 14 to 18, by the processor; 65 and 71 without"
    )


def test_bigan_learns_both_colours_by_one_discriminator(tmp_path: Path) -> None:
    run = learnt(tmp_path, config_for(tmp_path, "bigan", steps=120, save_every=120, lr=5e-4))
    for direction, blueness in (("A2B", 1), ("B2A", -1)):
        source, made = translated(run, direction)
        assert blueness * (levels(made)[2] - levels(made)[0]) > 20
        assert blueness * (levels(source)[2] - levels(source)[0]) < -20
    assert sorted(p.stem for p in (run / "weights").iterdir()) == ["A2B", "B2A", "discriminators"]


@pytest.mark.parametrize("method", ["simgan", "bigan"])
def test_convert_takes_a_run(tmp_path: Path, method: str) -> None:
    train(config_for(tmp_path, method, steps=1), tmp_path / "run")
    translator = load_translator(str(tmp_path / "run"), "A2B", "cpu", "fp32")
    convert_image(tmp_path / "red/0.png", tmp_path / "out.png", translator)
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (40, 40)
