"""Twelve thousand pictures with spoilt metadata: `pytest tests/drills/test_metadata_damage.py`, about six minutes."""

from __future__ import annotations

import pytest

from tests.media.metadata.damage import check


@pytest.mark.parametrize("seed", range(1000, 1100))
def test_a_hundred_and_twenty_pictures(seed: int) -> None:
    assert check(seed, 120) >= 120
