"""Read still images: bytes to pixels and metadata. Writing is in `media/image/write.py`.

Pillow decides whether bytes are an image and reads headers and most pixels; what a format needs beside it stands in its
class in `media/codecs/`.
"""

from __future__ import annotations

import contextlib
import mmap
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from imgcycle.errors import InputError, reported
from imgcycle.media.codecs.encoded import EncodedImage, decoded_by_pillow
from imgcycle.media.codecs.registry import open_encoded
from imgcycle.media.files import Data, opened
from imgcycle.media.headers import ImageHeader, Metadata
from imgcycle.media.image.still import Still
from imgcycle.media.unsupported import EXPORT, foreign_by_content

MAX_PIXELS = 300_000_000
"""Default limit on pixels: a small file can claim to be enormous."""
_EARLY = re.compile("unexpected end|end of file", re.IGNORECASE)


def read_still(data: bytes, max_pixels: int = MAX_PIXELS, max_side: int | None = None) -> Still:
    """Decode one image (of an animation, the first frame); InputError says in one line what is wrong.

    One with a longer side than `max_side` is downscaled to it.
    """
    with in_one_line(data):
        encoded = open_encoded(data, max_pixels)
        still = encoded.read(encoded.draft(max_side))
        return still.limited(max_side, encoded.upright_size(still.metadata.orientation))


def still_of(image: Image.Image) -> Still:
    """A still of a Pillow image in memory, with its ICC profile; InputError for mode F.

    The pixels are copied, and not rotated by EXIF orientation.
    """
    if image.mode == "F":
        raise InputError("floating-point pixels, which imgcycle does not read", EXPORT)
    still = decoded_by_pillow(image)
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


def open_image(data: Data, max_pixels: int = MAX_PIXELS) -> EncodedImage:
    """Open an image and check its size before any pixel is decoded; InputError in one line."""
    with in_one_line(data):
        return open_encoded(data, max_pixels)


def measure(data: Data, max_pixels: int = MAX_PIXELS, max_side: int | None = None) -> ImageHeader:
    """Properties of an image from its header, as `read_still` gives it; InputError if it has none."""
    with in_one_line(data):
        return open_encoded(data, max_pixels).header(max_side)


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


def _plain(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if _EARLY.search(text):
        return "cannot be decoded: the file ends early"
    return f"cannot be decoded: {text}" if text else f"cannot be decoded ({type(error).__name__})"
