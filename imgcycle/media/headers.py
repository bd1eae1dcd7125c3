"""What a picture's header says beside its pixels: how it lies, how it was coded, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from PIL import Image

from imgcycle.media import colour, containers, exif, profiles
from imgcycle.media.files import Data
from imgcycle.media.tiff_pages import layout_of

_PNG_COLOUR = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"sBIT")
_HEAD = 65536
"""Bytes among which the boxes on colour are."""
_TIFF_TEXTS = (270, 271, 272, 305, 306, 315, 33432)
"""ImageDescription, Make, Model, Software, DateTime, Artist, Copyright."""


@dataclass(frozen=True)
class Metadata:
    """What a picture says of itself: EXIF block (from its TIFF header on), ICC profile, XMP packet, dots per inch.

    `chunks` are PNG's own statements on colour. Empty bytes mean there is none.
    """

    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    dpi: int = 0
    chunks: tuple[tuple[bytes, bytes], ...] = ()


NO_METADATA = Metadata()


@dataclass(frozen=True)
class JpegCoding:
    """How a JPEG was made: quality on libjpeg's scale (1..100, nearest), subsampling as in `420`."""

    quality: int
    subsampling: str


def stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as stored; of a TIFF, Pillow tells those of the upright picture."""
    if image.format != "TIFF":
        return image.size
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    return int(tags[256]), int(tags[257])


def upright_size(image: Image.Image, orientation: int) -> tuple[int, int]:
    """Width and height once it is turned as its orientation says."""
    width, height = stored_size(image)
    return (width, height) if orientation < 5 else (height, width)


def is_progressive(image: Image.Image) -> bool:
    """Whether it is a JPEG whose coefficients a decoder has to keep until the last of them is read."""
    return image.format in ("JPEG", "MPO") and bool(image.info.get("progressive"))


def has_alpha(image: Image.Image) -> bool:
    """Whether anything in it may be transparent."""
    if image.format == "TIFF":
        return layout_of(image).alpha is not None
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def orientation_of(image: Image.Image, block: bytes) -> int:
    """How it has to be turned, 1 (not at all) to 8, going by its EXIF `block` or its own tags."""
    # The HEIF reader turns the picture itself, by the container's own property; Pillow hands AVIF's on as EXIF.
    if image.format == "HEIF":
        return 1
    if image.format == "TIFF":
        value = getattr(image, "tag_v2", {}).get(274, 1)
        return value if isinstance(value, int) and 1 <= value <= 8 else 1
    return exif.orientation(block)


def metadata_of(image: Image.Image, data: Data, grey: bool) -> Metadata:
    """All that is kept of what it says of itself; `grey` tells whether its pixels have a single channel."""
    info = image.info
    icc = info.get("icc_profile") or b""
    if image.mode == "CMYK" or (icc and not (colour.fits_rgb(icc) or (grey and colour.fits_grey(icc)))):
        icc = b""  # the pixels have left that space
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp") or b""
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    if image.format == "PNG":
        chunks = containers.png_chunks(cast(bytes, data), _PNG_COLOUR[:4])
        if icc:
            chunks = tuple(chunk for chunk in chunks if chunk[0] == b"cICP")
        stated = profiles.profile_of_chunks(dict(chunks), grey)
        icc = icc if stated is None else stated
    elif image.format in ("AVIF", "HEIF") and not icc:
        icc = profiles.profile_of_box(bytes(data[:_HEAD]), grey) or b""
    return Metadata(
        exif_block(image),
        bytes(icc),
        xmp.encode() if isinstance(xmp, str) else bytes(xmp),
        _dpi(info.get("dpi")),
        chunks,
    )


def exif_block(image: Image.Image) -> bytes:
    """The EXIF block from its TIFF header on; empty when there is none."""
    block = image.info.get("exif") or b""
    if image.format == "TIFF":
        block = _tiff_exif(image)
    elif not block and image.format == "PNG" and "Raw profile type exif" in image.info:
        block = image.getexif().tobytes()
    return bytes(block).removeprefix(b"Exif\0\0")


def _tiff_exif(image: Image.Image) -> bytes:
    found = image.getexif()
    texts = {tag: str(found[tag]) for tag in _TIFF_TEXTS if tag in found}
    directories = {tag: dict(found.get_ifd(tag)) for tag in (exif.EXIF_IFD, exif.GPS_IFD) if tag in found}
    return exif.composed(texts, cast(Any, directories)) if texts or directories else b""


def _dpi(value: object) -> int:
    try:
        first = round(float(cast(Any, value)[0]))
    except (TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError):
        return 0
    return first if 1 < first < 65536 else 0


def jpeg_coding(image: Image.Image) -> JpegCoding | None:
    """How a JPEG was made; None where its tables do not tell."""
    tables = getattr(image, "quantization", None)
    layers = getattr(image, "layer", None)
    if not tables or 0 not in tables or not layers:
        return None
    total = sum(tables[0])
    quality = min(range(1, 101), key=lambda q: (abs(_table_sum(q) - total), -q))
    subsampling = "444"
    if len(layers) >= 3:
        (h, v), (ch, cv) = layers[0][1:3], layers[1][1:3]
        ratio = (h // max(ch, 1), v // max(cv, 1))
        subsampling = {(2, 2): "420", (2, 1): "422", (1, 2): "440", (4, 1): "411"}.get(ratio, "444")
    return JpegCoding(quality, subsampling)


_LUMINANCE = (
    "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62"
    " 18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"
)
_BASE = [int(n) for n in _LUMINANCE.split()]
"""ITU T.81, table K.1: the luminance table at quality 50."""


def _table_sum(quality: int) -> int:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(255, max(1, (value * scale + 50) // 100)) for value in _BASE)
