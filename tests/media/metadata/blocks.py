"""Metadata made for tests: blocks of every kind, and pictures of every format that carry them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tests.media.pictures import encoded, scene

LATITUDE, LONGITUDE = (48, 1, 8, 1, 1320, 100), (11, 1, 34, 1, 3000, 100)
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
Field = tuple[int, int, int, bytes]


def numbers(order: str, kind: int, *values: int) -> bytes:
    code = {1: "B", 3: "H", 4: "I", 5: "I", 7: "B", 13: "I"}[kind]
    return struct.pack(f"{order}{len(values)}{code}", *values)


class Tiff:
    """A TIFF structure put together piece by piece; `add` gives the offset of a directory."""

    def __init__(self, order: str = "<") -> None:
        self.order = order
        self.data = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))

    def put(self, data: bytes) -> int:
        self.data += bytes(len(self.data) % 2)
        at = len(self.data)
        self.data += data
        return at

    def add(self, fields: Sequence[Field], follows: int = 0, claimed: int | None = None, end: bool = True) -> int:
        """A directory of (tag, type, count, data)."""
        records = []
        for tag, kind, count, data in fields:
            value = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(self.order + "I", self.put(data))
            records.append(struct.pack(self.order + "HHI", tag, kind, count) + value)
        table = struct.pack(self.order + "H", len(fields) if claimed is None else claimed) + b"".join(records)
        return self.put(table + (struct.pack(self.order + "I", follows) if end else b""))

    def first(self, fields: Sequence[Field], **more: Any) -> bytes:
        """The whole, with this as its first directory."""
        struct.pack_into(self.order + "I", self.data, 4, self.add(fields, **more))
        return bytes(self.data)

    def short(self, tag: int, *values: int) -> Field:
        return tag, 3, len(values), numbers(self.order, 3, *values)

    def long(self, tag: int, *values: int) -> Field:
        return tag, 4, len(values), numbers(self.order, 4, *values)

    def gps(self, latitude: Sequence[int] = LATITUDE, longitude: Sequence[int] = LONGITUDE) -> list[Field]:
        return [
            (1, 2, 2, b"N\0"),
            (2, 5, 3, numbers(self.order, 5, *latitude)),
            (3, 2, 2, b"E\0"),
            (4, 5, 3, numbers(self.order, 5, *longitude)),
            (29, 2, 11, b"2001:01:01\0"),
        ]


def text(tag: int, words: str) -> Field:
    data = words.encode() + b"\0"
    return tag, 2, len(data), data


def full_exif(order: str = "<", orientation: int = 6) -> bytes:
    """A block as cameras write it: texts, camera's directory with interoperability, GPS, a thumbnail."""
    tiff = Tiff(order)
    gps = tiff.add(tiff.gps())
    interop = tiff.add([(1, 2, 4, b"R98\0"), (2, 7, 4, b"0100")])
    camera = tiff.add(
        [
            (0x829A, 5, 1, numbers(order, 5, 1, 250)),
            (0x927C, 7, 36, b"MAKERNOTE" * 4),
            tiff.long(0xA002, 56),
            tiff.long(0xA003, 40),
            tiff.long(0xA005, interop),
        ]
    )
    thumbnail = encoded(scene(16, 24))
    second = tiff.add([tiff.long(0x0201, tiff.put(thumbnail)), tiff.long(0x0202, len(thumbnail))])
    return tiff.first(
        [
            text(0x010F, "Maker"),
            tiff.short(0x0112, orientation),
            (0x011A, 5, 1, numbers(order, 5, 240, 1)),
            tiff.short(0x0128, 2),
            text(0x0132, "2024:05:06 07:08:09"),
            tiff.long(0x8769, camera),
            tiff.long(0x8825, gps),
        ],
        follows=second,
    )


def packet(inside: str, root: str = "x:xmpmeta") -> bytes:
    return f'<{root} xmlns:x="adobe:ns:meta/"><rdf:RDF {RDF}>{inside}</rdf:RDF></{root}>'.encode()


TITLE = (
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title><rdf:Alt>'
    '<rdf:li xml:lang="x-default">keepme</rdf:li></rdf:Alt></dc:title></rdf:Description>'
)


def datasets(*entries: tuple[int, int, bytes]) -> bytes:
    return b"".join(struct.pack(">BBBH", 0x1C, record, n, len(value)) + value for record, n, value in entries)


IPTC = datasets((1, 90, b"\x1b%G"), (2, 0, b"\0\4"), (2, 25, b"alps"), (2, 90, b"Munich"), (2, 120, b"A caption"))


def resources(iptc: bytes) -> bytes:
    parts = ((0x03ED, bytes(16)), (0x0404, iptc))
    return b"".join(struct.pack(">4sHHI", b"8BIM", k, 0, len(d)) + d + bytes(len(d) % 2) for k, d in parts)


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def jpeg(*segments: bytes, pixels: npt.NDArray[np.uint8] | None = None) -> bytes:
    data = encoded(scene() if pixels is None else pixels)
    return data[:2] + b"".join(segments) + data[2:]


def jpeg_of(exif: bytes = b"", xmp: bytes = b"", iptc: bytes = b"", comment: bytes = b"") -> bytes:
    return jpeg(
        *([segment(0xE1, b"Exif\0\0" + exif)] if exif else []),
        *([segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp)] if xmp else []),
        *([segment(0xED, b"Photoshop 3.0\0" + resources(iptc))] if iptc else []),
        *([segment(0xFE, comment)] if comment else []),
    )


def chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def png(*chunks: bytes, late: Sequence[bytes] = (), pixels: npt.NDArray[Any] | None = None) -> bytes:
    data = encoded(scene() if pixels is None else pixels, "PNG")
    return data[:33] + b"".join(chunks) + data[33:-12] + b"".join(late) + data[-12:]


def raw_profile(name: str, data: bytes) -> bytes:
    lines = [data[at : at + 36].hex() for at in range(0, len(data), 36)]
    return "\n".join(["", name, f"{len(data):8}", *lines, ""]).encode()


def ztxt(key: bytes, words: bytes) -> bytes:
    return chunk(b"zTXt", key + b"\0\0" + zlib.compress(words))


def itxt(key: bytes, words: bytes, packed: bool = False) -> bytes:
    body = zlib.compress(words) if packed else words
    return chunk(b"iTXt", key + b"\0" + bytes([packed, 0]) + b"\0\0" + body)


def png_of(exif: bytes = b"", xmp: bytes = b"", iptc: bytes = b"", hidden: bool = False) -> bytes:
    """The same in a PNG; `hidden` puts them all into texts, as ImageMagick does."""
    if hidden:
        return png(
            *([ztxt(b"Raw profile type exif", raw_profile("exif", b"Exif\0\0" + exif))] if exif else []),
            *([itxt(b"Raw profile type xmp", raw_profile("xmp", xmp), packed=True)] if xmp else []),
            *([ztxt(b"Raw profile type iptc", raw_profile("iptc", resources(iptc)))] if iptc else []),
        )
    return png(
        *([chunk(b"eXIf", exif)] if exif else []),
        *([itxt(b"XML:com.adobe.xmp", xmp)] if xmp else []),
        *([ztxt(b"Raw profile type iptc", raw_profile("iptc", resources(iptc)))] if iptc else []),
    )


def webp_of(exif: bytes = b"", xmp: bytes = b"") -> bytes:
    return encoded(scene(), "WEBP", lossless=True, exif=exif, xmp=xmp)


def tiff_of(fields: Sequence[Field] = (), order: str = "<", tiff: Tiff | None = None) -> bytes:
    """An uncompressed RGB picture of 56 × 40 with further entries in its directory."""
    made = tiff or Tiff(order)
    pixels = scene().tobytes()
    own: list[Field] = [
        made.long(256, 56),
        made.long(257, 40),
        (258, 3, 3, numbers(made.order, 3, 8, 8, 8)),
        made.short(259, 1),
        made.short(262, 2),
        made.long(273, made.put(pixels)),
        made.short(277, 3),
        made.long(278, 40),
        made.long(279, len(pixels)),
        made.short(284, 1),
    ]
    return made.first(sorted([*own, *fields], key=lambda field: field[0]))


def gif_of(*extensions: bytes) -> bytes:
    out = io.BytesIO()
    Image.fromarray(scene()).quantize(16).save(out, "GIF")
    data = out.getvalue()
    end = 13 + (3 << (data[10] & 7) + 1)
    return data[:end] + b"".join(extensions) + data[end:]
