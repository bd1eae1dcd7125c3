"""The TIFF of `media/tiff.py`, written strip by strip into a file instead of into memory."""

from __future__ import annotations

import struct
from typing import IO, Any

import numpy as np

from imgcycle.errors import OutputError
from imgcycle.media.pixels import Pixels
from imgcycle.media.tiff import _deflated, _kept_entries

_SHORT, _LONG, _RATIONAL, _BYTE, _UNDEFINED = 3, 4, 5, 1, 7
_CODES = {_SHORT: "H", _LONG: "I", _RATIONAL: "I"}
_MOST = 2**32 - 1


class TiffRows:
    """Strips of `rows` rows each (the last may be shorter), deflated; the directory follows them.

    The file can be sought in. OutputError when it grows beyond what TIFF's 32-bit offsets reach.
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
            at = self._append(icc)
            self._entries[34675] = struct.pack(self._order + "HHII", 34675, _UNDEFINED, len(icc), at)

    def write(self, rows: Pixels) -> None:
        """The next strip, (h, W, C)."""
        strip = _deflated(rows, self._order)
        self._starts.append(self._append(strip))
        self._sizes.append(len(strip))

    def finish(self) -> None:
        """Write the directory, and its place into the header."""
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

    def _append(self, data: bytes) -> int:
        """Put data at the next even offset and return it."""
        gap = self._at % 2
        at = self._at + gap
        if at + len(data) > _MOST:
            raise OutputError("more than 4 GB, which TIFF cannot hold", "use --format png")
        self._file.write(bytes(gap) + data)
        self._at = at + len(data)
        return at
