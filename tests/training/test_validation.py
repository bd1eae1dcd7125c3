"""Validation keeps the best weights, and tells them from the latest."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import nn

from imgcycle.errors import MissingExtra
from imgcycle.nets.layers import Generator
from imgcycle.training import events
from imgcycle.training.loop import train
from imgcycle.training.validation import Validation
from imgcycle.weights.native import inspect_weights
from tests.training.toys import final_state, toy_config


class MeanColour:
    """A feature net that sees three numbers."""

    def __init__(self, device: torch.device) -> None:
        del device

    def features(self, images: Iterable[torch.Tensor]) -> torch.Tensor:
        return torch.cat([image.mean((2, 3)) for image in images])


class Constant(nn.Module):
    """Gives one value, whatever it is shown."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.full_like(x, self.value)


def validated(root: Path, **changes: object) -> list[events.Validated]:
    toy_config(root)
    folders = {"val_a": str(root / "red"), "val_b": str(root / "blue")}
    heard: list[events.Event] = []
    config = toy_config(root, val_every=4, **folders, **changes)
    train(config, root / "run", listener=heard.append)
    return [e for e in heard if isinstance(e, events.Validated)]


def test_the_best_weights_are_those_of_the_lowest_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgcycle.training.validation.FeatureNet", MeanColour)
    seen = validated(tmp_path)
    assert [e.step for e in seen] == [4, 8, 12]
    for direction in ("A2B", "B2A"):
        figures = {e.step: e.kid[direction] for e in seen}
        best = min(figures, key=lambda step: figures[step])
        card = inspect_weights(tmp_path / f"run/weights/best/{direction}.safetensors").card
        assert card["steps"] == best
        assert card["figures"] == {"kid_x1000": figures[best]}
        assert final_state(tmp_path / "run")["best"][direction] == figures[best]


def test_what_leaves_the_range_counts_as_the_levels_it_becomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgcycle.training.validation.FeatureNet", MeanColour)
    config = toy_config(tmp_path, val_a=str(tmp_path / "red"), val_b=str(tmp_path / "blue"))
    validation = Validation.of(config, torch.device("cpu"))
    figures = [
        validation.measure({"A2B": cast(Generator, Constant(value))}, torch.float32)["A2B"] for value in (0.5, 1.0, 1.8)
    ]
    assert figures[2] == figures[1] != figures[0]


def test_validation_does_not_disturb_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgcycle.training.validation.FeatureNet", MeanColour)
    validated(tmp_path)
    train(toy_config(tmp_path), tmp_path / "plain")
    nets = [final_state(tmp_path / run)["nets"]["A2B"] for run in ("run", "plain")]
    assert all(torch.equal(nets[0][name], nets[1][name]) for name in nets[0])


def test_without_the_extra_the_run_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra):
        validated(tmp_path)
    assert not (tmp_path / "run").exists()
