"""Thirty thousand damaged checkpoints, from seeds: `pytest tests/drills/test_weights_mutants.py`.

`IMGCYCLE_MUTANTS` sets another number.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.weights.importers.mutants import Watch, bases, mutants, try_one

EACH = int(os.environ.get("IMGCYCLE_MUTANTS", "32000")) // 8


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


@pytest.mark.parametrize("seed", range(100, 108))
def test_every_mutant_ends_in_one_line(tmp_path: Path, watch: Watch, seed: int) -> None:
    sound, path = bases(tmp_path), tmp_path / "x.pth"
    for content in sound.values():  # loads what is loaded late
        try_one(path, content, watch)
    ends, wrongs = Counter[str](), []
    for name, content in mutants(seed, EACH, sound):
        ended, wrong = try_one(path, content, watch)
        ends[ended] += 1
        if wrong:
            wrongs.append(f"{name}: {wrong}")
    print(f"seed {seed}: {dict(ends)}")
    assert not wrongs, "\n".join(wrongs[:20])
