"""Made-up frames whose motion is known."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def texture(height: int, width: int, seed: int = 0, grain: float = 2.0) -> Floats:
    """Soft random blotches in three colours, (h, w, 3) over most of [0, 1], which repeat at the sides."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3)).astype(np.float32)
    margin = 16
    soft = cv2.GaussianBlur(np.pad(noise, ((margin, margin), (margin, margin), (0, 0)), "wrap"), (0, 0), grain)
    soft = soft[margin:-margin, margin:-margin]
    found: Floats = np.clip(0.5 + 0.2 * soft / soft.std(), 0, 1).astype(np.float32)
    return found


def moved(image: Floats, down: float, right: float) -> Floats:
    """An image that repeats at its sides, shifted by any part of a pixel."""
    spectrum = np.fft.fft2(image, axes=(0, 1))
    height, width = image.shape[:2]
    turn = np.fft.fftfreq(height)[:, None] * down + np.fft.fftfreq(width)[None] * right
    found = np.fft.ifft2(spectrum * np.exp(-2j * np.pi * turn)[..., None], axes=(0, 1)).real
    return np.clip(found, 0, 1).astype(np.float32)
