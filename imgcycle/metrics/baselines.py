"""Baselines for a style: changes of look without learning, each of which tricks one of the figures.

Arrays are HWC uint8 RGB, like results.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def colour_transfer(pixels: Pixels, target: Pixels) -> Pixels:
    """Match mean and standard deviation of each CIE Lab channel to those of another image.

    Reinhard et al., Color Transfer between Images, IEEE CG&A 2001, in Lab for their lαβ.
    """
    own, other = (cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for p in (pixels, target))
    spread = other.std((0, 1)) / np.maximum(own.std((0, 1)), 1e-3)
    moved = ((own - own.mean((0, 1))) * spread + other.mean((0, 1))).astype(np.float32)
    return _rounded(cv2.cvtColor(moved, cv2.COLOR_LAB2RGB) * 255)


def oil_paint(pixels: Pixels, radius: int = 4, levels: int = 20) -> Pixels:
    """The classic oil filter: each pixel the mean colour of the commonest brightness around it.

    `radius` in pixels is that of the square brush; brightness, the mean of the channels, is quantised to `levels` bins.
    """
    bins = (pixels.astype(np.uint16).sum(2) * levels // (3 * 255 + 1)).astype(np.uint8)
    brush = (2 * radius + 1, 2 * radius + 1)
    most = np.zeros(bins.shape, np.float32)
    result = pixels.astype(np.float32)
    for level in np.unique(bins):
        inside = (bins == level).astype(np.float32)
        count = cv2.boxFilter(inside, cv2.CV_32F, brush, normalize=False)
        wins = count > most
        colours = cv2.boxFilter(pixels * inside[..., None], cv2.CV_32F, brush, normalize=False)
        result[wins] = colours[wins] / count[wins][:, None]
        most = np.maximum(most, count)
    return _rounded(result)


def blend(pixels: Pixels, other: Pixels, share: float) -> Pixels:
    """Blend two images of one size with weight `share` for the other; half of each is a double exposure."""
    return _rounded(pixels * np.float32(1 - share) + other * np.float32(share))


def _rounded(values: npt.NDArray[np.floating]) -> Pixels:
    rounded: Pixels = np.rint(values).clip(0, 255).astype(np.uint8)
    return rounded
