"""Image properties from the header and metadata: orientation, JPEG coding, and all kept metadata."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from PIL import Image

from imgcycle.media import formats
from imgcycle.media.codecs.tiff_reader import layout_of
from imgcycle.media.files import Data
from imgcycle.media.formats import Format
from imgcycle.media.image import colour_management, icc_profiles
from imgcycle.media.metadata import exif, gif, jpeg, png, tiff_tags, webp, xmp
from imgcycle.media.metadata.directories import unwrapped
from imgcycle.media.metadata.survey import Survey, pixels_of

_HEAD = 65536
"""Bytes at the start of a file in which the boxes on colour are."""
_SURVEYS: dict[Format | None, Callable[[Data], Survey]] = {
    formats.JPEG: jpeg.survey_jpeg,
    formats.PNG: png.survey_png,
    formats.WEBP: webp.survey_webp,
    formats.GIF: gif.survey_gif,
    formats.TIFF: tiff_tags.survey_tiff,
}
"""What parses the structure of a format; of others the decoder tells the metadata."""


@dataclass(frozen=True)
class Metadata:
    """Metadata of an image: EXIF block (from its TIFF header on), ICC profile, XMP packet, dots per inch.

    `chunks` are PNG's colour chunks, `texts` its text chunks, `iptc` the datasets of IPTC, `comments` those of JPEG and
    GIF. Empty bytes mean there is none. `orientation` is EXIF's, 1 (upright) to 8. `notes` has one line for each part
    that could not be kept. `rescaled` is True where there are fewer pixels than those that the XMP packet tells of.
    """

    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    dpi: int = 0
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    iptc: bytes = b""
    texts: tuple[tuple[bytes, bytes], ...] = ()
    comments: tuple[bytes, ...] = ()
    orientation: int = 1
    notes: tuple[str, ...] = ()
    rescaled: bool = False


NO_METADATA = Metadata()


@dataclass(frozen=True)
class JpegCoding:
    """Coding of a JPEG: quality on libjpeg's scale (1..100, nearest), subsampling as in `420`."""

    quality: int
    subsampling: str


def stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height as stored; for a TIFF, Pillow states those of the upright image."""
    if image.format != "TIFF":
        return image.size
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    return int(tags[256]), int(tags[257])


def upright_size(image: Image.Image, orientation: int) -> tuple[int, int]:
    """Width and height after rotation by the EXIF orientation."""
    width, height = stored_size(image)
    return (width, height) if orientation < 5 else (height, width)


def is_progressive(image: Image.Image) -> bool:
    """True for a progressive JPEG, whose decoder has to keep all coefficients until the end."""
    return image.format in ("JPEG", "MPO") and bool(image.info.get("progressive"))


def raw_missing(image: Image.Image, size: int) -> float:
    """Share of an uncompressed BMP or PNM, 0 to 1, beyond the end of a file of `size` bytes.

    Computed from the header alone, so that no memory is allocated for pixels that are not there.
    """
    tiles: list[Any] = getattr(image, "tile", [])
    if image.format not in ("BMP", "DIB", "PPM") or len(tiles) != 1 or tiles[0][0] != "raw":
        return 0.0
    width, height = image.size
    how = tiles[0][3]
    bits = {"1": 1, "I": 16}.get(image.mode, 8 * len(image.getbands()))
    row = -(-width * bits // 8)
    line = how[1] if isinstance(how, tuple) and how[1] else row
    # The last row may lack its padding.
    needed = line * (height - 1) + min(line, row)
    return max(0, needed - max(0, size - int(tiles[0][2]))) / max(1, needed)


def has_alpha(image: Image.Image) -> bool:
    """True if the image may have transparency."""
    if image.format == "TIFF":
        return layout_of(image).alpha is not None
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def metadata_of(image: Image.Image, data: Data, grey: bool) -> Metadata:
    """All metadata that are kept; `grey` is True if the pixels have a single channel."""
    found = _said(image, data)
    icc = found.icc
    fits = colour_management.fits_rgb(icc) or (grey and colour_management.fits_grey(icc)) if icc else True
    if image.mode == "CMYK" or not fits:
        icc = b""  # the pixels were converted from that space
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    if image.format == "PNG":
        chunks = tuple(found.colour)
        if icc:
            chunks = tuple(chunk for chunk in chunks if chunk[0] == b"cICP")
        stated = icc_profiles.profile_of_chunks(dict(chunks), grey)
        icc = icc if stated is None else stated
    elif image.format in ("AVIF", "HEIF") and not icc:
        icc = icc_profiles.profile_of_box(bytes(data[:_HEAD]), grey) or b""
    return Metadata(
        exif=found.exif,
        icc=icc,
        xmp=found.xmp,
        dpi=_density(image, found),
        chunks=chunks,
        iptc=found.iptc,
        texts=tuple(found.texts),
        comments=tuple(found.comments),
        orientation=_orientation(image, found),
        notes=tuple(found.notes),
    )


def _said(image: Image.Image, data: Data) -> Survey:
    if formats.by_content(data[:16]) not in _SURVEYS:
        return _told(image)
    return survey_metadata(data, getattr(getattr(image, "tag_v2", None), "_offset", 0))


def survey_metadata(data: Data, page: int = 0) -> Survey:
    """The survey of a file; if its structure cannot be parsed, a decoder gets all of it.

    The metadata of a TIFF are those of the directory at the offset `page`, by default the first.
    """
    whole = Survey([range(len(data))])
    survey = _SURVEYS.get(formats.by_content(data[:16]))
    if survey is None:
        return whole
    try:
        return tiff_tags.survey_tiff(data, page) if page else survey(data)
    except Exception:  # whatever is wrong with metadata never costs an image
        whole.say("metadata that cannot be read were left out")
    return whole


def without_metadata(data: Data) -> bytes:
    """The bytes that a decoder needs."""
    return pixels_of(data, survey_metadata(data)).read()


def _told(image: Image.Image) -> Survey:
    """Metadata as reported by the decoder, for AVIF, HEIC and rare formats."""
    said: dict[Any, Any] = image.info
    packet = said.get("xmp") or b""
    return Survey(
        exif=unwrapped(bytes(said.get("exif") or b"")),
        icc=bytes(said.get("icc_profile") or b""),
        xmp=packet.encode() if isinstance(packet, str) else bytes(packet),
    )


def _orientation(image: Image.Image, found: Survey) -> int:
    """Orientation as in other readers: EXIF (for TIFF its own tag) decides, XMP if there is no such entry."""
    # The HEIF reader rotates the image itself, by the container's own property; Pillow passes AVIF's on as EXIF.
    if image.format == "HEIF":
        return 1
    stated = found.orientation if image.format == "TIFF" else exif.exif_orientation(found.exif)
    return stated or xmp.xmp_orientation(found.xmp) or 1


def _density(image: Image.Image, found: Survey) -> int:
    if image.format in ("JPEG", "MPO") and "dpi" not in image.info and found.exif:
        return exif.density(found.exif)
    return _dpi(image.info.get("dpi"))


def _dpi(value: object) -> int:
    try:
        first = round(float(cast(Any, value)[0]))
    except (TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError):
        return 0
    return first if 1 < first < 65536 else 0


def jpeg_coding(image: Image.Image) -> JpegCoding | None:
    """Quality and subsampling of a JPEG; None if its tables do not tell."""
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


@cache
def _table_sum(quality: int) -> int:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(255, max(1, (value * scale + 50) // 100)) for value in _BASE)
