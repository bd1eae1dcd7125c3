"""Kills at random moments, in one stage and in several: pytest tests/drills."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

from safetensors.torch import load_file

from tests.training.processes import SMALL, TrainingProcess
from tests.training.toys import final_state, logged_losses, same, texture_world


def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    world = texture_world(tmp_path)
    options = [*SMALL, "--steps", "400", "--save-every", "5"]
    straight = TrainingProcess(*world, "-o", tmp_path / "straight", *options)
    assert straight.end(timeout=600) == 0, straight.lines
    rng = random.Random(0)
    first = TrainingProcess(*world, "-o", tmp_path / "run", *options)
    first.wait_for("saved step 0")
    first.end(signal.SIGKILL)
    kills = 1
    while kills < 20:
        training = TrainingProcess("-o", tmp_path / "run", "--resume")
        training.wait_for(str(tmp_path / "run"))
        time.sleep(rng.uniform(0, 0.4))
        if training.end(signal.SIGKILL) == 0:
            break
        kills += 1
    last = TrainingProcess("-o", tmp_path / "run", "--resume")
    assert last.end(timeout=600) == 0, last.lines
    assert kills == 20
    assert same(final_state(tmp_path / "straight"), final_state(tmp_path / "run"))
    assert not list((tmp_path / "run").rglob("*.partial"))


STAGED = """
about = "four stages that differ in all that is begun anew"

[settings]
method = "fastcut"
steps = 400
crop = 32
ema = 0.9
nce_patches = 16
nce_width = 8

[[stages]]
name = "first"
share = 120
warmup_share = 0.5

[[stages]]
name = "crops"
share = 103
crop = 24
ema = 0.5
lambda_nce = 1.0

[[stages]]
name = "anew"
share = 97
fresh_discriminators = true
warmup_share = 0.2
lambda_shift = 1.0

[[stages]]
name = "other discriminators"
share = 80
discriminator_layers = 1
lambda_grid = 0.1
"""
"""Borders at step 120, which is saved, 223, which is not, and 320."""


def test_kills_in_every_stage_and_around_its_borders_change_nothing(tmp_path: Path) -> None:
    world = texture_world(tmp_path)
    (tmp_path / "staged.toml").write_text(STAGED)
    # Options beside a recipe would overrule its stages.
    left_out = [at + n for at in map(SMALL.index, ("--pool", "--crop", "--ema")) for n in (0, 1)]
    small = [word for n, word in enumerate(SMALL) if n not in left_out]
    options: list[str | Path] = [*small, "--recipe", tmp_path / "staged.toml", "--save-every", "5"]
    straight = TrainingProcess(*world, "-o", tmp_path / "straight", *options)
    assert straight.end(timeout=600) == 0, straight.lines
    rng = random.Random(1)
    first = TrainingProcess(*world, "-o", tmp_path / "run", *options)
    first.wait_for("saved step 0")
    first.end(signal.SIGKILL)
    for wait_for in ("saved", "stage 2", "stage 2", "saved", "stage 3", "stage 3", "saved", "stage 4", "stage 4"):
        for pause in (rng.uniform(0, 0.02), rng.uniform(0, 0.3)):
            training = TrainingProcess("-o", tmp_path / "run", "--resume")
            training.wait_for(wait_for)
            time.sleep(pause)
            assert training.end(signal.SIGKILL) != 0, training.lines
            if wait_for != "saved":
                break
    last = TrainingProcess("-o", tmp_path / "run", "--resume")
    assert last.end(timeout=600) == 0, last.lines
    assert same(final_state(tmp_path / "straight"), final_state(tmp_path / "run"))
    weights = [load_file(tmp_path / run / "weights/A2B.safetensors") for run in ("straight", "run")]
    assert same(*weights), "only their cards differ, by the commands"
    assert logged_losses(tmp_path / "run") == logged_losses(tmp_path / "straight")
    assert not list((tmp_path / "run").rglob("*.partial"))
