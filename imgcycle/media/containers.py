"""Metadata put into finished JPEG and PNG bytes, and what ends them: the parts OpenCV's encoders leave out."""

from __future__ import annotations

import struct
import zlib

Buffer = bytes | bytearray | memoryview
_JPEG_MOST = 65533 - 2
XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def jpeg_with(data: Buffer, exif: bytes = b"", icc: bytes = b"", xmp: bytes = b"", dpi: int = 0) -> bytes:
    """JPEG bytes with EXIF, XMP (APP1), an ICC profile (APP2) and a density in its JFIF header.

    A part too large for its segment (EXIF and XMP: 64 KB) is left out; profiles are split as ICC.1 annex B.4 says.
    """
    body = memoryview(data)[2:]
    jfif = b""
    if bytes(body[:2]) == b"\xff\xe0":
        length = 2 + struct.unpack_from(">H", body, 2)[0]
        jfif, body = bytes(body[:length]), body[length:]
        if dpi and length >= 18:
            jfif = jfif[:11] + struct.pack(">BHH", 1, dpi, dpi) + jfif[16:]
    parts = [b"\xff\xd8", jfif]
    if exif:
        parts.append(_segment(0xE1, b"Exif\0\0" + exif))
    if xmp:
        parts.append(_segment(0xE1, XMP_HEADER + xmp))
    if icc:
        size = _JPEG_MOST - 14
        pieces = [icc[i : i + size] for i in range(0, len(icc), size)]
        if len(pieces) < 256:
            parts += [
                _segment(0xE2, b"ICC_PROFILE\0" + bytes([n, len(pieces)]) + piece) for n, piece in enumerate(pieces, 1)
            ]
    # Joined once: a copy more of a file of hundreds of megabytes would be felt.
    return b"".join([*parts, body])


def _segment(marker: int, payload: bytes) -> bytes:
    return b"" if len(payload) > _JPEG_MOST else struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def ends_jpeg(data: bytes) -> bool:
    """Whether bytes end as a whole JPEG does (padding allowed); OpenCV would paint a truncated one grey."""
    return data[-64:].rstrip(b"\0\n\r ").endswith(b"\xff\xd9")


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    """One chunk, with its length and checksum."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def png_with(
    data: Buffer,
    exif: bytes = b"",
    icc: bytes = b"",
    xmp: bytes = b"",
    dpi: int = 0,
    chunks: tuple[tuple[bytes, bytes], ...] = (),
) -> bytes:
    """PNG bytes with eXIf, iCCP, XMP (iTXt), pHYs and any ready-made chunks right after the header chunk."""
    end = len(PNG_SIGNATURE) + 25
    # XMP first, so that a recipe is found in the first kilobytes whatever the size of the profile.
    extra = [png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)] if xmp else []
    if icc:
        extra.append(png_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc)))
    extra += [png_chunk(kind, payload) for kind, payload in chunks]
    if dpi:
        metre = round(dpi / 0.0254)
        extra.append(png_chunk(b"pHYs", struct.pack(">IIB", metre, metre, 1)))
    if exif:
        extra.append(png_chunk(b"eXIf", exif))
    whole = memoryview(data)
    return b"".join([whole[:end], *extra, whole[end:]])


def gif_with(data: bytes, xmp: bytes) -> bytes:
    """GIF bytes with an XMP packet as an application extension (XMP Specification part 3, section 1.1.2).

    The packet is not split into blocks; the 258 bytes after it lead any reader that expects blocks to their end.
    """
    if not xmp or b"\0" in xmp:
        return data
    end = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    return data[:end] + b"\x21\xff\x0bXMP DataXMP" + xmp + trailer + data[end:]


def webp_with_alpha(data: bytes) -> bytes:
    """WebP bytes whose header admits to transparency: libwebp forgets it when a clear margin was cut off a frame."""
    if data[12:16] != b"VP8X":
        return data
    return data[:20] + bytes([data[20] | 0x10]) + data[21:]


def png_chunks(data: bytes, kinds: tuple[bytes, ...]) -> tuple[tuple[bytes, bytes], ...]:
    """The chunks of certain kinds that stand before the pixels, in order."""
    found, at = [], len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind in (b"IDAT", b"IEND"):
            break
        if kind in kinds:
            found.append((kind, data[at + 8 : at + 8 + length]))
        at += 12 + length
    return tuple(found)
