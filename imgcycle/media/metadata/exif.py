"""EXIF patched in place: what remains true stays byte for byte, at its offset.

Writing the block anew would move its parts, and a camera's MakerNote holds offsets from the start of the block, so it
would break unnoticed. Hence this small editor of the TIFF structure, which changes values in place. Its result is
parsed again before it is used.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

from imgcycle.media.metadata.directories import (
    EXIF_IFD,
    GPS_IFD,
    INTEROP_IFD,
    Block,
    DamagedBlock,
    Directory,
    Entry,
    first_entry,
    unwrapped,
)
from imgcycle.media.metadata.places import tells_place

ORIENTATION = 0x0112
_WIDTHS, _HEIGHTS = (0x0100, 0xA002), (0x0101, 0xA003)
_THUMB_START, _THUMB_LENGTH = 0x0201, 0x0202
_PRINTED = (0x011A, 0x011B)
_DENSITIES, _POSITIONS = (*_PRINTED, 0xA20E, 0xA20F), (0x9214, 0xA214)
"""Pixels a unit of length, on paper and on the sensor; the subject's area and place, in pixels."""
UNKNOWN = 72
"""Dots per inch that EXIF has state where nothing is known."""
_FINE = 10_000
_SHORT, _LONG, _RATIONAL, _SIGNED_RATIONAL = 3, 4, 5, 10
_MAKER_NOTE, _PRIVATE_DATA = 0x927C, 0xC634
_CARRIERS = frozenset({GPS_IFD, 700, 33723, 34377, 33550, 33922, 34264, 34735, 34736, 34737, 42112})
"""Tags that are a location or may hold one: GPS, XMP, IPTC, Photoshop's resources, GeoTIFF's and GDAL's."""
_GPS_TAGS = range(32)
_MOST_COORDINATES = 64
_PLACE_MAKERS = (b"Nikon", b"Panasonic", b"LEICA")
"""Makers whose MakerNotes hold place names, in fields of their own."""
_DIRECTORY_NAMES = {EXIF_IFD: "camera's", GPS_IFD: "GPS", INTEROP_IFD: "interoperability"}


@dataclass(frozen=True)
class _Kept:
    """A directory as it is to be written: records of twelve bytes, with their old or new data."""

    directory: Directory
    records: tuple[bytes, ...]
    values: tuple[bytes, ...]


def orientation(exif: bytes) -> int:
    """EXIF orientation, 1 to 8; 1 if the block has no usable one."""
    return exif_orientation(exif) or 1


def exif_orientation(exif: bytes) -> int | None:
    """EXIF orientation as `orientation`, but None if the block has no such entry."""
    number = _number(exif, ORIENTATION)
    return None if number is None else number if 1 <= number <= 8 else 1


def density(exif: bytes) -> int:
    """Resolution in dots per inch; `UNKNOWN` if the block states none."""
    try:
        block = Block(unwrapped(exif))
        entry = first_entry(block.directory(block.first()), 0x011A)
        unit = _number(exif, 0x0128)
        if unit is None or entry is None or entry.kind not in (_RATIONAL, _SIGNED_RATIONAL):
            return UNKNOWN
        above, below = struct.unpack_from(block.order + ("II" if entry.kind == _RATIONAL else "ii"), block.value(entry))
        found = round(above / below * (2.54 if unit == 3 else 1))
    except (DamagedBlock, struct.error, ZeroDivisionError):
        return UNKNOWN
    return found if 1 < found < 65536 else 0


def rescaled_exif(exif: bytes, factor: Fraction) -> bytes:
    """The block for an image downscaled by `factor`: densities and positions in pixels scaled, everything else as it
    was. A density of 72, which stands for an unknown one, stays. A damaged block is returned unchanged.
    """
    try:
        block = Block(unwrapped(exif))
        directories, _ = block.tree()
    except DamagedBlock:
        return exif
    for directory in directories:
        for entry in directory.entries if not directory.chained else ():
            if not entry.sound:
                continue
            if entry.tag in _DENSITIES and entry.kind == _RATIONAL and entry.count == 1:
                above, below = struct.unpack_from(block.order + "II", block.data, entry.start)
                if below and (entry.tag not in _PRINTED or above != UNKNOWN * below):
                    scaled = (Fraction(above, below) * factor).limit_denominator(_FINE)
                    if scaled.numerator >= 2**32:
                        scaled = Fraction(int(scaled))
                    struct.pack_into(block.order + "II", block.data, entry.start, *scaled.as_integer_ratio())
            if entry.tag in _POSITIONS and entry.kind == _SHORT:
                numbers = [round(number * factor) for number in block.numbers(entry)]
                struct.pack_into(f"{block.order}{entry.count}H", block.data, entry.start, *numbers)
    return bytes(block.data)


def _number(exif: bytes, tag: int) -> int | None:
    """First value of an entry of the first directory; 0 if it is not an integer, None without the entry."""
    try:
        block = Block(unwrapped(exif))
        entry = first_entry(block.directory(block.first()), tag)
    except DamagedBlock:
        return None
    if entry is None or not entry.count:
        return None
    return next(iter(block.numbers(entry)), 0)


def updated_exif(exif: bytes, width: int, height: int, keep_gps: bool = True, notes: list[str] | None = None) -> bytes:
    """The block for an upright image of `width` × `height`: orientation 1, dimensions updated, no thumbnail.

    `keep_gps` False also removes the location, at any depth, and unreferenced data. A damaged directory is dropped; so
    is the whole block (empty bytes) if it cannot be read or updated. Either adds a line to `notes`.
    """
    said = [] if notes is None else notes
    if not exif:
        return b""
    try:
        block = Block(unwrapped(exif))
        directories, lost = block.tree()
    except DamagedBlock:
        said.append("damaged EXIF was left out")
        return b""
    kept = [d for d in directories if not d.chained and (keep_gps or not d.is_place)]
    where = [] if keep_gps else _coordinates(block, directories)
    wanted = [_kept(block, d, lost, (width, height), keep_gps, where) for d in kept]
    try:
        made = _rewritten(block, wanted, directories, keep_gps)
    except struct.error:
        made = b""
    if not _holds(made, wanted) or any(pattern in made for pattern in where):
        said.append("EXIF that could not be made true was left out" if keep_gps else "EXIF was left out: a place in it")
        return b""
    _tell(block.order, lost, wanted, keep_gps, said)
    return made


def _tell(order: str, lost: list[Entry], wanted: list[_Kept], keep_gps: bool, said: list[str]) -> None:
    for entry in lost:
        if keep_gps or entry.tag != GPS_IFD:
            said.append(f"the {_DIRECTORY_NAMES.get(entry.tag, 'sub-')} directory of EXIF is damaged and was left out")
    if any(not k.directory.whole or not all(e.sound for e in k.directory.entries) for k in wanted):
        said.append("damaged entries of EXIF were left out")
    left = {struct.unpack_from(order + "H", record)[0] for k in wanted for record in k.records}
    if _MAKER_NOTE not in left and any(e.tag == _MAKER_NOTE and e.sound for k in wanted for e in k.directory.entries):
        said.append("the camera's own notes in EXIF may tell the place and were left out")


def _kept(
    block: Block, directory: Directory, lost: list[Entry], size: tuple[int, int], keep_gps: bool, where: list[bytes]
) -> _Kept:
    records, values = [], []
    for entry in directory.entries:
        if not entry.sound or entry in lost or (not keep_gps and _is_place(block, directory, entry, where)):
            continue
        record, value = bytes(block.data[entry.at : entry.at + 12]), block.value(entry)
        number = _corrected(entry.tag, size)
        if number is not None:
            record, value = _integer(block.order, entry, number)
        records.append(record)
        values.append(value)
    return _Kept(directory, tuple(records), tuple(values))


def _corrected(tag: int, size: tuple[int, int]) -> int | None:
    if tag == ORIENTATION:
        return 1
    return size[0] if tag in _WIDTHS else size[1] if tag in _HEIGHTS else None


def _integer(order: str, entry: Entry, value: int) -> tuple[bytes, bytes]:
    """An integer entry that replaces `entry`, and its data."""
    # A SHORT holds sizes below 65,536, and orientations; larger ones become a LONG, in the same four bytes.
    short = value < 2**16 and (entry.kind == _SHORT or entry.tag == ORIENTATION)
    data = struct.pack(order + ("H" if short else "I"), value)
    head = struct.pack(order + "HHI", entry.tag, _SHORT if short else _LONG, 1)
    return head + data.ljust(4, b"\0"), data


def _rewritten(block: Block, wanted: list[_Kept], directories: list[Directory], keep_gps: bool) -> bytes:
    live = [range(8)]
    thumbnails = [_thumbnail(block, directory) for directory in directories if directory.chained]
    for kept in wanted:
        at, records = kept.directory.at, b"".join(kept.records)
        follows = kept.directory.next if keep_gps and kept.directory.path else 0
        table = struct.pack(block.order + "H", len(kept.records)) + records + struct.pack(block.order + "I", follows)
        end = max(at + len(table), min(kept.directory.link + 4, len(block.data)))
        block.data[at:end] = table.ljust(end - at, b"\0")
        live.append(range(at, at + len(table)))
        for record, value in zip(kept.records, kept.values, strict=True):
            if len(value) > 4:
                start = struct.unpack_from(block.order + "I", record, 8)[0]
                live.append(range(start, start + len(value)))
    if not keep_gps:
        _blank(block, range(len(block.data)), live)
    for thumbnail in thumbnails:
        if thumbnail.stop >= len(block.data) - 1 and all(part.stop <= thumbnail.start for part in live):
            del block.data[thumbnail.start :]
        else:
            _blank(block, range(thumbnail.start, min(thumbnail.stop, len(block.data))), live)
    return bytes(block.data)


def _thumbnail(block: Block, directory: Directory) -> range:
    """Byte range of the thumbnail that a directory refers to; empty if there is none."""
    found = (first_entry(directory, tag) for tag in (_THUMB_START, _THUMB_LENGTH))
    start, length = (next(iter(block.numbers(e)), 0) if e is not None else 0 for e in found)
    return range(start, start + length) if start else range(0)


def _blank(block: Block, area: range, live: list[range]) -> None:
    """Overwrite an area with zeros, except for ranges that are kept."""
    at = area.start
    for part in sorted(live, key=lambda part: part.start):
        stop = min(part.start, area.stop)
        if at < stop:
            block.data[at:stop] = bytes(stop - at)
        at = max(at, part.stop)
    if at < area.stop:
        block.data[at : area.stop] = bytes(area.stop - at)


def _holds(made: bytes, wanted: list[_Kept]) -> bool:
    """True if the new block parses to what it should hold."""
    try:
        block = Block(made)
        found, lost = block.tree()
    except DamagedBlock:
        return False
    seen = {
        (d.at, d.path): [(bytes(block.data[e.at : e.at + 8]), block.value(e)) for e in d.entries if e.sound]
        for d in found
        if not d.chained
    }
    asked = {
        (k.directory.at, k.directory.path): [(r[:8], v) for r, v in zip(k.records, k.values, strict=True)]
        for k in wanted
    }
    whole = all(d.whole and all(entry.sound for entry in d.entries) for d in found if not d.chained)
    return whole and not lost and seen == asked


def _coordinates(block: Block, directories: list[Directory]) -> list[bytes]:
    """Coordinates in the block, in both byte orders, to be searched for in other entries."""
    found: list[bytes] = []
    for directory in directories:
        for entry in directory.entries:
            if not (entry.sound and entry.kind in (_RATIONAL, _SIGNED_RATIONAL) and entry.count == 3):
                continue
            if entry.tag not in (2, 4, 20, 22):
                continue
            numbers = struct.unpack_from(block.order + "6I", block.value(entry))
            # Zero degrees alone may occur anywhere; with minutes or seconds they do not.
            if sum(numbers[::2]):
                found += [struct.pack(order + "6I", *numbers) for order in "<>"]
    return list(dict.fromkeys(found))[:_MOST_COORDINATES]


def _is_place(block: Block, directory: Directory, entry: Entry, where: list[bytes]) -> bool:
    """True if an entry is a location, leads to one, or may hold one."""
    if entry.tag in _CARRIERS:
        return True
    if entry.tag in _GPS_TAGS:
        plain = entry.kind in (2, 7) and entry.count == 4
        return not (directory.path[-1:] == (INTEROP_IFD,) and entry.tag in (1, 2) and plain)
    value = block.value(entry)
    if any(pattern in value for pattern in where):
        return True
    if entry.kind in (2, 129) or (entry.kind in (1, 7) and entry.size > 8):
        opaque = entry.tag in (_MAKER_NOTE, _PRIVATE_DATA) or (entry.kind != 2 and entry.size > 64)
        return tells_place(value) or (opaque and _may_hide_place(value))
    return False


def _may_hide_place(note: bytes) -> bool:
    """True if a MakerNote, whose structure is its maker's own, contains anything that looks like a location."""
    if note.startswith(_PLACE_MAKERS) or b"GPS" in note or b"Exif\0\0" in note or b"ns.adobe.com" in note:
        return True
    for order, pointer in (("<", b"\x25\x88"), (">", b"\x88\x25")):
        kinds = [struct.pack(order + "HI", kind, 1) for kind in (_LONG, 13)]
        if any(pointer + kind in note for kind in kinds):
            return True
        # Latitude and longitude as directory entries: three rationals under tags 2 and 4.
        if all(struct.pack(order + "HHI", tag, _RATIONAL, 3) in note for tag in (2, 4)):
            return True
    return False


def composed(tags: dict[int, str], directories: dict[int, dict[int, object]], notes: list[str] | None = None) -> bytes:
    """A new block from text tags and whole directories (EXIF, GPS), for sources without a block of their own.

    Values are as Pillow reads them. A directory it cannot write back is left out, with a line in `notes`.
    """
    from PIL import Image

    said = [] if notes is None else notes
    for left in (directories, {k: v for k, v in directories.items() if k != GPS_IFD}, {}):
        block = Image.Exif()
        for tag, text in tags.items():
            block[tag] = text
        for tag, values in left.items():
            block.get_ifd(tag).update(values)
        try:
            made = block.tobytes().removeprefix(b"Exif\0\0")
        except (ValueError, TypeError, struct.error, OverflowError, AttributeError):
            continue
        if left != directories:
            said.append("damaged entries of EXIF were left out")
        return made
    return b""
