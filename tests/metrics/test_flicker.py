from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from imgcycle.metrics.flicker import Flicker, steepness
from imgcycle.motion.flow import measure_motion
from tests.motion.textures import Floats, moved, texture


class Still:
    """Nothing moves; known on the left half alone."""

    def __init__(self, height: int, width: int) -> None:
        self.known: npt.NDArray[np.bool_] = np.zeros((height, width), np.bool_)
        self.known[:, : width // 2] = True

    def warped(self, earlier: Floats, *, sharp: bool = True) -> Floats:  # noqa: ARG002
        return earlier


def test_the_error_is_the_mean_square_where_motion_is_known() -> None:
    meter, dark = Flicker(), np.full((4, 6, 3), 0.25, np.float32)
    bright = dark + np.float32(0.5)
    bright[:, 3:] = 1
    meter.add(dark, None)
    meter.add(bright, Still(4, 6))
    meter.add(bright, Still(4, 6))
    figures = meter.figures()
    assert figures.frames == 3
    assert figures.e_warp == pytest.approx((0.25 + 0) / 2)


def test_a_cut_is_no_flicker() -> None:
    meter = Flicker()
    for level in (0, 1):
        meter.add(np.full((4, 6, 3), level, np.float32), None)
    assert math.isnan(meter.figures().e_warp)


def test_nothing_to_measure_is_no_number() -> None:
    figures = Flicker().figures()
    assert figures.frames == 0
    assert math.isnan(figures.e_warp)
    assert math.isnan(figures.sharpness)
    assert math.isnan(figures.distance)


def test_a_clip_that_only_moves_does_not_flicker_and_grain_does() -> None:
    ground = texture(64, 96)
    frames = [moved(ground, 1.5 * n, -2.0 * n) for n in range(4)]
    meters = {strength: Flicker() for strength in (0.0, 0.1, 0.2)}
    before = None
    for n, frame in enumerate(frames):
        back = None if before is None else measure_motion(before, frame).reversed()
        for strength, meter in meters.items():
            grain = strength * (texture(64, 96, 10 + n, 1.0) - 0.5)
            meter.add(frame + grain, back, frame)
        before = frame
    floor, little, much = (meter.figures() for meter in meters.values())
    # Two independent grains of standard deviation 0.2 × strength; interpolation takes a part of one away.
    assert floor.e_warp < 0.2 * little.e_warp
    assert 1.0 * 0.02**2 < little.e_warp - floor.e_warp < 2.1 * 0.02**2
    assert (much.e_warp - floor.e_warp) / (little.e_warp - floor.e_warp) == pytest.approx(4, rel=0.05)
    assert floor.distance == 0
    assert little.distance == pytest.approx(255 * 0.02 * math.sqrt(2 / math.pi), rel=0.05)
    assert floor.sharpness < little.sharpness < much.sharpness


def test_sharpness_is_the_mean_steepness_in_levels() -> None:
    ramp = np.ones((8, 5, 3), np.float32) * np.arange(8, dtype=np.float32)[:, None, None] / np.float32(255)
    assert steepness(ramp) == pytest.approx(1 / 255)
    meter = Flicker()
    meter.add(ramp, None)
    assert meter.figures().sharpness == pytest.approx(1)
    assert steepness(np.ones((1, 1, 3), np.float32)) == 0
