from __future__ import annotations

import numpy as np
import pytest

from imgcycle.motion.cuts import change, is_cut
from tests.motion.textures import Floats, texture

DAY = texture(120, 160, grain=6)
NIGHT = DAY[:, ::-1] ** 4


@pytest.mark.parametrize(
    ("before", "after"),
    [(DAY, NIGHT), (np.zeros_like(DAY), np.ones_like(DAY)), (DAY * np.array([1, 0.3, 0.2], np.float32), DAY[::-1])],
    ids=["another scene", "black to white", "another light"],
)
def test_another_scene_is_a_cut(before: Floats, after: Floats) -> None:
    assert is_cut(before, after)
    assert is_cut(after, before)


@pytest.mark.parametrize(
    "after",
    [DAY, np.roll(DAY, (6, 10), (0, 1)), DAY * np.float32(0.93), np.clip(DAY + 0.04 * texture(120, 160, 1), 0, 1)],
    ids=["still", "pan", "fade", "noise"],
)
def test_motion_light_and_noise_are_none(after: Floats) -> None:
    assert not is_cut(DAY, after)
    assert not is_cut(after, DAY)


def test_the_measure_is_what_it_says() -> None:
    black, grey = np.zeros((30, 40, 3), np.float32), np.full((30, 40, 3), 100 / 255, np.float32)
    assert change(black, black) == 0
    assert change(black, grey) == pytest.approx(1 + 1)
