"""Which class reads which image file: its first bytes say how it is opened, Pillow then says what it is."""

from __future__ import annotations

import importlib
import logging
import re

from PIL import Image

from imgcycle.errors import InputError
from imgcycle.media import formats
from imgcycle.media.codecs.deep import EncodedJpeg2000, EncodedPng, EncodedPnm
from imgcycle.media.codecs.encoded import EncodedImage, cut_off
from imgcycle.media.codecs.heif import EncodedAvif, EncodedHeif, is_heif
from imgcycle.media.codecs.jpeg import EncodedJpeg
from imgcycle.media.codecs.plain import EncodedBmp, EncodedGif, EncodedWebp
from imgcycle.media.codecs.tiff import EncodedTiff
from imgcycle.media.files import Data
from imgcycle.media.formats import Format
from imgcycle.media.metadata.survey import Survey, parsed, pixels_of
from imgcycle.media.unsupported import EXPORT

_CLASSES: dict[Format, type[EncodedImage]] = {
    formats.JPEG: EncodedJpeg,
    formats.PNG: EncodedPng,
    formats.WEBP: EncodedWebp,
    formats.TIFF: EncodedTiff,
    formats.AVIF: EncodedAvif,
    formats.BMP: EncodedBmp,
    formats.GIF: EncodedGif,
    formats.HEIF: EncodedHeif,
    formats.JPEG2000: EncodedJpeg2000,
    formats.PPM: EncodedPnm,
}
"""Formats that are more than what Pillow makes of them."""
# Pillow's log messages on damage are reported in one line here; without logging set up they would reach stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())
# Pillow knows only the plugins imported so far, and importing all of them takes longer.
for _format in filter(lambda f: f.plugin, formats.FORMATS):
    importlib.import_module(_format.plugin)


def open_encoded(data: Data, max_pixels: int) -> EncodedImage:
    """Open an image and check its size before any pixel is decoded.

    Only data needed for pixels and the colour profile are passed on: other metadata are read by `metadata`. What Pillow
    raises on damage goes through; `read.in_one_line` makes an InputError of it.
    """
    # Pillow's limit is global; ours is per call and stricter, so the global one only has to be large enough.
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, max_pixels)
    kind = _class_of(data)
    found = parsed(kind.survey, data)
    try:
        image = kind.open_stream(data, pixels_of(data, found or Survey([range(len(data))])))
    except Image.DecompressionBombError as error:
        # Above twice the limit Pillow raises without stating width and height.
        count = re.search(r"\((\d+) pixels\)", str(error))
        if count is None:
            raise
        raise _too_many(int(count[1]), max_pixels) from error
    width, height = image.size
    if width * height > max_pixels:
        raise _too_many(width * height, max_pixels, f"{width}×{height} is ")
    if width < 1 or height < 1:
        raise InputError("a picture without pixels")
    format_ = formats.JPEG if image.format == "MPO" else formats.by_name(str(image.format))
    encoded = _CLASSES.get(format_, EncodedImage)(format_, data, image, found)
    if (lost := encoded.missing_share()) > 0:
        raise cut_off(lost)
    if image.mode == "F":
        raise InputError("floating-point pixels, which imgcycle does not read", EXPORT)
    if found is not None and found.icc:
        image.info["icc_profile"] = found.icc
    return encoded


def survey_metadata(data: Data) -> Survey:
    """The survey of a file; if its structure cannot be parsed, a decoder gets all of it."""
    return parsed(_class_of(data).survey, data) or Survey([range(len(data))])


def without_metadata(data: Data) -> bytes:
    """The bytes that a decoder needs."""
    return pixels_of(data, survey_metadata(data)).read()


def _class_of(data: Data) -> type[EncodedImage]:
    format_ = formats.HEIF if is_heif(data) else formats.by_content(data[:16])
    return EncodedImage if format_ is None else _CLASSES.get(format_, EncodedImage)


def _too_many(count: int, most: int, size: str = "") -> InputError:
    return InputError(f"{size}{_count(count)}, more than the {_count(most)} allowed", f"--max-pixels {count} allows it")


def _count(pixels: int) -> str:
    return f"{pixels / 1e6:.0f} megapixels" if pixels >= 10**6 else f"{pixels} pixels"
