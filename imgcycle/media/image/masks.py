"""Masks: where a picture is painted, to what share, while everywhere else its pixels stay as they are, bit for bit."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from imgcycle.errors import InputError
from imgcycle.media import formats
from imgcycle.media.animation.frames import Animation, read_picture
from imgcycle.media.files import read_file
from imgcycle.media.image.pixels import Pixels
from imgcycle.media.image.still import Still
from imgcycle.media.inputs import ALPHA

_BAND = 256
ROWS_BYTES = 40 * _BAND
"""Bytes for each pixel of a line while a mask is laid, or read."""
_NEAR = 8
"""Most levels of 255 that a lossy file is off beside an edge, at usual qualities."""
_CLOSE = 0.02
"""Largest difference between the aspect ratios of a mask and its image."""
_GREY = np.array([299, 587, 114], np.int64)
"""Thousandths of red, green and blue in a grey (ITU-R BT.601), which leave a grey itself as it is."""


@dataclass(frozen=True, eq=False)
class Mask:
    """Levels (height, width) from 0, where the input stays, to `most`, where the result stands."""

    levels: np.ndarray[Any, Any]
    most: int

    def lay(self, own: Pixels, result: Pixels, top: int = 0) -> None:
        """Blend rows of a result towards those of its input, in place; both begin at row `top`.

        Levels of 0 and `most` give the input's and the result's values exactly: all sums are of whole numbers.
        """
        for first in range(0, len(result), _BAND):
            rows = slice(first, first + _BAND)
            share = self.levels[top + first : top + first + len(result[rows]), :, None] / np.float32(self.most)
            before = own[rows].astype(np.float32)
            np.rint(before + (result[rows] - before) * share, out=before)
            result[rows] = before


def mask_for(still: Still, name: str) -> Mask:
    """The mask of a still: its own opacity, or a file's levels at the still's size.

    InputError when the file is no picture, moves, or has another shape than the still.
    """
    if name != ALPHA:
        return mask_of_file(name, *still.pixels.shape[:2])
    return mask_of_frame(still.pixels, still.alpha)


def mask_of_frame(pixels: Pixels, alpha: Pixels | None) -> Mask:
    """A picture's opacity as its mask; without transparency all of it is painted."""
    height, width = pixels.shape[:2]
    if alpha is None:
        return Mask(np.ones((height, width), np.uint8), 1)
    return Mask(alpha.reshape(height, width), int(np.iinfo(alpha.dtype).max))


def mask_of_file(name: str, height: int, width: int) -> Mask:
    """The mask in a file, for a picture of this size; those asked for last are remembered."""
    try:
        changed = os.stat(name).st_mtime_ns  # noqa: PTH116 - the name is a key, and stays as it was given
        return _loaded(name, changed, height, width)
    except (OSError, InputError) as error:
        why = error.strerror if isinstance(error, OSError) else error.message
        raise InputError(f"its mask {name} cannot be used: {why or error}") from error


@functools.lru_cache(2)
def _loaded(name: str, _: int, height: int, width: int) -> Mask:
    found = read_picture(read_file(Path(name)))
    if isinstance(found, Animation):
        raise InputError("it is animated")
    return sized(levels_of(found.pixels, found.alpha, lossy=is_lossy(name)), height, width)


def is_lossy(name: Path | str) -> bool:
    """True for pictures of a format that does not keep each value."""
    known = formats.by_suffix(name)
    return known is not None and not known.lossless


def levels_of(pixels: Pixels, alpha: Pixels | None, *, lossy: bool = False) -> np.ndarray[Any, Any]:
    """A mask's levels (h, w): its opacity where it has any (a subject cut out), else its grey.

    Of a `lossy` file those near black and white are taken for that: beside edges it does not hold them exactly, and
    what is meant to stay would be painted faintly.
    """
    levels = _levels(pixels, alpha)
    if not lossy:
        return levels
    most = int(np.iinfo(levels.dtype).max)
    near = most * _NEAR // 255
    stretched = (np.arange(most + 1) - near) * (most / (most - 2 * near))
    return cast(np.ndarray[Any, Any], np.rint(stretched.clip(0, most)).astype(levels.dtype)[levels])


def _levels(pixels: Pixels, alpha: Pixels | None) -> np.ndarray[Any, Any]:
    if alpha is not None and int(alpha.min()) < np.iinfo(alpha.dtype).max:
        return alpha.reshape(pixels.shape[:2])
    grey = np.empty(pixels.shape[:2], pixels.dtype)
    for top in range(0, len(grey), _BAND):
        grey[top : top + _BAND] = (pixels[top : top + _BAND].astype(np.int64) @ _GREY + 500) // 1000
    return grey


def sized(levels: np.ndarray[Any, Any], height: int, width: int) -> Mask:
    """Levels as the mask of a picture of this size; InputError where the shapes differ."""
    import cv2

    most = int(np.iinfo(levels.dtype).max)
    tall, wide = levels.shape
    if (tall, wide) == (height, width):
        return Mask(levels, most)
    if abs(wide * height / (tall * width) - 1) > _CLOSE:
        raise InputError(f"it is {wide} × {tall}, and the picture {width} × {height}")
    how = cv2.INTER_AREA if tall > height else cv2.INTER_LINEAR
    return Mask(cv2.resize(levels, (width, height), interpolation=how), most)
