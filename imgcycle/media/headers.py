"""What is known of an image without its pixels: its header, its metadata, the coding of a JPEG."""

from __future__ import annotations

from dataclasses import dataclass


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
