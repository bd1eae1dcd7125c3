"""Add metadata to finished JPEG, PNG and GIF bytes, which OpenCV's encoders do not write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from imgcycle.media.files import Data
from imgcycle.media.headers import Metadata
from imgcycle.media.metadata import iptc
from imgcycle.media.metadata.gif import XMP_TRAILER
from imgcycle.media.metadata.jpeg import EXIF_HEADER, XMP_HEADER
from imgcycle.media.metadata.png import SIGNATURE

Buffer = bytes | bytearray | memoryview
_JPEG_MOST = 65533 - 2


def jpeg_with(data: Buffer, metadata: Metadata) -> bytes:
    """JPEG bytes with EXIF, XMP (APP1), an ICC profile (APP2), IPTC (APP13), comments, a resolution in its JFIF header.

    A part too large for its segment (EXIF and XMP: 64 KB) is left out; profiles are split as in ICC.1 annex B.4.
    """
    body = memoryview(data)[2:]
    jfif = b""
    if bytes(body[:2]) == b"\xff\xe0":
        length = 2 + struct.unpack_from(">H", body, 2)[0]
        jfif, body = bytes(body[:length]), body[length:]
        if metadata.dpi and length >= 18:
            jfif = jfif[:11] + struct.pack(">BHH", 1, metadata.dpi, metadata.dpi) + jfif[16:]
    parts = [b"\xff\xd8", jfif]
    if metadata.exif:
        parts.append(_segment(0xE1, EXIF_HEADER + metadata.exif))
    if metadata.xmp:
        parts.append(_segment(0xE1, XMP_HEADER + metadata.xmp))
    pieces = list(_pieces(metadata.icc, _JPEG_MOST - 14))
    if len(pieces) < 256:
        parts += [
            _segment(0xE2, b"ICC_PROFILE\0" + bytes([n, len(pieces)]) + piece) for n, piece in enumerate(pieces, 1)
        ]
    resources = iptc.as_resources(metadata.iptc) if metadata.iptc else b""
    for piece in _pieces(resources, _JPEG_MOST - len(iptc.PHOTOSHOP)):
        parts.append(_segment(0xED, iptc.PHOTOSHOP + piece))
    parts += [_segment(0xFE, comment) for comment in metadata.comments]
    # Joined once: another copy of hundreds of megabytes would be noticeable.
    return b"".join([*parts, body])


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def _segment(marker: int, payload: bytes) -> bytes:
    return b"" if len(payload) > _JPEG_MOST else struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def ends_jpeg(data: Data) -> bool:
    """True if bytes end as a complete JPEG does (padding allowed); OpenCV would fill a truncated one with grey."""
    return data[-64:].rstrip(b"\0\n\r ").endswith(b"\xff\xd9")


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    """A PNG chunk, with length and checksum."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def png_with(data: Buffer, metadata: Metadata) -> bytes:
    """PNG bytes with eXIf, iCCP, XMP (iTXt), pHYs, colour chunks, texts, IPTC and comments (as texts), directly
    after IHDR.
    """
    end = len(SIGNATURE) + 25
    # XMP first, so that a recipe is within the first kilobytes whatever the size of the profile.
    extra = [png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp)] if metadata.xmp else []
    if metadata.icc:
        extra.append(png_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc)))
    extra += [png_chunk(kind, payload) for kind, payload in metadata.chunks]
    if metadata.dpi:
        metre = round(metadata.dpi / 0.0254)
        extra.append(png_chunk(b"pHYs", struct.pack(">IIB", metre, metre, 1)))
    if metadata.exif:
        extra.append(png_chunk(b"eXIf", metadata.exif))
    extra += [png_chunk(kind, payload) for kind, payload in metadata.texts]
    extra += [png_chunk(*_comment_text(comment)) for comment in metadata.comments]
    if metadata.iptc:
        extra.append(png_chunk(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(_raw_profile(metadata.iptc))))
    whole = memoryview(data)
    return b"".join([whole[:end], *extra, whole[end:]])


def _comment_text(comment: bytes) -> tuple[bytes, bytes]:
    """A comment as a text chunk, iTXt if its characters need it."""
    comment = comment.rstrip(b"\0").replace(b"\0", b" ")
    try:
        comment.decode("utf-8")
    except UnicodeDecodeError:
        return b"tEXt", b"Comment\0" + comment
    return (b"tEXt", b"Comment\0" + comment) if comment.isascii() else (b"iTXt", b"Comment\0\0\0\0\0" + comment)


def _raw_profile(datasets: bytes) -> bytes:
    """IPTC in ImageMagick's text form: a name, a length, and Photoshop's resources in hexadecimal."""
    resources = iptc.as_resources(datasets)
    lines = [piece.hex().encode() for piece in _pieces(resources, 36)]
    return b"\n".join([b"", b"iptc", b"%8d" % len(resources), *lines, b""])


def gif_with(data: bytes, xmp: bytes, comments: tuple[bytes, ...] = ()) -> bytes:
    """GIF bytes with an XMP packet as an application extension (XMP Specification part 3, section 1.1.2) and comments.

    The packet is not split into sub-blocks; the 258 bytes after it lead any reader that expects sub-blocks to its end.
    """
    end = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    packet = b"" if not xmp or b"\0" in xmp else b"\x21\xff\x0bXMP DataXMP" + xmp + XMP_TRAILER
    said = [
        b"\x21\xfe" + b"".join(bytes([len(piece)]) + piece for piece in _pieces(comment, 255)) + b"\0"
        for comment in comments
    ]
    return b"".join([data[:end], packet, *said, data[end:]])
