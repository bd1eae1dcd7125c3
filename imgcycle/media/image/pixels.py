"""Pixel arrays: their type, and operations that do not depend on the file format."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Floats = npt.NDArray[np.float32]

TURNS: dict[int, Any] = {
    2: lambda a: cv2.flip(a, 1),
    3: lambda a: cv2.rotate(a, cv2.ROTATE_180),
    4: lambda a: cv2.flip(a, 0),
    5: cv2.transpose,
    6: lambda a: cv2.rotate(a, cv2.ROTATE_90_CLOCKWISE),
    7: lambda a: cv2.transpose(cv2.rotate(a, cv2.ROTATE_180)),
    8: lambda a: cv2.rotate(a, cv2.ROTATE_90_COUNTERCLOCKWISE),
}
"""What undoes each EXIF orientation; 1 and unknown ones are upright."""
_FILL_SIZE = 512
_BAND = 256
"""Rows processed at a time where a wider dtype is needed: a whole image of it would take several times its memory."""


def eight_bit(pixels: Pixels) -> npt.NDArray[np.uint8]:
    """Round 16-bit values to 8 bits (257 steps each); 8-bit ones are returned unchanged."""
    if pixels.dtype == np.uint8:
        return cast(npt.NDArray[np.uint8], pixels)
    out = np.empty(pixels.shape, np.uint8)
    for top in range(0, len(pixels), _BAND):
        out[top : top + _BAND] = (pixels[top : top + _BAND].astype(np.uint32) + 128) // 257
    return out


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels or opacity upright, of an EXIF orientation in `TURNS`."""
    return cast(Pixels, TURNS[orientation](pixels))


def is_grey(pixels: Pixels) -> bool:
    """True if the three channels are equal everywhere."""
    return bool(np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(pixels[..., 1], pixels[..., 2]))


def over_white(pixels: Pixels, alpha: Pixels | None) -> Pixels:
    """Pixels composed over white, for formats without transparency."""
    if alpha is None:
        return pixels
    most = np.iinfo(pixels.dtype).max
    share = alpha[..., None].astype(np.float32) / most
    mixed = np.rint(pixels * share + most * (1 - share))
    return mixed.astype(np.uint8) if most == 255 else mixed.astype(np.uint16)


def side_by_side(left: Pixels, right: Pixels) -> Pixels:
    """Concatenate two arrays of equal height and dtype horizontally."""
    return cast(Pixels, np.hstack([left, right]))


def without_holes(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Pixels whose fully transparent areas are filled with the surrounding colours.

    The values that editors leave there (mostly black) would otherwise bleed into the edges when an image is downscaled,
    and take part in a net's normalisation statistics. Push-pull over a pyramid: holes take the mean of their nearest
    known neighbourhood.
    """
    known = alpha > 0
    if known.all() or not known.any():
        return pixels
    height, width = known.shape
    scale = min(1.0, _FILL_SIZE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    weight = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    # Premultiplied before averaging: transparent values must not count.
    colour = cv2.resize((pixels * known[..., None]).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    filled = _pushed(cast(Floats, colour), cast(Floats, weight))
    full = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
    most = np.iinfo(pixels.dtype).max
    return np.where(known[..., None], pixels, np.clip(np.rint(full), 0, most).astype(pixels.dtype))


def _pushed(colour: Floats, weight: Floats) -> Floats:
    """Premultiplied colours normalised by their weights, holes filled from the next coarser level."""
    height, width = weight.shape
    here = colour / np.maximum(weight, 1e-6)[..., None]
    if height == width == 1 or bool((weight > 1e-3).all()):
        return cast(Floats, here)
    size = (max(1, (width + 1) // 2), max(1, (height + 1) // 2))
    coarse = _pushed(
        cast(Floats, cv2.resize(colour, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], 3)),
        cast(Floats, cv2.resize(weight, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0])),
    )
    below = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width, 3)
    share = np.minimum(weight, 1)[..., None]
    return cast(Floats, here * share + below * (1 - share))
