"""Validation keeps the best weights, and tells them from the latest."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import nn

from imgcycle.cli.render.train import training_line
from imgcycle.errors import MissingExtra, UsageError
from imgcycle.nets.layers import Generator
from imgcycle.training import events
from imgcycle.training.loop import train
from imgcycle.training.storage.history import read_history
from imgcycle.training.validation import Validation, validations_without_gain
from imgcycle.weights.description import inspect_weights
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


def test_every_figure_stands_beside_what_it_is_measured_against(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgcycle.training.validation.FeatureNet", MeanColour)
    first = validated(tmp_path)
    assert [set(e.references) for e in first] == [{"unconverted"}] * 3
    unconverted = first[0].references["unconverted"]
    assert unconverted["A2B"] == pytest.approx(unconverted["B2A"], rel=0.2)
    assert unconverted["A2B"] > 0
    said = training_line(first[-1])
    assert f"A2B {first[-1].kid['A2B']:.1f} (best {first[-1].best['A2B']:.1f}, unconverted" in said
    heard: list[events.Event] = []
    folders = {"val_a": str(tmp_path / "red"), "val_b": str(tmp_path / "blue")}
    config = toy_config(tmp_path, val_every=6, **folders)
    train(config, tmp_path / "on", start_from=tmp_path / "run", listener=heard.append)
    on = [e for e in heard if isinstance(e, events.Validated)]
    assert on[0].references["unconverted"] == unconverted
    # What it started from are the averaged weights of the run before, as they were measured last.
    assert on[0].references["started from"]["A2B"] == pytest.approx(first[-1].kid["A2B"], rel=0.05)
    train(config.replace(steps=14), tmp_path / "on", resume=True, listener=heard.append)
    last = [e for e in heard if isinstance(e, events.Validated)][-1]
    assert last.references == on[0].references
    assert (
        len([row for row in (tmp_path / "on/metrics.jsonl").read_text().splitlines() if "kid_references" in row]) == 1
    )


def test_a_run_ends_when_nothing_comes_nearer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgcycle.training.validation.FeatureNet", MeanColour)
    figures = iter([5.0, 4.0, 6.0, 4.5, 3.0, 9.0])
    monkeypatch.setattr(Validation, "measure", lambda _, nets, __: dict.fromkeys(nets, next(figures)))
    folders = {"val_a": str(tmp_path / "red"), "val_b": str(tmp_path / "blue")}
    config = toy_config(tmp_path, **folders, steps=20, val_every=2, save_every=100, patience=2)
    heard: list[events.Event] = []
    ended = train(config, tmp_path / "run", listener=heard.append)
    assert (ended.step, ended.steps, ended.interrupted) == (8, 20, False)
    assert final_state(tmp_path / "run")["step"] == 8
    assert inspect_weights(tmp_path / "run/weights/best/A2B.safetensors").card["steps"] == 4
    assert any("nothing came nearer in 2 validations" in e.text for e in heard if isinstance(e, events.Noted))
    history = read_history(tmp_path / "run")
    assert history is not None
    assert history.state() == "finished"
    # Gone on with, it takes new hope from a nearer figure.
    again = train(config.replace(steps=12), tmp_path / "run", resume=True)
    assert (again.step, again.interrupted) == (12, False)


def test_patience_needs_something_to_wait_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no validation"):
        toy_config(tmp_path, patience=3)


@pytest.mark.parametrize(("figures", "vain"), [([], 0), ([3], 0), ([3, 4], 1), ([3, 2, 2, 5], 2), ([3, 4, 1, 4], 1)])
def test_validations_in_vain_are_those_since_the_nearest(figures: list[float], vain: int) -> None:
    assert validations_without_gain([{"A2B": figure} for figure in figures]) == vain


def test_one_direction_coming_nearer_is_not_in_vain() -> None:
    assert validations_without_gain([{"A2B": 3, "B2A": 3}, {"A2B": 4, "B2A": 2}, {"A2B": 4, "B2A": 2}]) == 1
