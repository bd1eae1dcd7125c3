"""Twenty kills at random moments: pytest tests/drills."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

from tests.training.processes import SMALL, TrainingProcess
from tests.training.toys import final_state, same, texture_world


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
