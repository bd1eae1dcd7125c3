"""Blocks spoilt at random: every picture opens, with its pixels, and what is written of it can be read again."""

from __future__ import annotations

import random

import pytest

from imgcycle.media.metadata import exif, iptc, xmp
from tests.media.metadata.damage import EXIF, IPTC, LATITUDES, XMP, check, spoilt


@pytest.mark.parametrize("seed", range(4))
def test_pictures_with_spoilt_blocks(seed: int) -> None:
    assert check(seed, 60) >= 60


@pytest.mark.parametrize("seed", range(4))
def test_spoilt_blocks_by_themselves(seed: int) -> None:
    chance = random.Random(seed)
    kept = 0
    for _ in range(300):
        block = spoilt(chance.choice(EXIF), chance)
        made = exif.made_true(block, 56, 40, chance.random() < 0.5)
        assert exif.orientation(made) == 1
        kept += bool(made)
        free = exif.made_true(block, 56, 40, keep_gps=False)
        assert not any(pattern in free for pattern in LATITUDES)
        packet = xmp.made_true(spoilt(chance.choice(XMP), chance), {"style": "tiny"}, keep_gps=False)
        assert xmp.recipe_of(packet) == {"style": "tiny"}
        datasets = iptc.made_true(spoilt(chance.choice(IPTC), chance))
        assert iptc.made_true(datasets) == datasets
    assert kept > 150
