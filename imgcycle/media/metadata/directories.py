"""TIFF directories inside an EXIF block (TIFF 6.0, section 2; EXIF 2.32, section 4.6), read as far as they are sound.

Other readers take the entries there are when more are claimed, pass over those of no known type and those whose data
lie outside, and take the first of two with one tag. So does this one.
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
"""The last: how often all of a block may be the data of some entry, on the average."""


class DamagedBlock(Exception):
    """A block, or one of its directories, that cannot be read."""


@dataclass(frozen=True)
class Entry:
    """One entry: where it stands, its tag, type and count, where its data begin, and their size in bytes.

    `sound` tells whether its type is known and its data lie inside the block.
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
    """One directory: where it stands, the tags that lead to it, its readable entries, the offset of the next (0: none).

    `chained` counts the directories passed by that offset: 0 for the first, 1 for the one with the thumbnail.
    `whole` tells whether all entries that are claimed are there.
    """

    at: int
    path: tuple[int, ...]
    entries: tuple[Entry, ...]
    next: int
    chained: int = 0
    whole: bool = True

    @property
    def link(self) -> int:
        """Where the offset of the next directory stands."""
        return self.at + 2 + 12 * len(self.entries)

    @property
    def is_place(self) -> bool:
        """Whether a GPS pointer leads here, at whatever depth."""
        return GPS_IFD in self.path


def unwrapped(block: bytes) -> bytes:
    """A block from its TIFF header on: some programs put the `Exif` header before it once, some twice."""
    return re.sub(rb"\A(?:Exif\0\0){1,2}", b"", block)


class Block:
    """A mutable EXIF block from its TIFF header on; DamagedBlock when that is none."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]))
        if order is None or len(data) < 8:
            raise DamagedBlock("no TIFF header")
        self.order = order

    def number(self, code: str, at: int) -> int:
        """The integer of a `struct` code at an offset."""
        try:
            return int(struct.unpack_from(self.order + code, self.data, at)[0])
        except struct.error as error:
            raise DamagedBlock("cut off") from error

    def value(self, entry: Entry) -> bytes:
        """The data of a sound entry."""
        return bytes(self.data[entry.start : entry.start + entry.size])

    def numbers(self, entry: Entry) -> tuple[int, ...]:
        """The values of a sound entry of integers; none for other types."""
        code = _CODES.get(entry.kind)
        if code is None or not entry.sound:
            return ()
        return struct.unpack_from(f"{self.order}{entry.count}{code}", self.data, entry.start)

    def first(self) -> int:
        """Where the first directory stands."""
        return self.number("I", 4)

    def directory(self, at: int, path: tuple[int, ...] = (), chained: int = 0) -> Directory:
        """The directory at an offset; DamagedBlock when there is none."""
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
        """All directories that anything leads to, parents first, and the entries that lead nowhere.

        DamagedBlock when the first cannot be read, or there are too many.
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
    """The sound entry of a tag that other readers take: the first."""
    return next((e for e in directory.entries if e.tag == tag and e.sound), None)
