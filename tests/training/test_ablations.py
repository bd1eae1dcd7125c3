"""What all methods owe alike, and what is left of CycleGAN when terms of it are switched off."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from imgcycle.config import DiscriminatorConfig, NetConfig
from imgcycle.training import events
from imgcycle.training.loop import train
from tests.training.toys import final_state, same, toy_config
from tests.training.worlds import METHODS, config_for, learnt, levels, paired_world, translated


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stopped_and_resumed_is_bit_for_bit_straight_through(tmp_path: Path, method: str, precision: str) -> None:
    config = config_for(tmp_path, method, steps=8, save_every=3, precision=precision)
    train(config, tmp_path / "straight")

    def stop(event: events.Event) -> None:
        if isinstance(event, events.Saved) and event.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    assert train(config, tmp_path / "halves", listener=stop).interrupted
    assert not train(config, tmp_path / "halves", resume=True).interrupted
    assert same(final_state(tmp_path / "straight"), final_state(tmp_path / "halves"))


@pytest.mark.parametrize("cycle", ["none", "forward", "backward"])
def test_ablations_of_cyclegan_learn_the_colours_with_the_terms_they_keep(tmp_path: Path, cycle: str) -> None:
    paired_world(tmp_path)
    config = toy_config(
        tmp_path, steps=200, save_every=200, cycle=cycle, lambda_identity=0.0, lr=1e-3, ema=0.95, seed=2,
        net=NetConfig("compact", 8, 1, "affine"), discriminator=DiscriminatorConfig("nlayers", 16, 2),
    )  # fmt: skip
    run = learnt(tmp_path, config)
    _, made = translated(run)
    assert levels(made)[2] > levels(made)[0] + 40, "blue by the GAN alone"
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rounds = {name for row in rows for name in row if name.startswith("cycle")}
    assert rounds == {"none": set(), "forward": {"cycle_A"}, "backward": {"cycle_B"}}[cycle]
