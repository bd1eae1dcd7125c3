from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcycle.motion.flow import measure_motion
from imgcycle.motion.shift import grid_shift
from tests.motion.textures import moved, texture


def field(*parts: tuple[float, float, float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """A flow made of (share, down, right)."""
    flow = np.zeros((100, 10, 2), np.float32)
    top = 0
    for share, down, right in parts:
        rows = round(100 * share)
        flow[top : top + rows] = (right, down)
        top += rows
    return flow


def test_a_pan_is_found_from_pictures() -> None:
    before = texture(96, 128)
    flow = measure_motion(before, moved(before, 0.4, -2.6)).forward
    assert np.median(flow, (0, 1)) == pytest.approx([-2.6, 0.4], abs=0.05)
    assert np.mean(np.hypot(*np.moveaxis(flow - [-2.6, 0.4], 2, 0)) <= 1) > 0.9


@given(st.integers(-50, 50), st.integers(-50, 50), st.sampled_from([1, 2, 4, 8]), st.floats(-0.3, 0.3))
def test_a_grid_follows_to_the_nearest_pixel(down: int, right: int, period: int, more: float) -> None:
    assert grid_shift(field((1.0, down + more, right - more)), period) == (down % period, right % period)


def test_a_grid_finds_what_suits_two_layers_at_once() -> None:
    assert grid_shift(field((0.45, 1, 0), (0.55, 5, 0)), 4) == (1, 0)
    assert grid_shift(field((0.4, 3, 0), (0.2, 1, 2), (0.4, -1, 0)), 4) == (3, 0)


def test_a_grid_does_not_turn_for_little() -> None:
    assert grid_shift(field((1.0, 0.55, -0.6)), 4) == (0, 0)
    assert grid_shift(field((1.0, 0.7, -0.7)), 4) == (1, 3)
