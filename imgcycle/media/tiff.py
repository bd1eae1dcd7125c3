"""TIFF written by hand: 8 and 16 bits a channel, with EXIF, XMP and ICC, which no library at hand writes together.

The picture's EXIF block, itself a TIFF structure, becomes the start of the file as it is, so that the offsets inside
it (a camera's MakerNote has some) stay right; the directory of the picture is appended and takes over its entries.
TIFF 6.0; Adobe's deflate and predictor 2 (Technical Note of 2002).
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from imgcycle.media.pixels import Pixels

_SHORT, _LONG, _RATIONAL, _BYTE, _UNDEFINED = 3, 4, 5, 1, 7
_SIZES = {_SHORT: 2, _LONG: 4, _BYTE: 1, _UNDEFINED: 1}
_STRIP = 1 << 18
_DEFLATE_LEVEL = 3
_KEPT = frozenset({270, 271, 272, 305, 306, 315, 316, 33432, 33723, 34665, 34853, 40091, 40092, 40093, 40094, 40095})
"""Entries of an EXIF block's first directory that describe the picture and not the storage of pixels."""


def tiff_bytes(planes: Pixels, exif: bytes = b"", icc: bytes = b"", xmp: bytes = b"", dpi: int = 0) -> bytes:
    """A TIFF of (H, W, C) pixels: grey (C = 1), RGB (3) or RGB with straight alpha (4), deflated in strips."""
    order = ">" if exif[:2] == b"MM" else "<"
    file = bytearray(exif or struct.pack(order + "2sHI", b"II", 42, 0))
    entries = _kept_entries(file, order) if exif else {}
    height, width, channels = planes.shape
    bits = planes.dtype.itemsize * 8
    xmp_at, icc_at = _append(file, xmp), _append(file, icc)
    rows = max(1, min(height, _STRIP // max(1, width * channels * planes.dtype.itemsize)))
    starts, sizes = [], []
    for top in range(0, height, rows):
        strip = _deflated(planes[top : top + rows], order)
        starts.append(_append(file, strip))
        sizes.append(len(strip))

    def put(tag: int, kind: int, *values: int) -> None:
        entries[tag] = _entry(file, order, tag, kind, values)

    put(256, _LONG, width)
    put(257, _LONG, height)
    put(258, _SHORT, *[bits] * channels)
    put(259, _SHORT, 8)
    put(262, _SHORT, 1 if channels == 1 else 2)
    put(273, _LONG, *starts)
    put(274, _SHORT, 1)
    put(277, _SHORT, channels)
    put(278, _LONG, rows)
    put(279, _LONG, *sizes)
    put(284, _SHORT, 1)
    put(317, _SHORT, 2)
    if channels == 4:
        put(338, _SHORT, 2)
    if dpi:
        put(282, _RATIONAL, dpi, 1)
        put(283, _RATIONAL, dpi, 1)
        put(296, _SHORT, 2)
    if xmp:
        entries[700] = struct.pack(order + "HHII", 700, _BYTE, len(xmp), xmp_at)
    if icc:
        entries[34675] = struct.pack(order + "HHII", 34675, _UNDEFINED, len(icc), icc_at)
    body = struct.pack(order + "H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries))
    struct.pack_into(order + "I", file, 4, _append(file, body + bytes(4)))
    return bytes(file)


def _append(file: bytearray, data: bytes) -> int:
    """Put data at the next even offset and return it."""
    if len(file) % 2:
        file.append(0)
    at = len(file)
    file += data
    return at


def _entry(file: bytearray, order: str, tag: int, kind: int, values: tuple[int, ...]) -> bytes:
    code = {_SHORT: "H", _LONG: "I", _RATIONAL: "I"}[kind]
    data = struct.pack(order + code * len(values), *values)
    count = len(values) // 2 if kind == _RATIONAL else len(values)
    field = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(order + "I", _append(file, data))
    return struct.pack(order + "HHI", tag, kind, count) + field


def _kept_entries(block: bytearray, order: str) -> dict[int, bytes]:
    try:
        first = struct.unpack_from(order + "I", block, 4)[0]
        count = struct.unpack_from(order + "H", block, first)[0]
        found = [bytes(block[first + 2 + 12 * n : first + 14 + 12 * n]) for n in range(count)]
    except struct.error:
        return {}
    tagged = {struct.unpack_from(order + "H", entry)[0]: entry for entry in found if len(entry) == 12}
    return {tag: entry for tag, entry in tagged.items() if tag in _KEPT}


def _deflated(strip: Pixels, order: str) -> bytes:
    """Differences between neighbours of a row, which compress far better than values."""
    change = np.diff(strip, axis=1, prepend=np.zeros_like(strip[:, :1]))
    return zlib.compress(
        change.astype(change.dtype.newbyteorder(">" if order == ">" else "<")).tobytes(), _DEFLATE_LEVEL
    )
