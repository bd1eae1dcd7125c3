"""Teaching a style's second net: it sees what the first one makes, and one file holds both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle.config import ConvertOptions, NetConfig, TrainConfig
from imgcycle.data.batches import UnpairedBatches
from imgcycle.engine import resample
from imgcycle.engine.strokes import StrokeRows
from imgcycle.errors import UsageError
from imgcycle.jobs.images.run import convert_image
from imgcycle.jobs.translators import load_translator
from imgcycle.training.first_net import FirstNet
from imgcycle.training.loop import train
from imgcycle.training.storage.resuming import RunContext
from imgcycle.training.validation import Validation
from imgcycle.weights.description import inspect_weights
from imgcycle.weights.native import load_generator, load_strokes
from tests.media.pictures import scene
from tests.styles import TINY, save_style, tiny_net
from tests.training.toys import final_state, same, toy_config

FINE = NetConfig("compact", 4, 1, "none", global_residual=True)


def stroke_config(root: Path, **changes: object) -> TrainConfig:
    style = root / "coarse.safetensors"
    if not style.is_file():
        save_style(style, work_size=20, detail=0.3, command="imgcycle train A B", steps=9)
    settings = {"method": "fastcut", "size": "full", "crop": 32, "net": FINE, "strokes_of": str(style)}
    return toy_config(root, **{**settings, "strokes_detail": 0.6, "strokes_calm": 1.0, "steps": 2, **changes})


def test_it_sees_what_convert_lays_strokes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = scene(70, 90)
    made = FirstNet(stroke_config(tmp_path), torch.device("cpu"), torch.float32)(photo)
    assert made.shape == photo.shape
    Image.fromarray(photo).save(tmp_path / "photo.png")
    run = tmp_path / "run"
    train(stroke_config(tmp_path, steps=1, lr=1e-9), run)  # a net that draws nothing yet
    translator = load_translator(str(run), precision="fp32")
    assert translator.style.strokes is not None
    seen: dict[int, resample.Floats] = {}
    ahead = StrokeRows.ahead

    def noted(self: StrokeRows, top: int, bottom: int) -> resample.Floats:
        seen[top] = ahead(self, top, bottom)
        return seen[top]

    monkeypatch.setattr(StrokeRows, "ahead", noted)
    convert_image(tmp_path / "photo.png", tmp_path / "out.png", translator, ConvertOptions())
    rows = 255 * np.concatenate([seen[top] for top in sorted(seen)])
    assert np.abs(rows - made).max() <= 0.51


def test_the_run_exports_one_file_of_both_nets(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(stroke_config(tmp_path), run)
    net, about = load_generator(run / "weights/A2B.safetensors")
    first, fine = tiny_net(), load_strokes(about)
    assert fine is not None
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), first.parameters(), strict=True))
    assert same(fine.state_dict(), final_state(run)["averages"]["A2B"]["module"])
    assert about.card["work_size"] == 20
    assert about.card["strokes"] == {"share": 1.0, "detail": 0.6, "calm": 1.0}
    assert about.card["first_net"]["steps"] == 9
    assert (about.card["steps"], about.card["detail"]) == (2, 0.3)


def test_a_net_of_luma_is_taught_in_grey_and_leaves_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    load = UnpairedBatches.load

    def noted(self: UnpairedBatches, step: int, generation: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(load(self, step, generation))
        return seen[-1]

    monkeypatch.setattr(UnpairedBatches, "load", noted)
    run = tmp_path / "run"
    luma = FINE.replace(head="wide", luma=True)
    train(stroke_config(tmp_path, net=luma, steps=3, lr=0.05, strokes_calm=0.0), run)
    assert seen
    for part in (part for pair in seen for part in pair):
        assert torch.equal(part[:, 0], part[:, 1])
        assert torch.equal(part[:, 0], part[:, 2])
    fine = load_strokes(load_generator(run / "weights/A2B.safetensors")[1])
    assert fine is not None
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    change = fine(x) - x
    assert change.abs().max() > 1e-3
    assert torch.allclose(change[:, 0], change[:, 2], atol=1e-6)


def test_strokes_of_luma_can_be_said_of_a_run_that_is_over(tmp_path: Path) -> None:
    weights = tmp_path / "run/weights/A2B.safetensors"
    train(stroke_config(tmp_path), tmp_path / "run")
    before = load_strokes(load_generator(weights)[1])
    train(stroke_config(tmp_path, strokes_luma=True), tmp_path / "run", resume=True)
    about = inspect_weights(weights)
    assert about.card["strokes"] == {"share": 1.0, "detail": 0.6, "calm": 1.0, "luma": True}
    after = load_strokes(about)
    assert before is not None
    assert after is not None
    assert same(before.state_dict(), after.state_dict())
    with pytest.raises(UsageError, match="--strokes-luma is for a second net"):
        TrainConfig("a", "b", method="cut", strokes_luma=True)


def test_the_best_weights_so_far_say_the_same_of_strokes(tmp_path: Path) -> None:
    images = tmp_path / "images"
    config = stroke_config(images, steps=2)
    config = config.replace(val_a=config.a, val_b=config.b, val_every=1)
    train(config, tmp_path / "run")
    before = load_strokes(inspect_weights(tmp_path / "run/weights/best/A2B.safetensors"))
    train(config.replace(strokes_luma=True), tmp_path / "run", resume=True)
    about = inspect_weights(tmp_path / "run/weights/best/A2B.safetensors")
    assert about.card["strokes"]["luma"] is True
    after = load_strokes(about)
    assert before is not None
    assert after is not None
    assert same(before.state_dict(), after.state_dict())
    style = load_translator(str(tmp_path / "run"), precision="fp32").style
    assert style.strokes is not None
    assert style.strokes.luma


def test_pictures_for_validation_of_a_net_of_luma_are_grey(tmp_path: Path) -> None:
    config = stroke_config(tmp_path, net=FINE.replace(head="wide", luma=True), strokes_of=None)
    config = config.replace(val_a=config.a, val_b=config.b)
    for folder in Validation.of(config, torch.device("cpu")).folders.values():
        assert np.ptp(folder.image(0), 2).max() == 0


def test_the_first_net_of_a_file_of_two_keeps_its_own_record(tmp_path: Path) -> None:
    train(stroke_config(tmp_path, steps=1), tmp_path / "one", context=RunContext(command="imgcycle train C D"))
    made = tmp_path / "one/weights/A2B.safetensors"
    train(stroke_config(tmp_path, steps=1, strokes_of=str(made)), tmp_path / "two")
    cards = [inspect_weights(tmp_path / run / "weights/A2B.safetensors").card for run in ("one", "two")]
    assert cards[0]["first_net"]["command"] == "imgcycle train A B"
    assert cards[0]["command"] == "imgcycle train C D"
    assert cards[1]["first_net"] == cards[0]["first_net"]


def test_it_goes_on_bit_for_bit_and_may_start_from_another_second_net(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(stroke_config(tmp_path, steps=4, schedule="constant"), whole)
    train(stroke_config(tmp_path, steps=2, schedule="constant"), parts)
    train(stroke_config(tmp_path, steps=4, schedule="constant"), parts, resume=True)
    assert same(final_state(whole)["nets"], final_state(parts)["nets"])
    again = tmp_path / "again"
    train(stroke_config(tmp_path, steps=1, lr=1e-12), again, start_from=whole)
    about = inspect_weights(whole / "weights/A2B.safetensors")
    learnt, begun = load_strokes(about), load_strokes(inspect_weights(again / "weights/A2B.safetensors"))
    assert learnt is not None
    assert begun is not None
    pairs = zip(learnt.parameters(), begun.parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)


def test_it_may_start_from_the_first_net_if_that_alone_fits(tmp_path: Path) -> None:
    train(stroke_config(tmp_path, steps=1), tmp_path / "both")
    begun = tmp_path / "begun"
    config = stroke_config(tmp_path, steps=1, lr=1e-12, net=TINY)
    train(config, begun, start_from=tmp_path / "both/weights/A2B.safetensors")
    fine = load_strokes(inspect_weights(begun / "weights/A2B.safetensors"))
    assert fine is not None
    pairs = zip(tiny_net().parameters(), fine.parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)


def test_other_first_weights_are_said_on_resume(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(stroke_config(tmp_path), run)
    save_style(tmp_path / "coarse.safetensors", seed=5, work_size=20)
    heard: list[str] = []
    train(
        stroke_config(tmp_path, steps=3),
        run,
        resume=True,
        listener=lambda event: heard.append(getattr(event, "text", "")),
    )
    assert any(text.startswith("strokes_of was") for text in heard)


def test_what_cannot_be_taught_so_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cyclegan cannot learn strokes"):
        stroke_config(tmp_path, method="cyclegan")
    with pytest.raises(UsageError, match="for pictures at their own size"):
        stroke_config(tmp_path, size=64)
    with pytest.raises(UsageError, match="strokes detail of 2"):
        stroke_config(tmp_path, strokes_detail=2.0)
