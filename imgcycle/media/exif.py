"""EXIF patched in place: what is still true stays byte for byte, where it was.

Writing the block anew moves its parts, and a camera's MakerNote holds offsets from the start of the block, so it
would be broken without anyone noticing. Hence this small editor of the TIFF structure (TIFF 6.0, section 2;
EXIF 2.32, section 4.6) that changes values where they stand.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

ORIENTATION = 0x0112
EXIF_IFD, GPS_IFD = 0x8769, 0x8825
_WIDTHS, _HEIGHTS = (0x0100, 0xA002), (0x0101, 0xA003)
_THUMB_START, _THUMB_LENGTH = 0x0201, 0x0202
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}


@dataclass(frozen=True)
class _Entry:
    at: int
    tag: int
    kind: int
    count: int
    value: int
    """The number itself for one SHORT or LONG, else the offset of the data."""


class _Block:
    """A mutable TIFF block; every read outside it raises struct.error."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
        if order is None:
            raise struct.error("no TIFF header")
        self.order = order

    def number(self, kind: str, at: int) -> int:
        return int(struct.unpack_from(self.order + kind, self.data, at)[0])

    def put(self, kind: str, at: int, value: int) -> None:
        struct.pack_into(self.order + kind, self.data, at, value)

    def entries(self, at: int) -> tuple[list[_Entry], int]:
        """The entries of the directory at an offset, and where the offset of the next directory stands."""
        found = []
        for n in range(self.number("H", at)):
            start = at + 2 + 12 * n
            tag, kind, count = self.number("H", start), self.number("H", start + 2), self.number("I", start + 4)
            short = kind == 3 and count == 1
            found.append(_Entry(start, tag, kind, count, self.number("H" if short else "I", start + 8)))
        return found, at + 2 + 12 * len(found)

    def erase_data(self, entry: _Entry) -> None:
        size = _SIZES.get(entry.kind, 1) * entry.count
        if size > 4 and entry.value + size <= len(self.data):
            self.data[entry.value : entry.value + size] = bytes(size)

    def remove(self, directory: int, entry: _Entry) -> None:
        """Take an entry out of its directory; those after it move up, the data stay where they are."""
        count = self.number("H", directory)
        end = directory + 2 + 12 * count + 4
        self.data[entry.at : end] = self.data[entry.at + 12 : end] + bytes(12)
        self.put("H", directory, count - 1)


def orientation(exif: bytes) -> int:
    """The EXIF orientation, 1 to 8; 1 when the block says nothing usable."""
    try:
        block = _Block(exif)
        entries, _ = block.entries(block.number("I", 4))
    except struct.error:
        return 1
    return next((e.value for e in entries if e.tag == ORIENTATION and 1 <= e.value <= 8), 1)


def made_true(exif: bytes, width: int, height: int, keep_gps: bool = True) -> bytes:
    """The block for an upright picture of `width` × `height`: orientation 1, dimensions right, no thumbnail.

    `keep_gps` False also takes out the place. A block that cannot be read is dropped (empty bytes).
    """
    try:
        block = _Block(exif)
        first = block.number("I", 4)
        for entry in block.entries(first)[0]:
            _correct(block, entry, width, height)
            if entry.tag == EXIF_IFD:
                for inner in block.entries(entry.value)[0]:
                    _correct(block, inner, width, height)
        if not keep_gps:
            _drop_gps(block, first)
        _drop_thumbnail(block, first)
    except struct.error:
        return b""
    return bytes(block.data)


def _correct(block: _Block, entry: _Entry, width: int, height: int) -> None:
    if entry.tag == ORIENTATION:
        value = 1
    elif entry.tag in _WIDTHS:
        value = width
    elif entry.tag in _HEIGHTS:
        value = height
    else:
        return
    if entry.count == 1 and entry.kind in (3, 4):
        # A SHORT holds sizes below 65,536, and orientations; what is larger becomes a LONG, in the same four bytes.
        kind = 3 if entry.kind == 3 and value < 2**16 else 4
        block.put("H", entry.at + 2, kind)
        block.put("I", entry.at + 8, 0)
        block.put("H" if kind == 3 else "I", entry.at + 8, value)


def _drop_gps(block: _Block, first: int) -> None:
    for entry in block.entries(first)[0]:
        if entry.tag == GPS_IFD:
            try:
                for inner in block.entries(entry.value)[0]:
                    block.erase_data(inner)
                    block.data[inner.at : inner.at + 12] = bytes(12)
                block.put("H", entry.value, 0)
            except struct.error:
                pass
            block.remove(first, entry)
            return


def _drop_thumbnail(block: _Block, first: int) -> None:
    _, link = block.entries(first)
    second = block.number("I", link)
    block.put("I", link, 0)
    if not second:
        return
    try:
        values = {e.tag: e.value for e in block.entries(second)[0]}
    except struct.error:
        return
    start, length = values.get(_THUMB_START, 0), values.get(_THUMB_LENGTH, 0)
    if start and start + length >= len(block.data) - 1:
        del block.data[start:]
    elif start:
        block.data[start : start + length] = bytes(length)


def composed(tags: dict[int, str], directories: dict[int, dict[int, object]]) -> bytes:
    """A new block from plain text tags and whole directories (EXIF, GPS), for sources that hold no block as such.

    Values are as Pillow reads them; what it cannot write back is left out.
    """
    from PIL import Image

    block = Image.Exif()
    for tag, text in tags.items():
        block[tag] = text
    for tag, values in directories.items():
        block.get_ifd(tag).update(values)
    try:
        return block.tobytes().removeprefix(b"Exif\0\0")
    except (ValueError, TypeError, struct.error, OverflowError, AttributeError):
        return b""
