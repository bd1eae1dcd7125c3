"""Pictures in 256 colours, for GIF."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgcycle.media.pixels import eight_bit
from imgcycle.media.stills import Still

_CLEAR = 255


def paletted(still: Still) -> Image.Image:
    """A mode P image: 255 colours, the picture's own if it has no more, else chosen for it and diffused.

    The last entry is clear, and stands where alpha is below half.
    """
    pixels = eight_bit(still.pixels)
    indexed = _exactly(pixels)
    if indexed is None:
        rgb = Image.fromarray(np.ascontiguousarray(pixels))
        indexed = rgb.quantize(_CLEAR, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
    if still.alpha is None:
        return indexed
    values = np.asarray(indexed).copy()
    values[eight_bit(still.alpha) < 128] = _CLEAR
    palette = (indexed.getpalette() or [])[: _CLEAR * 3]
    found = Image.fromarray(values)
    found.putpalette(palette + [0] * (768 - len(palette)))
    found.info["transparency"] = _CLEAR
    return found


def _exactly(pixels: npt.NDArray[np.uint8]) -> Image.Image | None:
    """The picture in its own colours; None when they are more than 255."""
    packed = pixels.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    colours, indices = np.unique(packed, return_inverse=True)
    if len(colours) > _CLEAR:
        return None
    image = Image.fromarray(indices.reshape(packed.shape).astype(np.uint8))
    image.putpalette([int(c) >> shift & 255 for c in colours for shift in (16, 8, 0)])
    return image
