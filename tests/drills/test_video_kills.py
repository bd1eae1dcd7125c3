"""Ten kills of one conversion at random moments, twice: `pytest tests/drills/test_video_kills.py`."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.jobs.video_kills import ClipDrill


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> ClipDrill:
    return ClipDrill(tmp_path_factory.mktemp("drill"), 60)


@pytest.mark.parametrize("seed", range(2))
def test_ten_kills_then_the_same_frames(drill: ClipDrill, seed: int) -> None:
    Path(drill.folder / "out.mp4").unlink(missing_ok=True)
    assert drill.kill_and_finish(10, random.Random(seed)) == 10
