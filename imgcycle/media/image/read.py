"""Read still images: bytes to pixels and metadata. Writing is in `media/image/write.py`.

Pillow decides whether bytes are an image and reads headers and most pixels; OpenCV decodes where it is faster (JPEG) or
deeper (16-bit PNG and JPEG 2000, which Pillow silently makes 8-bit).
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, UnidentifiedImageError

from imgcycle.errors import InputError, reported
from imgcycle.media import containers, formats
from imgcycle.media.codecs import heif, jpeg, mpo, samples, tiff_reader
from imgcycle.media.codecs.tiff_reader import open_tiff
from imgcycle.media.files import Data, opened
from imgcycle.media.formats import Format
from imgcycle.media.headers import (
    NO_METADATA,
    JpegCoding,
    Metadata,
    has_alpha,
    is_progressive,
    jpeg_coding,
    metadata_of,
    raw_missing,
    survey_metadata,
    upright_size,
    without_metadata,
)
from imgcycle.media.image import colour_management
from imgcycle.media.image.deep import bits_lost, holds_deep, read_deep
from imgcycle.media.image.pixels import TURNS, Pixels, turned
from imgcycle.media.image.reduction import draft_of, limited_shape, reduced_planes
from imgcycle.media.metadata.carried import rescaled_metadata
from imgcycle.media.metadata.survey import pixels_of
from imgcycle.media.unsupported import EXPORT, foreign_by_content

MAX_PIXELS = 300_000_000
"""Default limit on pixels: a small file can claim to be enormous."""

# Pillow's log messages on damage are reported in one line here; without logging set up they would reach stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())
_MOVING = tuple(f.name for f in formats.FORMATS if f.animated)
_EARLY = re.compile("unexpected end|end of file", re.IGNORECASE)
_BAND = 256
_DEEP_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_READ = (*(f.name for f in formats.FORMATS if f not in (formats.HEIF, formats.MPO)), "DIB")
# Pillow knows only the plugins imported so far, and importing all of them takes longer.
for _format in filter(lambda f: f.plugin, formats.FORMATS):
    importlib.import_module(_format.plugin)


@dataclass(frozen=True)
class ImageHeader:
    """Properties known from the header.

    Upright width and height, number of frames, 16 bits a channel, transparency, whether the pixels have to be rotated,
    progressive JPEG, format name, and bytes a pixel of a TIFF whose samples take more than usual. `pixels` are those in
    the file, which are more than width × height if a longest side was asked for, `draft` the divisor of both sides at
    which they are decoded.
    """

    width: int
    height: int
    frames: int = 1
    deep: bool = False
    alpha: bool = False
    turned: bool = False
    progressive: bool = False
    format: str = ""
    stored: int = 0
    pixels: int = 0
    draft: int = 1


@dataclass(frozen=True, eq=False)
class Still:
    """A decoded image, upright.

    pixels (H, W, 3) RGB, uint8 or uint16, full range, in the space of `metadata.icc` (sRGB if empty); alpha (H, W) of
    the same dtype, or None; `grey` is True if the source had a single channel; `notes` has one line for each thing in
    the file that was not read.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    grey: bool = False
    format: Format = formats.PNG
    metadata: Metadata = NO_METADATA
    coding: JpegCoding | None = None
    lossless: bool = True
    notes: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def with_pixels(self, pixels: Pixels) -> Still:
        """A copy with other pixels of the same shape and dtype."""
        return replace(self, pixels=pixels)

    def limited(self, max_side: int | None, size: tuple[int, int] | None = None) -> Still:
        """The still downscaled to no more than `max_side` pixels a side, with its metadata; `size` (width, height) is
        the file's where the pixels are decoded from it at a part of that.
        """
        width, height = size or self.size
        shape = limited_shape(height, width, max_side)
        if shape == (height, width):
            return self
        pixels, alpha = reduced_planes(self.pixels, self.alpha, shape)
        metadata = rescaled_metadata(self.metadata, Fraction(max(shape), max(height, width)))
        return replace(self, pixels=pixels, alpha=alpha, metadata=metadata)


def read_still(data: bytes, max_pixels: int = MAX_PIXELS, max_side: int | None = None) -> Still:
    """Decode one image (of an animation, the first frame); InputError says in one line what is wrong.

    One with a longer side than `max_side` is downscaled to it.
    """
    with in_one_line(data):
        image = open_image(data, max_pixels)
        still = _decoded(image, data, draft_of(image, max_side))
        return still.limited(max_side, upright_size(image, still.metadata.orientation))


def still_of(image: Image.Image) -> Still:
    """A still of a Pillow image in memory, with its ICC profile; InputError for mode F.

    The pixels are copied, and not rotated by EXIF orientation.
    """
    if image.mode == "F":
        raise InputError("floating-point pixels, which imgcycle does not read", EXPORT)
    still = _by_pillow(image)
    icc = image.info.get("icc_profile") or b""
    # CMYK and LAB were converted to sRGB.
    return still if image.mode in ("CMYK", "LAB") else replace(still, metadata=Metadata(icc=icc))


def measure_file(path: Path, max_pixels: int = MAX_PIXELS, max_side: int | None = None) -> ImageHeader:
    """Header properties of a file, like `measure`; InputError also if it cannot be opened."""
    with mapped(path) as data:
        return measure(data, max_pixels, max_side)


@contextlib.contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """Memory-map a file; InputError if it cannot be opened or is empty."""
    with reported(InputError), opened(path) as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:  # mmap raises it for an empty file
            raise InputError("an empty file") from error
        with data:
            yield data


def open_image(data: Data, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open an image with Pillow and check its size before any pixel is decoded; InputError in one line.

    Only data needed for pixels and the colour profile are passed on: other metadata are read by `metadata_of`.
    """
    with in_one_line(data):
        return _seen(data, max_pixels)


def _seen(data: Data, max_pixels: int) -> Image.Image:
    # Pillow's limit is global; ours is per call and stricter, so the global one only has to be large enough.
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, max_pixels)
    found = survey_metadata(data)
    file = pixels_of(data, found)
    is_tiff = formats.by_content(data[:16]) is formats.TIFF
    image = open_tiff(file) if is_tiff else _opened(data, file, max_pixels)
    width, height = image.size
    if width * height > max_pixels:
        raise _too_many(width * height, max_pixels, f"{width}×{height} is ")
    if width < 1 or height < 1:
        raise InputError("a picture without pixels")
    if (lost := raw_missing(image, len(data))) > 0:
        raise jpeg.cut_off(lost)
    if image.mode == "F":
        raise InputError("floating-point pixels, which imgcycle does not read", EXPORT)
    if found.icc:
        image.info["icc_profile"] = found.icc
    return image


def _opened(data: Data, file: IO[bytes], max_pixels: int) -> Image.Image:
    names: tuple[str, ...] = _READ
    if heif.is_heif(data):
        heif.check_heif(data)
        heif.open_heif_plugin()
        names = ("HEIF", "AVIF")
    try:
        return Image.open(file, formats=names)
    except Image.DecompressionBombError as error:
        # Above twice the limit Pillow raises without stating width and height.
        count = re.search(r"\((\d+) pixels\)", str(error))
        if count is None:
            raise
        raise _too_many(int(count[1]), max_pixels) from error


def _too_many(count: int, most: int, size: str = "") -> InputError:
    return InputError(f"{size}{_count(count)}, more than the {_count(most)} allowed", f"--max-pixels {count} allows it")


def _count(pixels: int) -> str:
    return f"{pixels / 1e6:.0f} megapixels" if pixels >= 10**6 else f"{pixels} pixels"


def measure(data: Data, max_pixels: int = MAX_PIXELS, max_side: int | None = None) -> ImageHeader:
    """Properties of an image from its header, as `read_still` gives it; InputError if it has none."""
    with in_one_line(data):
        image = open_image(data, max_pixels)
        name = str(image.format)
        frames = int(getattr(image, "n_frames", 1)) if name in _MOVING else 1
        turn = metadata_of(image, data, False).orientation
        width, height = upright_size(image, turn)
        about = (is_deep(image, data), has_alpha(image), turn in TURNS, is_progressive(image), name)
        read = (samples.stored_bytes(image), width * height, draft_of(image, max_side))
        height, width = limited_shape(height, width, max_side)
        return ImageHeader(width, height, frames, *about, *read)


@contextlib.contextmanager
def in_one_line(data: Data) -> Iterator[None]:
    """Turn whatever a decoder raises on untrusted bytes into an InputError.

    Beside OSError and ValueError, damaged files have made Pillow's plugins raise IndexError, RuntimeError, KeyError,
    struct.error and NotImplementedError.
    """
    if not data:
        raise InputError("an empty file")
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError("too large for the memory") from error
    except UnidentifiedImageError as error:
        kind = foreign_by_content(data)
        if kind is None:
            raise InputError("not an image that imgcycle can read") from error
        raise InputError(f"not read by imgcycle: {kind}", kind.hint) from error
    except Exception as error:
        raise InputError(_plain(error)) from error


def _decoded(image: Image.Image, data: bytes, draft: int = 1) -> Still:
    format_ = formats.JPEG if image.format == "MPO" else formats.by_name(str(image.format))
    coding = jpeg_coding(image) if format_ is formats.JPEG else None
    pixels = data
    if format_ is formats.JPEG and (whole := closed_jpeg(data)) is not None:
        jpeg.check_whole(whole, image.width, _jpeg_bands)
        said, pixels = image.info, whole
        image = open_image(whole, image.width * image.height)
        image.info |= said
    if format_ is formats.JPEG and image.mode in ("RGB", "L") and containers.ends_jpeg(pixels):
        fast = jpeg.decoded_quickly(pixels, (image.height, image.width), draft)
        still = None if fast is None else Still(fast, grey=image.mode == "L")
    elif holds_deep(image, data):
        still = _deep(image, data)
    elif format_ is formats.TIFF:
        still = _tiff(image, data)
    else:
        still = None
    if still is None:
        still = _by_pillow(image)
    # A GIF's colours were reduced before it was written; what it holds is lossless.
    lossless = format_.lossless or format_ is formats.GIF or (format_ is formats.WEBP and _is_lossless_webp(data))
    metadata = metadata_of(image, data, still.grey)
    turned = oriented(still, metadata.orientation)
    notes = notes_of(image, data)
    return replace(turned, format=format_, coding=coding, lossless=lossless, metadata=metadata, notes=notes)


def notes_of(image: Image.Image, data: Data) -> tuple[str, ...]:
    """One line for each thing in the file that the still does not hold."""
    if image.format == "TIFF":
        return tiff_reader.tiff_notes(image)
    if image.format in ("JPEG", "MPO"):
        return mpo.notes_in(data)
    bits = heif.bits_of(data) if image.format in ("HEIF", "AVIF") else bits_lost(image, data)
    said = [f"{bits} bits a channel became 8"] if bits > 8 else []
    count = int(getattr(image, "n_frames", 1)) if image.format == "HEIF" else 1
    return (*said, f"{count} pictures, of which one was taken") if count > 1 else tuple(said)


def is_deep(image: Image.Image, data: Data) -> bool:
    """True if an image is read as 16 bits a channel."""
    return holds_deep(image, data) or (image.format == "TIFF" and tiff_reader.layout_of(image).deep)


def _tiff(image: Image.Image, data: bytes) -> Still:
    lost = samples.missing_share(image, len(data))
    try:
        return Still(*samples.read_samples(image, data)) if tiff_reader.read_by_samples(image) else _by_pillow(image)
    except Exception as error:
        if lost == 0:
            raise
        raise jpeg.cut_off(lost) from error


def closed_jpeg(data: Data) -> bytes | None:
    """A JPEG with its missing end marker added and other metadata removed; None if it has an end marker."""
    if jpeg.closed(data) is None:
        return None
    # Metadata may have misled the search for the end of the data.
    bare = without_metadata(data)
    return jpeg.closed(bare) or bare


def _jpeg_bands(data: bytes) -> Iterator[Pixels]:
    image = Image.open(io.BytesIO(data), formats=("JPEG", "MPO"))
    image.load()
    for top in range(0, image.height, _BAND):
        yield np.asarray(image.crop((0, top, image.width, min(top + _BAND, image.height))))


def _deep(image: Image.Image, data: bytes) -> Still:
    try:
        return Still(*read_deep(image, data))
    except Exception:  # metadata may have been too much for a library: try once more without
        bare = without_metadata(data)
        if bare == data:
            raise
        return Still(*read_deep(image, bare))


def _by_pillow(image: Image.Image) -> Still:
    image.load()
    mode = image.mode
    if mode in _DEEP_MODES:
        values = np.asarray(image)
        wide = np.clip(values, 0, 65535).astype(np.uint16)
        return Still(np.repeat(wide[..., None], 3, 2), grey=True)
    if mode == "CMYK":
        return Still(np.asarray(colour_management.cmyk_to_srgb(image)))
    if mode == "LAB":
        image, mode = colour_management.lab_to_srgb(image), "RGB"
    if mode == "La":
        image = image.convert("LA")  # the only conversion that Pillow has from there
    grey = mode in ("1", "L", "LA", "La")
    clear = has_alpha(image)
    both = "RGBA" if clear else "RGB"
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    alpha = np.empty(pixels.shape[:2], np.uint8) if clear else None
    # In bands: then Pillow's four bytes a pixel and the array are never both needed for the whole image.
    for top in range(0, image.height, _BAND):
        bottom = min(top + _BAND, image.height)
        band = np.asarray(image.crop((0, top, image.width, bottom)).convert(both))
        pixels[top:bottom] = band[..., :3]
        if alpha is not None:
            alpha[top:bottom] = band[..., 3]
    return Still(pixels, alpha, grey)


def oriented(still: Still, orientation: int) -> Still:
    """The still rotated and mirrored as its EXIF orientation (1 to 8) says."""
    if orientation not in TURNS:
        return still
    alpha = None if still.alpha is None else turned(still.alpha, orientation)
    return replace(still, pixels=turned(still.pixels, orientation), alpha=alpha)


def _is_lossless_webp(data: bytes) -> bool:
    lossless, lossy = data.find(b"VP8L", 12), data.find(b"VP8 ", 12)
    return lossless >= 0 and (lossy < 0 or lossless < lossy)


def _plain(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if _EARLY.search(text):
        return "cannot be decoded: the file ends early"
    return f"cannot be decoded: {text}" if text else f"cannot be decoded ({type(error).__name__})"
