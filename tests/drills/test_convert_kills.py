"""Twenty kills at random moments, each followed by a run to the end: `pytest tests/drills/test_convert_kills.py`."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.jobs.kills import Drill


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Drill:
    return Drill(tmp_path_factory.mktemp("drill"), 80)


@pytest.mark.parametrize("seed", range(10))
def test_two_kills_then_the_same_bytes(drill: Drill, seed: int) -> None:
    shutil.rmtree(Path(drill.folder / "out"), ignore_errors=True)
    drill.kill_and_finish(2, random.Random(seed))
