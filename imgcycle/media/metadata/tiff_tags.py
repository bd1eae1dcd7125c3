"""Metadata of TIFFs: directory entries (TIFF 6.0; BigTIFF)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import Any, cast

from imgcycle.media.files import Data
from imgcycle.media.metadata import exif, iptc
from imgcycle.media.metadata.directories import EXIF_IFD, GPS_IFD, INTEROP_IFD, SIZES, Entry
from imgcycle.media.metadata.survey import MOST, Piece, Survey, stream_of

_ORIENTATION, _XMP, _IPTC, _PHOTOSHOP, _ICC = 274, 700, 33723, 34377, 34675
_POINTERS = frozenset({34665, 34853, 40965})
_TURNING = frozenset({_ORIENTATION, _XMP})
"""Tags by which Pillow would rotate the image itself, and so it would be rotated twice."""
_PIXELS = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 282, 283, 284, 290, 291, 292}
    | {293, 296, 301, 317, 318, 319, 320, 322, 323, 324, 325, 330, 332, 334, 338, 339, 340, 341, 342, 347, 529, 530}
    | {*range(512, 522), 531, 532, 559, *range(32995, 32999), 33421, 33422, 34022, 50706}
)
"""Tags needed to decode and display pixels."""
_TEXTS = (270, 271, 272, 305, 306, 315, 33432)
"""ImageDescription, Make, Model, Software, DateTime, Artist, Copyright."""
_BLOCKS = frozenset({_XMP, _ICC, _IPTC, _PHOTOSHOP})
_BIG_TYPES = {16: 8, 17: 8, 18: 8}
_MOST_PAGES, _MOST_ENTRIES = 1000, 200_000


@dataclass(frozen=True)
class _Layout:
    """Byte order of a file, and whether offsets have 64 bits."""

    order: str
    big: bool

    @property
    def offset(self) -> str:
        return "Q" if self.big else "I"

    @property
    def count(self) -> str:
        return "Q" if self.big else "H"

    @property
    def entry(self) -> int:
        return 20 if self.big else 12

    def number(self, code: str, data: bytes) -> int:
        return int(struct.unpack(self.order + code, data)[0])


@dataclass(frozen=True)
class _Entry(Entry):
    """An entry with its bytes in the directory."""

    record: bytes = field(kw_only=True)


@dataclass(frozen=True)
class _Table:
    """A directory: entries, offset of the next one (0: none), and its size in bytes."""

    layout: _Layout
    entries: list[_Entry]
    next: int
    size: int

    def of(self, entries: list[_Entry]) -> bytes:
        """The directory with some of its entries, padded to the same size."""
        table = struct.pack(self.layout.order + self.layout.count, len(entries))
        table += b"".join(entry.record for entry in entries)
        table += struct.pack(self.layout.order + self.layout.offset, self.next)
        return table[: self.size].ljust(self.size, b"\0")


def survey_tiff(data: Data, page: int = 0) -> Survey:
    """The survey of a TIFF; the decoder gets the valid entries on pixels, at their offsets.

    The metadata are those of the directory at the offset `page`, by default the first.
    """
    found = Survey()
    layout = _layout(data)
    if layout is None:
        found.keep(0, len(data))
        return found
    at = _first(data, layout)
    patches: dict[int, bytes] = {}
    seen: set[int] = set()
    count = 0
    while at and at not in seen and len(seen) < _MOST_PAGES:
        table = _directory(data, layout, at)
        count += len(table.entries)
        if count > _MOST_ENTRIES:
            # Otherwise the decoder would read all pages: the chain ends here.
            table = replace(table, next=0)
        if at == page or not (page or seen):
            _take(data, layout, at, table, found)
        if count > _MOST_ENTRIES or not all(_is_harmless(layout, e) for e in table.entries):
            patches[at] = table.of([e for e in table.entries if e.sound and e.tag in _PIXELS])
        seen.add(at)
        at = table.next
    found.pieces = _patched(len(data), patches)
    return found


def _patched(size: int, patches: dict[int, bytes]) -> list[Piece]:
    """The pieces of a file with patches applied."""
    pieces: list[Piece] = []
    read = 0
    for at, patch in sorted(patches.items()):
        if at >= read:
            pieces += [range(read, at), patch]
            read = at + len(patch)
    return [piece for piece in (*pieces, range(read, size)) if len(piece)]


def _layout(data: Data) -> _Layout | None:
    order = {b"II": "<", b"MM": ">"}[bytes(data[:2])]
    kind = struct.unpack(order + "H", data[2:4])[0]
    return _Layout(order, kind == 43) if kind in (42, 43) else None


def _first(data: Data, layout: _Layout) -> int:
    return layout.number(layout.offset, bytes(data[8:16] if layout.big else data[4:8]))


def _directory(data: Data, layout: _Layout, at: int) -> _Table:
    """The directory at an offset, with the entries that are there."""
    head = struct.calcsize(layout.count)
    claimed = layout.number(layout.count, bytes(data[at : at + head]))
    there = min(claimed, (len(data) - at - head) // layout.entry, 1 << 16)
    records = bytes(data[at + head : at + head + there * layout.entry])
    first, link = at + head, at + head + len(records)
    entries = [_entry(data, layout, at) for at in range(first, link, layout.entry)]
    stop = link + struct.calcsize(layout.offset)
    whole = there == claimed and stop <= len(data)
    follows = layout.number(layout.offset, bytes(data[link:stop])) if whole else 0
    return _Table(layout, entries, follows, min(stop, len(data)) - at)


def _entry(data: Data, layout: _Layout, at: int) -> _Entry:
    record = bytes(data[at : at + layout.entry])
    tag, kind, count = struct.unpack_from(layout.order + "HH" + layout.offset, record)
    unit = SIZES.get(kind, _BIG_TYPES.get(kind, 0) if layout.big else 0)
    inline = struct.calcsize(layout.offset)
    size = unit * count
    start = 0 if size <= inline else layout.number(layout.offset, record[-inline:])
    sound = bool(unit) and start + size <= len(data)
    return _Entry(at, tag, kind, count, start, size, sound, record=record)


def _is_harmless(layout: _Layout, entry: _Entry) -> bool:
    """True if a decoder may see an entry: a valid one that is neither a pointer nor an orientation."""
    if entry.tag == _ORIENTATION:
        return entry.sound and entry.kind == 3 and entry.count == 1 and _numbers(layout, entry)[:1] == (1,)
    return entry.sound and entry.tag not in _POINTERS and entry.tag not in _TURNING


def _numbers(layout: _Layout, entry: _Entry, data: Data = b"") -> tuple[int, ...]:
    code = {1: "B", 3: "H", 4: "I"}.get(entry.kind)
    if code is None or not entry.sound or not entry.count:
        return ()
    value = _value(data, layout, entry) if entry.start else entry.record[-struct.calcsize(layout.offset) :]
    return struct.unpack_from(layout.order + code, value)


def _value(data: Data, layout: _Layout, entry: _Entry) -> bytes:
    if not entry.start:
        return entry.record[-struct.calcsize(layout.offset) :][: entry.size]
    return bytes(data[entry.start : entry.start + entry.size])


def _take(data: Data, layout: _Layout, at: int, table: _Table, found: Survey) -> None:
    first: dict[int, _Entry] = {}
    for entry in table.entries:
        if not entry.sound and entry.tag not in _PIXELS:
            found.say("damaged TIFF tags were left out")
        if entry.sound:
            first.setdefault(entry.tag, entry)
    if _ORIENTATION in first:
        number = next(iter(_numbers(layout, first[_ORIENTATION], data)), 0)
        found.orientation = number if 1 <= number <= 8 else 1
    blocks = {tag: _value(data, layout, e) for tag, e in first.items() if e.size <= MOST and tag in _BLOCKS}
    found.xmp, found.icc = blocks.get(_XMP, b""), blocks.get(_ICC, b"")
    found.iptc = blocks.get(_IPTC, b"") or iptc.from_resources(blocks.get(_PHOTOSHOP, b""))
    try:
        found.exif = _exif(data, layout, at, first, found)
    except Exception:  # Pillow on untrusted values
        found.say("damaged EXIF was left out")


def _exif(data: Data, layout: _Layout, at: int, first: dict[int, _Entry], found: Survey) -> bytes:
    """An EXIF block of the texts and of the EXIF and GPS directories, as far as they are valid."""
    from PIL import Image

    block = Image.Exif()
    block.endian, block.bigtiff = layout.order, layout.big
    patches: dict[int, bytes] = {}
    table = _directory(data, layout, at)
    own = range(at, at + table.size)
    wanted = {tag: entry for tag, entry in first.items() if tag in _TEXTS}
    for tag in (EXIF_IFD, GPS_IFD):
        if tag in first and _sound_directories(data, layout, first[tag], own, patches):
            wanted[tag] = first[tag]
        elif tag in first:
            found.say("a damaged directory of EXIF was left out")
    if not wanted:
        return b""
    patches[at] = table.of([wanted[tag] for tag in sorted(wanted)])
    block.load_from_fp(stream_of(data, _patched(len(data), patches)), at)
    texts = {tag: str(block[tag]) for tag in _TEXTS if tag in block}
    directories = {tag: dict(block.get_ifd(tag)) for tag in (EXIF_IFD, GPS_IFD) if tag in block}
    return exif.composed(texts, cast(Any, directories), found.notes) if texts or directories else b""


def _sound_directories(data: Data, layout: _Layout, pointer: _Entry, own: range, patches: dict[int, bytes]) -> bool:
    """Patch a directory, and the interoperability directory in it, so that only valid entries remain; True if any do.

    False for one that overlaps the image's `own`.
    """
    at = next(iter(_numbers(layout, pointer, data)), 0)
    if not 8 <= at < len(data) - 2:
        return False
    table = _directory(data, layout, at)
    if at < own.stop and own.start < at + table.size:
        return False
    kept = [e for e in table.entries if e.sound and e.tag != INTEROP_IFD]
    for entry in table.entries:
        if entry.tag == INTEROP_IFD and at not in patches:
            patches[at] = b""
            kept += [entry] if _sound_directories(data, layout, entry, own, patches) else []
    patches[at] = table.of(sorted(kept, key=lambda e: e.tag))
    return bool(kept) or not table.entries
