"""A run by stages: who learns with what, and killed in any stage it goes on bit for bit."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from imgcycle.config import NetConfig, Stage
from imgcycle.errors import UsageError
from imgcycle.nets.build import build_generator
from imgcycle.training import events
from imgcycle.training.distributed import World
from imgcycle.training.loop import train
from imgcycle.training.session import Session
from imgcycle.training.timing.stages import hand_over
from imgcycle.weights.description import inspect_weights
from imgcycle.weights.native import save_weights
from tests.training.toys import final_state, logged_losses, same, toy_config

STAGES = (
    Stage(0.5, "look", warmup_share=0.5, lr=4e-4),
    Stage(0.25, "calm", lambda_nce=3.0, lambda_grid=0.1, crop=24, fresh_discriminators=True),
    Stage(0.25, "edges", lr=1e-5, ema=0.5, discriminator_layers=1),
)
STAGED: dict[str, Any] = {"method": "cut", "stages": STAGES, "save_every": 2, "recipe": "mine"}


def test_each_stage_has_its_settings_and_all_are_said(tmp_path: Path) -> None:
    heard: list[events.Event] = []
    seen: list[tuple[int, float, float, int]] = []
    step = Session.step

    def spied(self: Session, *given: Any) -> None:
        step(self, *given)
        rates = [each.optimizer.param_groups[0]["lr"] for each in self.phase_optimizers]
        seen.append((self.config.crop, rates[1], self.config.lambda_nce, self.config.discriminator.layers))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "step", spied)
        train(toy_config(tmp_path, **STAGED), tmp_path / "run", listener=heard.append)
    assert [row[0] for row in seen] == [32] * 6 + [24] * 3 + [32] * 3
    assert [row[2:] for row in seen] == [(1.0, 2)] * 6 + [(3.0, 2)] * 3 + [(1.0, 1)] * 3
    # A third of 6 steps at the rate, warmed up over 3, then falling; each stage falls by itself.
    assert seen[0][1] == pytest.approx(4e-4 / 3)
    assert seen[2][1] == pytest.approx(4e-4)
    assert seen[6][1] == pytest.approx(2e-4)
    assert seen[9][1] == pytest.approx(1e-5)
    began = [(e.step, e.name, e.number, e.stages, e.length) for e in heard if isinstance(e, events.StageBegan)]
    assert began == [(6, "calm", 2, 3, 3), (9, "edges", 3, 3, 3)]
    assert inspect_weights(tmp_path / "run/weights/A2B.safetensors").card["recipe"] == "mine"
    stored = json.loads((tmp_path / "run/config.json").read_text())["config"]
    assert [stage["name"] for stage in stored["stages"]] == ["look", "calm", "edges"]


@pytest.mark.parametrize("method", ["cut", "cyclegan"])
@pytest.mark.parametrize("stops", [(2,), (4, 8), (6, 9), (10,)], ids=str)
def test_killed_in_each_stage_and_between_it_goes_on_bit_for_bit(
    tmp_path: Path, method: str, stops: tuple[int, ...]
) -> None:
    config = toy_config(tmp_path, **{**STAGED, "method": method, "save_every": 1})
    train(config, tmp_path / "straight")
    for n, at in enumerate(stops):

        def stop(event: events.Event, at: int = at) -> None:
            if isinstance(event, events.Saved) and event.step == at - 1:
                os.kill(os.getpid(), signal.SIGTERM)

        ended = train(config, tmp_path / "parts", resume=n > 0, listener=stop)
        assert (ended.interrupted, ended.step) == (True, at)
    train(config, tmp_path / "parts", resume=True)
    assert same(final_state(tmp_path / "straight"), final_state(tmp_path / "parts"))
    weights = [(tmp_path / run / "weights/A2B.safetensors").read_bytes() for run in ("straight", "parts")]
    assert weights[0] == weights[1]


def test_a_stage_begins_with_the_averages_and_with_the_discriminators_or_fresh_ones(tmp_path: Path) -> None:
    config = toy_config(tmp_path, method="cut")
    before, after, fresh = (Session(config, torch.device("cpu"), torch.float32, World()) for _ in range(3))
    with torch.no_grad():
        for net in (*before.nets.values(), before.averages["A2B"].module):
            for parameter in net.parameters():
                parameter.add_(torch.randn_like(parameter))
    kept = {name: value.clone() for name, value in fresh.nets["discriminator_B"].state_dict().items()}
    hand_over(before, after, fresh_discriminators=False)
    hand_over(before, fresh, fresh_discriminators=True)
    for session in (after, fresh):
        for net in (session.nets["A2B"], session.averages["A2B"].module):
            assert same(dict(net.state_dict()), dict(before.averages["A2B"].module.state_dict()))
        assert same(dict(session.nets["heads"].state_dict()), dict(before.nets["heads"].state_dict()))
    ours, theirs = (s.nets["discriminator_B"].state_dict() for s in (after, before))
    assert same(dict(ours), dict(theirs))
    assert same(dict(fresh.nets["discriminator_B"].state_dict()), kept)


def test_the_last_losses_of_a_stage_are_logged_once_by_a_run_that_dies_after_it(tmp_path: Path) -> None:
    config = toy_config(tmp_path, **{**STAGED, "save_every": 3})
    train(config, tmp_path / "straight")

    def die(event: events.Event) -> None:
        if isinstance(event, events.StageBegan):
            raise OSError("died")

    for resume in (False, True):
        with pytest.raises(OSError, match="died"):
            train(config, tmp_path / "parts", resume=resume, listener=die)
    train(config, tmp_path / "parts", resume=True)
    assert logged_losses(tmp_path / "parts") == logged_losses(tmp_path / "straight")
    assert [row["step"] for row in logged_losses(tmp_path / "parts")] == [6, 9, 12]


def test_the_length_of_a_run_by_stages_is_fixed(tmp_path: Path) -> None:
    train(toy_config(tmp_path, **{**STAGED, "steps": 4}), tmp_path / "run")
    with pytest.raises(UsageError, match=r"steps was 4 and is now 8.*only intervals may change"):
        train(toy_config(tmp_path, **{**STAGED, "steps": 8}), tmp_path / "run", resume=True)


def test_a_stage_that_cannot_be_is_said_before_the_first_step(tmp_path: Path) -> None:
    bad = toy_config(tmp_path, method="cut", stages=(Stage(1), Stage(1, "tiny crops", crop=16, discriminator_layers=3)))
    with pytest.raises(UsageError, match="crop of 16 pixels is too small for this discriminator"):
        train(bad, tmp_path / "run")
    assert not (tmp_path / "run/config.json").exists()


def test_weights_that_do_not_fit_are_refused_before_any_step_is_timed(tmp_path: Path) -> None:
    train(toy_config(tmp_path, steps=1), tmp_path / "first")
    heard: list[events.Event] = []
    config = toy_config(tmp_path, minutes=1, steps=None, net=NetConfig("resnet", 4, 1))
    with pytest.raises(UsageError, match="does not fit this run's generator"):
        train(config, tmp_path / "run", start_from=tmp_path / "first", listener=heard.append)
    assert not [e for e in heard if isinstance(e, events.Noted) and "timing" in e.text]


def test_minutes_become_steps_that_a_resumed_run_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgcycle.training.timing.length._seconds_a_step", lambda *_: 10.0)
    heard: list[events.Event] = []
    config = toy_config(tmp_path, minutes=1, steps=None)
    ended = train(config, tmp_path / "run", listener=heard.append)
    assert ended.steps == 5, "95 % of a minute"
    notes = [e.text for e in heard if isinstance(e, events.Noted)]
    assert notes == [
        "timing some steps, to know how many fit into a minute",
        "5 steps fit into a minute here: that is now the length of the run",
    ]
    stored = json.loads((tmp_path / "run/config.json").read_text())["config"]
    assert (stored["steps"], stored["minutes"]) == (5, 1.0)
    train(toy_config(tmp_path, steps=5), tmp_path / "straight")
    assert same(final_state(tmp_path / "run")["nets"], final_state(tmp_path / "straight")["nets"])
    monkeypatch.setattr("imgcycle.training.timing.length._seconds_a_step", lambda *_: 1.0)
    assert train(config.replace(steps=5), tmp_path / "run", resume=True).steps == 5


def test_of_more_steps_than_are_enough_a_run_takes_those(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgcycle.training.timing.length._seconds_a_step", lambda *_: 10.0)
    for most, expected in ((3, 3), (5, 5), (9, 5)):
        heard: list[events.Event] = []
        run = tmp_path / f"run{most}"
        config = toy_config(tmp_path, minutes=1, steps=None, most_steps=most)
        assert train(config, run, listener=heard.append).steps == expected
        assert json.loads((run / "config.json").read_text())["config"]["steps"] == expected
        said = [e.text for e in heard if isinstance(e, events.Noted)][1]
        assert ("would fit" in said) == (most == 3)
    assert train(config.replace(minutes=None, steps=11), tmp_path / "more").steps == 11


@pytest.mark.parametrize(
    ("theirs", "mine", "said"),
    [
        (NetConfig("resnet", 8, 9), NetConfig("compact", 4, 1), "ask for it: --net resnet9 --width 8"),
        (NetConfig.named("strokes", 4), NetConfig.named("luma", 4), "ask for it: --net strokes --width 4"),
        (NetConfig.named("luma", 4), NetConfig.named("strokes", 4), "ask for it: --net luma --width 4"),
        (NetConfig.named("compact", 4), NetConfig.named("luma", 4), "ask for it: --net compact --width 4"),
        (NetConfig("compact", 4, 1), NetConfig("compact", 4, 3), "no --net is built like that"),
    ],
)
def test_weights_that_do_not_fit_say_which_net_would(
    tmp_path: Path, theirs: NetConfig, mine: NetConfig, said: str
) -> None:
    save_weights(tmp_path / "theirs.safetensors", build_generator(theirs), theirs.to_dict(), {})
    config = toy_config(tmp_path, method="fastcut", net=mine, steps=2)
    with pytest.raises(UsageError, match=f"does not fit this run's generator.*{said}"):
        train(config, tmp_path / "run", start_from=str(tmp_path / "theirs.safetensors"))
