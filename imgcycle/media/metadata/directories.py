"""TIFF directories inside an EXIF block (TIFF 6.0, section 2; EXIF 2.32, section 4.6), as far as they are valid.

As in other readers: if more entries are claimed than there are, those that are there are read; entries of unknown type
or with data outside the block are skipped; the first of two entries with one tag counts.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

EXIF_IFD, GPS_IFD, INTEROP_IFD, SUB_IFDS = 0x8769, 0x8825, 0xA005, 0x014A
_POINTERS = frozenset({EXIF_IFD, GPS_IFD, INTEROP_IFD, SUB_IFDS, 0x0190})
_IFD_TYPE = 13
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, _IFD_TYPE: 4, 129: 1}
"""Bytes of one value of each type."""
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", _IFD_TYPE: "I"}
_MOST_DIRECTORIES, _MOST_ENTRIES, _MOST_SHARED = 256, 20_000, 8
"""`_MOST_SHARED`: how often, on average, a byte of the block may belong to an entry's data."""


class DamagedBlock(Exception):
    """A block, or one of its directories, that cannot be read."""


@dataclass(frozen=True)
class Entry:
    """One entry: offset, tag, type, count, and offset and size of its data in bytes.

    `sound` is True if its type is known and its data are inside the block.
    """

    at: int
    tag: int
    kind: int
    count: int
    start: int
    size: int
    sound: bool


@dataclass(frozen=True)
class Directory:
    """One directory: offset, tags that lead to it, readable entries, offset of the next one (0: none).

    `chained` counts the directories before it in the chain: 0 for the first, 1 for the one with the thumbnail. `whole`
    is True if all claimed entries are there.
    """

    at: int
    path: tuple[int, ...]
    entries: tuple[Entry, ...]
    next: int
    chained: int = 0
    whole: bool = True

    @property
    def link(self) -> int:
        """Offset of the field that holds the next directory's offset."""
        return self.at + 2 + 12 * len(self.entries)

    @property
    def is_place(self) -> bool:
        """True if the path to it contains a GPS pointer."""
        return GPS_IFD in self.path


def unwrapped(block: bytes) -> bytes:
    """The block from its TIFF header on, without the `Exif` prefixes that some programs write once, some twice."""
    return re.sub(rb"\A(?:Exif\0\0){1,2}", b"", block)


class Block:
    """A mutable EXIF block from its TIFF header on; DamagedBlock if there is no such header."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]))
        if order is None or len(data) < 8:
            raise DamagedBlock("no TIFF header")
        self.order = order

    def number(self, code: str, at: int) -> int:
        """Integer of a `struct` format code at an offset; DamagedBlock beyond the end."""
        try:
            return int(struct.unpack_from(self.order + code, self.data, at)[0])
        except struct.error as error:
            raise DamagedBlock("cut off") from error

    def value(self, entry: Entry) -> bytes:
        """Data of a sound entry."""
        return bytes(self.data[entry.start : entry.start + entry.size])

    def numbers(self, entry: Entry) -> tuple[int, ...]:
        """Integers of a sound entry; empty for other types."""
        code = _CODES.get(entry.kind)
        if code is None or not entry.sound:
            return ()
        return struct.unpack_from(f"{self.order}{entry.count}{code}", self.data, entry.start)

    def first(self) -> int:
        """Offset of the first directory."""
        return self.number("I", 4)

    def directory(self, at: int, path: tuple[int, ...] = (), chained: int = 0) -> Directory:
        """The directory at an offset; DamagedBlock if there is none."""
        claimed = self.number("H", at)
        there = min(claimed, max(0, len(self.data) - at - 2) // 12)
        if claimed and not there:
            raise DamagedBlock("a directory that is cut off")
        entries = tuple(self._entry(at + 2 + 12 * n) for n in range(there))
        end = at + 2 + 12 * there
        follows = self.number("I", end) if there == claimed and end + 4 <= len(self.data) else 0
        return Directory(at, path, entries, follows, chained, there == claimed)

    def _entry(self, at: int) -> Entry:
        tag, kind, count = struct.unpack_from(self.order + "HHI", self.data, at)
        size = SIZES.get(kind, 0) * count
        start = at + 8 if size <= 4 else self.number("I", at + 8)
        return Entry(at, tag, kind, count, start, size, kind in SIZES and start + size <= len(self.data))

    def tree(self) -> tuple[list[Directory], list[Entry]]:
        """All reachable directories, parents first, and the entries whose pointers lead to none.

        DamagedBlock if the first cannot be read, or there are too many.
        """
        found: list[Directory] = []
        lost: list[Entry] = []
        seen = {self.first()}
        count = size = 0
        waiting = [self.directory(self.first())]
        while waiting:
            directory = waiting.pop(0)
            found.append(directory)
            count += len(directory.entries)
            size += sum(entry.size for entry in directory.entries if entry.sound)
            if (
                len(found) > _MOST_DIRECTORIES
                or count > _MOST_ENTRIES
                or size > _MOST_SHARED * (len(self.data) + _MOST_ENTRIES)
            ):
                raise DamagedBlock("more directories than a picture has")
            for entry in directory.entries:
                targets = self._targets(entry)
                if entry.sound and entry.tag in _POINTERS and not targets:
                    lost.append(entry)
                for at in targets:
                    if at in seen:
                        continue
                    seen.add(at)
                    try:
                        waiting.append(self.directory(at, (*directory.path, entry.tag), directory.chained))
                    except DamagedBlock:
                        lost.append(entry)
            if directory.next and directory.next not in seen:
                seen.add(directory.next)
                try:
                    waiting.append(self.directory(directory.next, directory.path, directory.chained + 1))
                except DamagedBlock:
                    continue
        return found, lost

    def _targets(self, entry: Entry) -> tuple[int, ...]:
        leads = entry.kind == _IFD_TYPE or (entry.kind == 4 and entry.tag in _POINTERS)
        return self.numbers(entry) if leads else ()


def first_entry(directory: Directory, tag: int) -> Entry | None:
    """First sound entry of a tag, the one that other readers use."""
    return next((e for e in directory.entries if e.tag == tag and e.sound), None)
