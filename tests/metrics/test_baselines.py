"""What takes no learning does what its name says."""

from __future__ import annotations

import cv2
import numpy as np

from imgcycle.metrics.baselines import blend, colour_transfer, oil_paint
from tests.media.pictures import scene


def test_colour_transfer_brings_mean_and_spread() -> None:
    rng = np.random.default_rng(0)
    source = (scene(60, 60, 1) // 4 + 90).astype(np.uint8)
    target = rng.normal([150, 120, 100], 12, (60, 60, 3)).clip(0, 255).astype(np.uint8)
    lab = [
        cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for p in (colour_transfer(source, target), target)
    ]
    assert np.allclose(lab[0].mean((0, 1)), lab[1].mean((0, 1)), atol=0.7)
    assert np.allclose(lab[0].std((0, 1)), lab[1].std((0, 1)), atol=0.7)


def test_oil_paint_takes_the_commonest_brightness_around() -> None:
    pixels = scene(14, 17, 2)
    bins = pixels.astype(int).sum(2) * 20 // 766
    made = oil_paint(pixels, radius=2)
    for row, column in ((0, 0), (7, 8), (13, 16), (5, 0)):
        # Outside the picture OpenCV mirrors it, without its last row.
        rows = [abs(r) if r < 14 else 26 - r for r in range(row - 2, row + 3)]
        columns = [abs(c) if c < 17 else 32 - c for c in range(column - 2, column + 3)]
        around, levels = pixels[np.ix_(rows, columns)].reshape(-1, 3), bins[np.ix_(rows, columns)].ravel()
        counts = np.bincount(levels, minlength=20)
        expected = around[levels == counts.argmax()].mean(0)
        assert np.abs(made[row, column] - expected).max() <= 0.5 + 1e-3


def test_blend_rounds_to_the_nearest_level() -> None:
    one, other = np.full((1, 1, 3), 10, np.uint8), np.full((1, 1, 3), 20, np.uint8)
    assert blend(one, other, 0.25).tolist() == [[[12, 12, 12]]]
    assert blend(one, other, 0.26).tolist() == [[[13, 13, 13]]]
    assert np.array_equal(blend(one, other, 0), one)
    assert np.array_equal(blend(one, other, 1), other)
