"""TIFF writer: 8 and 16 bits a channel with EXIF, XMP and ICC, which no library in use writes together.

The picture's EXIF block, itself a TIFF structure, becomes the start of the file unchanged, so that offsets inside it
(as in a camera's MakerNote) stay valid; the directory of the picture is appended and takes over its entries. TIFF 6.0;
Adobe's deflate and predictor 2 (Technical Note of 2002).
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import IO, Any

import numpy as np

from imgcycle.errors import OutputError
from imgcycle.media.image.pixels import Pixels

_SHORT, _LONG, _RATIONAL, _BYTE, _UNDEFINED = 3, 4, 5, 1, 7
_CODES = {_SHORT: "H", _LONG: "I", _RATIONAL: "I"}
_MOST = 2**32 - 1
_STRIP = 1 << 18
_DEFLATE_LEVEL = 3
_KEPT = frozenset({270, 271, 272, 305, 306, 315, 316, 33432, 33723, 34665, 34853, 40091, 40092, 40093, 40094, 40095})
"""Tags of an EXIF block's first directory that describe the picture rather than how its pixels are stored."""


def tiff_bytes(
    planes: Pixels, exif: bytes = b"", icc: bytes = b"", xmp: bytes = b"", dpi: int = 0, iptc: bytes = b""
) -> bytes:
    """A TIFF of (H, W, C) pixels: grey (C = 1), RGB (3) or RGB with straight alpha (4), deflated in strips.

    OutputError beyond the reach of TIFF's 32-bit offsets (4 GiB).
    """
    height, width, channels = planes.shape
    strip = max(1, min(height, _STRIP // max(1, width * channels * planes.dtype.itemsize)))
    file = io.BytesIO()
    rows = TiffRows(file, height, width, channels, planes.dtype, strip, exif, icc, xmp, dpi, iptc)
    for top in range(0, height, strip):
        rows.write(planes[top : top + strip])
    rows.finish()
    return file.getvalue()


class TiffRows:
    """Writes a TIFF row by row: deflated strips of `rows` rows each (the last may be shorter), then the directory.

    The file must be seekable. OutputError beyond the reach of TIFF's 32-bit offsets (4 GiB).
    """

    def __init__(
        self,
        file: IO[bytes],
        height: int,
        width: int,
        channels: int,
        dtype: np.dtype[Any],
        rows: int,
        exif: bytes = b"",
        icc: bytes = b"",
        xmp: bytes = b"",
        dpi: int = 0,
        iptc: bytes = b"",
    ) -> None:
        self._file = file
        self._order = ">" if exif[:2] == b"MM" else "<"
        self._at = 0
        self._append(exif or struct.pack(self._order + "2sHI", b"II", 42, 0))
        self._entries = _kept_entries(bytearray(exif), self._order) if exif else {}
        self._starts: list[int] = []
        self._sizes: list[int] = []
        bits = dtype.itemsize * 8
        self._put(256, _LONG, width)
        self._put(257, _LONG, height)
        self._put(258, _SHORT, *[bits] * channels)
        self._put(259, _SHORT, 8)
        self._put(262, _SHORT, 1 if channels == 1 else 2)
        self._put(274, _SHORT, 1)
        self._put(277, _SHORT, channels)
        self._put(278, _LONG, rows)
        self._put(284, _SHORT, 1)
        self._put(317, _SHORT, 2)
        if channels == 4:
            self._put(338, _SHORT, 2)
        if dpi:
            self._put(282, _RATIONAL, dpi, 1)
            self._put(283, _RATIONAL, dpi, 1)
            self._put(296, _SHORT, 2)
        if xmp:
            self._entries[700] = struct.pack(self._order + "HHII", 700, _BYTE, len(xmp), self._append(xmp))
        if icc:
            self._put_bytes(34675, icc)
        if iptc:
            self._put_bytes(33723, iptc)

    def write(self, rows: Pixels) -> None:
        """Append a strip (h, W, C)."""
        strip = _deflated(rows, self._order)
        self._starts.append(self._append(strip))
        self._sizes.append(len(strip))

    def finish(self) -> None:
        """Write the directory, and its offset into the header."""
        self._put(273, _LONG, *self._starts)
        self._put(279, _LONG, *self._sizes)
        entries = b"".join(self._entries[tag] for tag in sorted(self._entries))
        at = self._append(struct.pack(self._order + "H", len(self._entries)) + entries + bytes(4))
        self._file.seek(4)
        self._file.write(struct.pack(self._order + "I", at))
        self._file.seek(0, 2)

    def _put(self, tag: int, kind: int, *values: int) -> None:
        data = struct.pack(self._order + _CODES[kind] * len(values), *values)
        count = len(values) // 2 if kind == _RATIONAL else len(values)
        field = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(self._order + "I", self._append(data))
        self._entries[tag] = struct.pack(self._order + "HHI", tag, kind, count) + field

    def _put_bytes(self, tag: int, data: bytes) -> None:
        field = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(self._order + "I", self._append(data))
        self._entries[tag] = struct.pack(self._order + "HHI", tag, _UNDEFINED, len(data)) + field

    def _append(self, data: bytes) -> int:
        """Write data at the next even offset and return that offset."""
        gap = self._at % 2
        at = self._at + gap
        if at + len(data) > _MOST:
            raise OutputError("more than 4 GB, which TIFF cannot hold", "use --format png")
        self._file.write(bytes(gap) + data)
        self._at = at + len(data)
        return at


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
    """Deflated differences between neighbours in a row (predictor 2), which compress far better than the values."""
    change = np.diff(strip, axis=1, prepend=np.zeros_like(strip[:, :1]))
    return zlib.compress(
        change.astype(change.dtype.newbyteorder(">" if order == ">" else "<")).tobytes(), _DEFLATE_LEVEL
    )
