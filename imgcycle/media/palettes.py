"""Pictures in 256 colours, for GIF."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgcycle.media.pixels import eight_bit
from imgcycle.media.stills import Still

MOST_COLOURS = 256
"""Entries of a palette."""


@dataclass(frozen=True)
class Indexed:
    """(H, W) indices into `palette` (R, G, B of each entry), and the index that stands for nothing, None for none."""

    indices: npt.NDArray[np.uint8]
    palette: bytes
    clear: int | None


def paletted(still: Still) -> Image.Image:
    """A mode P image of `indexed` pixels; clear where alpha is below half."""
    found = indexed(eight_bit(still.pixels), None if still.alpha is None else eight_bit(still.alpha) >= 128)
    image = Image.fromarray(found.indices)
    image.putpalette(found.palette)
    if found.clear is not None:
        image.info["transparency"] = found.clear
    return image


def indexed(pixels: npt.NDArray[np.uint8], visible: npt.NDArray[np.bool_] | None) -> Indexed:
    """(H, W, 3) in at most 256 colours: its own if it has no more, else chosen for it and diffused.

    Where not all is `visible` one entry, the last, stands for what is not, and the rest for what is.
    """
    if visible is not None and bool(visible.all()):
        visible = None
    seen = pixels.reshape(-1, 3) if visible is None else pixels[visible]
    room = MOST_COLOURS if visible is None else MOST_COLOURS - 1
    colours, places = np.unique(_packed(seen), return_inverse=True)
    if len(colours) <= room:
        palette = np.stack([colours >> shift & 255 for shift in (16, 8, 0)], 1).astype(np.uint8).tobytes()
        values = places.reshape(-1).astype(np.uint8)
    else:
        palette, values = _chosen(pixels, seen, visible, room)
    if visible is None:
        return Indexed(values.reshape(pixels.shape[:2]), palette, None)
    clear = len(palette) // 3
    indices = np.full(pixels.shape[:2], clear, np.uint8)
    indices[visible] = values
    return Indexed(indices, palette + b"\0\0\0", clear)


def count_colours(pixels: npt.NDArray[np.uint8]) -> int:
    """How many colours (H, W, 3) has."""
    return len(np.unique(_packed(pixels.reshape(-1, 3))))


def _packed(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """Colours as one number each."""
    return pixels.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)


def _chosen(
    pixels: npt.NDArray[np.uint8],
    seen: npt.NDArray[np.uint8],
    visible: npt.NDArray[np.bool_] | None,
    room: int,
) -> tuple[bytes, npt.NDArray[np.uint8]]:
    """A palette for the colours that are seen, and their indices, errors diffused (Floyd and Steinberg)."""
    # Diffused, an octree's colours come nearer than a median cut's, rare ones above all, in a tenth of the time.
    colours = Image.fromarray(np.ascontiguousarray(seen[None])).quantize(room, Image.Quantize.FASTOCTREE)
    palette = bytes((colours.getpalette() or [])[: room * 3])
    image = Image.fromarray(np.ascontiguousarray(pixels))
    found = np.asarray(image.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG))
    return palette, found.reshape(-1) if visible is None else found[visible]
