"""Images of at most 256 colours, for GIF."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgcycle.media.image.pixels import eight_bit
from imgcycle.media.image.still import Still

MOST_COLOURS = 256
"""Entries of a palette."""
_BAND = 2**16
"""Pixels processed at a time, so that wider intermediates never exist for a whole image."""


@dataclass(frozen=True)
class Indexed:
    """Indices (H, W) into `palette` (R, G, B of each entry), and the transparent index, or None."""

    indices: npt.NDArray[np.uint8]
    palette: bytes
    clear: int | None


def paletted(still: Still) -> Image.Image:
    """Pillow image of mode P; transparent where alpha is below half."""
    found = indexed(eight_bit(still.pixels), None if still.alpha is None else eight_bit(still.alpha) >= 128)
    image = Image.fromarray(found.indices)
    image.putpalette(found.palette)
    if found.clear is not None:
        image.info["transparency"] = found.clear
    return image


def indexed(pixels: npt.NDArray[np.uint8], visible: npt.NDArray[np.bool_] | None) -> Indexed:
    """Reduce (H, W, 3) to at most 256 colours: unchanged if it has no more, else an optimised palette with dithering.

    Where not everything is `visible`, the last entry is the transparent one.
    """
    if visible is not None and bool(visible.all()):
        visible = None
    seen = pixels.reshape(-1, 3) if visible is None else pixels[visible]
    room = MOST_COLOURS if visible is None else MOST_COLOURS - 1
    colours = _few_colours(seen, room)
    if colours is not None:
        palette = np.stack([colours >> shift & 255 for shift in (16, 8, 0)], 1).astype(np.uint8).tobytes()
        values = np.empty(len(seen), np.uint8)
        for start in range(0, len(seen), _BAND):
            values[start : start + _BAND] = np.searchsorted(colours, _packed(seen[start : start + _BAND]))
    else:
        palette, values = _chosen(pixels, seen, visible, room)
    if visible is None:
        return Indexed(values.reshape(pixels.shape[:2]), palette, None)
    clear = len(palette) // 3
    indices = np.full(pixels.shape[:2], clear, np.uint8)
    indices[visible] = values
    return Indexed(indices, palette + b"\0\0\0", clear)


def has_all_colours(pixels: npt.NDArray[np.uint8]) -> bool:
    """True if (H, W, 3) has exactly as many colours as a palette has entries."""
    colours = _few_colours(pixels.reshape(-1, 3), MOST_COLOURS)
    return colours is not None and len(colours) == MOST_COLOURS


def _few_colours(values: npt.NDArray[np.uint8], most: int) -> npt.NDArray[np.uint32] | None:
    """Sorted distinct colours of (n, 3), packed as integers; None if there are more than `most`."""
    found = np.empty(0, np.uint32)
    # A photograph exceeds the limit within its first rows.
    for start in range(0, len(values), _BAND):
        found = np.union1d(found, _packed(values[start : start + _BAND]))
        if len(found) > most:
            return None
    return found


def _packed(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """Colours packed as integers, 0xRRGGBB."""
    return pixels.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)


def _chosen(
    pixels: npt.NDArray[np.uint8],
    seen: npt.NDArray[np.uint8],
    visible: npt.NDArray[np.bool_] | None,
    room: int,
) -> tuple[bytes, npt.NDArray[np.uint8]]:
    """An optimised palette for the visible colours, and the indices, with Floyd–Steinberg dithering."""
    # With dithering, an octree's colours are closer than a median cut's, rare ones above all, in a tenth of the time;
    # but in skies and other smooth pictures it finds few.
    sample, image = (Image.fromarray(np.ascontiguousarray(given)) for given in (seen[None], pixels))
    colours = sample.quantize(room, Image.Quantize.FASTOCTREE)
    found = _dithered(image, colours)
    if len(colours.getcolors() or []) < room // 2:
        cut = sample.quantize(room, Image.Quantize.MEDIANCUT)
        other = _dithered(image, cut)
        if _error(pixels, other, cut, visible) < _error(pixels, found, colours, visible):
            colours, found = cut, other
    return _palette(colours)[: room * 3], found.reshape(-1) if visible is None else found[visible]


def _dithered(image: Image.Image, colours: Image.Image) -> npt.NDArray[np.uint8]:
    return np.asarray(image.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG))


def _palette(colours: Image.Image) -> bytes:
    return bytes(colours.getpalette() or [])


def _error(
    pixels: npt.NDArray[np.uint8],
    indices: npt.NDArray[np.uint8],
    colours: Image.Image,
    visible: npt.NDArray[np.bool_] | None,
) -> float:
    """Mean distance of the visible pixels from what `indices` show, in levels."""
    table = np.frombuffer(_palette(colours).ljust(768, b"\0"), np.uint8).reshape(-1, 3)
    off, count = 0.0, 0
    for top in range(0, len(pixels), rows := max(1, _BAND // pixels.shape[1])):
        shown = table[indices[top : top + rows]].astype(np.int16)
        band = np.abs(pixels[top : top + rows] - shown)
        band = band if visible is None else band[visible[top : top + rows]]
        off, count = off + float(band.sum()), count + band.size
    return off / max(1, count)
