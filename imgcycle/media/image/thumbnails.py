"""Thumbnails: images decoded at a reduced size, with little memory where the format allows it."""

from __future__ import annotations

import io
import math
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from imgcycle.media import containers
from imgcycle.media.codecs.jpeg import EncodedJpeg
from imgcycle.media.codecs.raw import read_raw
from imgcycle.media.image import colour_management, row_reader
from imgcycle.media.image.pixels import Pixels, eight_bit, over_white
from imgcycle.media.image.read import MAX_PIXELS, in_one_line, mapped, open_image, read_still
from imgcycle.media.image.still import Still, oriented
from imgcycle.media.paths import kind_of

Levels = npt.NDArray[np.uint8]
_BAND = 256
"""Rows averaged at a time, about."""
_HELD = 16_000_000
"""Pixels above which an image is read row by row, where pyvips is available and can read it."""


def read_thumbnail(
    path: Path,
    longest: int,
    parts: int = 1,
    max_pixels: int = MAX_PIXELS,
    raw: Literal["none", "preview", "develop"] = "none",
) -> Levels:
    """First frame of an image, upright, in sRGB, on white: uint8 (h, w, 3) with no side above `longest`.

    Never enlarged. If it is `parts` images side by side, only the last is taken. A JPEG is decoded at the nearest
    smaller scale of its blocks; large images of other formats are read row by row with pyvips, or decoded whole without
    it. InputError says in one line what is wrong.
    """
    with mapped(path) as data, in_one_line(data):
        if kind_of(path) == "raw" and raw != "none":
            return _seen(_averaged(read_raw(bytes(data), raw, max_pixels), longest, parts))
        return _seen(_read(path, data, longest, parts, max_pixels))


def fitting(width: int, height: int, longest: int) -> tuple[int, int]:
    """Width and height scaled down, never up, until neither is above `longest`; at least one pixel each."""
    scale = min(1.0, longest / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _read(path: Path, data: mmap.mmap, longest: int, parts: int, max_pixels: int) -> Still:
    encoded = open_image(data, max_pixels)
    if isinstance(encoded, EncodedJpeg) and containers.ends_jpeg(data):
        return _coarse_jpeg(encoded, longest, parts)
    if math.prod(encoded.size) > _HELD and row_reader.is_available():
        reader = row_reader.open_rows(path, max_pixels, path.parent)
        if reader is not None:
            with reader:
                size = _wanted(reader.width, reader.height, longest, parts)
                small = _in_bands(reader.width, reader.height, size, parts, reader.rows)
                return Still(small, grey=reader.outline.grey, metadata=reader.outline.metadata)
    return _averaged(read_still(bytes(data), max_pixels), longest, parts)


def _coarse_jpeg(encoded: EncodedJpeg, longest: int, parts: int) -> Still:
    """Decode a JPEG at a half, a quarter or an eighth, never below the size wanted."""
    image = encoded.image
    metadata = encoded.metadata(image.mode == "L")
    turn = metadata.orientation
    width, height = encoded.upright_size(turn)
    size = _wanted(width, height, longest, parts)
    least = (size[0] * parts, size[1])
    # In stored orientation, before rotation.
    image.draft(cast(Any, None), least if turn < 5 else least[::-1])
    grey = image.mode == "L"
    small = colour_management.cmyk_to_srgb(image) if image.mode == "CMYK" else image.convert("RGB")
    upright = oriented(Still(np.asarray(small), grey=grey, metadata=metadata), turn)
    # The decoder rounds its size, and two images of one size must give thumbnails of one size.
    return _averaged(upright, longest, parts, size)


def _wanted(width: int, height: int, longest: int, parts: int) -> tuple[int, int]:
    return fitting(width - _first(width, parts), height, longest)


def _first(width: int, parts: int) -> int:
    """First column of the last part."""
    return math.ceil(width * (parts - 1) / parts)


def _averaged(still: Still, longest: int, parts: int, size: tuple[int, int] | None = None) -> Still:
    def rows(top: int, bottom: int) -> Pixels:
        alpha = still.alpha
        return over_white(still.pixels[top:bottom], None if alpha is None else alpha[top:bottom])

    small = _in_bands(*still.size, size or _wanted(*still.size, longest, parts), parts, rows)
    return Still(small, grey=still.grey, metadata=still.metadata)


def _in_bands(width: int, height: int, size: tuple[int, int], parts: int, rows: Callable[[int, int], Pixels]) -> Levels:
    """Area averages: whole pixels band by band first, then the remaining scale."""
    first = _first(width, parts)
    factor = max(1, min((width - first) // size[0], height // size[1]))
    lines = factor * max(1, _BAND // factor)
    bands = []
    for top in range(0, height, lines):
        band = np.ascontiguousarray(eight_bit(rows(top, min(top + lines, height)))[:, first:])
        bands.append(np.asarray(Image.fromarray(band).reduce(factor)) if factor > 1 else band)
    whole = np.concatenate(bands)
    return cast(Levels, cv2.resize(whole, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], 3))


def _seen(still: Still) -> Levels:
    """Pixels in sRGB."""
    return cast(Levels, colour_management.in_srgb(still.pixels, still.metadata.icc))


def webp_bytes(pixels: Levels) -> bytes:
    """A thumbnail as lossy WebP, for an HTML page; at least a fifth smaller than a JPEG of similar quality."""
    out = io.BytesIO()
    # Method 2 takes two fifths of the time of Pillow's default, 4, for three per cent more bytes.
    Image.fromarray(pixels).save(out, "WEBP", quality=82, method=2)
    return out.getvalue()
