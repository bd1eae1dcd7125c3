"""Metadata of JPEGs: APP and COM segments (ITU T.81, annex B; EXIF 2.32, section 4.5)."""

from __future__ import annotations

import struct

from imgcycle.media.files import Data
from imgcycle.media.metadata import iptc
from imgcycle.media.metadata.directories import unwrapped
from imgcycle.media.metadata.survey import MOST, Survey

EXIF_HEADER, XMP_HEADER = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_ICC_HEADER = b"ICC_PROFILE\0"
_SCAN, _COMMENT = 0xDA, 0xFE
_APPS = range(0xE0, 0xF0)
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_TRIES = 16
_MOST_SEGMENTS = 20_000
"""Limit on segments that no decoder needs; beyond it the reader skips ahead."""


def survey_jpeg(data: Data) -> Survey:
    """The survey of a JPEG; of APP and COM segments the decoder needs only JFIF's and Adobe's."""
    walk = _Walk(data)
    if not walk.to_scan(2) and walk.astray:
        # The length of a metadata segment led past the decoder's tables, so these are searched for. A thumbnail has
        # tables as well, and is the smaller image.
        ways = [way for start in _tables_after(data, walk.astray) if (way := _Walk(data)).to_scan(start)]
        if ways:
            walk.take_up(max(ways, key=lambda way: way.pixels))
        else:
            walk = _Walk(data, lenient=True)
            walk.to_scan(2)
        walk.found.say("damaged metadata were left out")
    found, parts = walk.found, walk.parts
    found.pieces.insert(0, b"\xff\xd8")
    found.exif = unwrapped(b"".join(parts.exif))[:MOST]
    found.xmp = parts.xmp
    found.icc = _profile(parts.icc)
    found.iptc = iptc.from_resources(b"".join(parts.photoshop))
    for comment in parts.comments:
        found.add_comment(comment)
    if parts.extended:
        found.say("extended XMP was left out")
    return found


class _Parts:
    """Payloads of metadata segments, by kind."""

    def __init__(self) -> None:
        self.exif: list[bytes] = []
        self.icc: list[bytes] = []
        self.photoshop: list[bytes] = []
        self.comments: list[bytes] = []
        self.xmp = b""
        self.extended = False

    def add(self, other: _Parts) -> None:
        self.exif += other.exif
        self.icc += other.icc
        self.photoshop += other.photoshop
        self.comments += other.comments
        self.xmp = other.xmp or self.xmp
        self.extended = self.extended or other.extended

    def take(self, marker: int, payload: bytes) -> None:
        """Add the payload of one segment."""
        if marker == _COMMENT:
            self.comments.append(payload)
        elif marker == 0xE1 and payload.startswith(EXIF_HEADER):
            self.exif.append(payload[len(EXIF_HEADER) :])
        elif marker == 0xE1 and payload.startswith(XMP_HEADER):
            self.xmp = payload[len(XMP_HEADER) :]
        elif marker == 0xE1 and payload.startswith(_EXTENDED_XMP):
            self.extended = True
        elif marker == 0xE2 and payload.startswith(_ICC_HEADER):
            self.icc.append(payload)
        elif marker == 0xED and payload.startswith(iptc.PHOTOSHOP):
            self.photoshop.append(payload[len(iptc.PHOTOSHOP) :])


class _Walk:
    """One pass over the segments of a file: what was found, and the number of pixels of the frame.

    `astray` is the offset of the segment, if any, whose length does not lead to another one. A `lenient` pass goes on
    then.
    """

    def __init__(self, data: Data, lenient: bool = False) -> None:
        self.found, self.parts = Survey(), _Parts()
        self.pixels = self.astray = 0
        self._data, self._lenient = data, lenient

    def to_scan(self, at: int) -> bool:
        """Walk from an offset to the start of a scan; True if one was found after a frame header."""
        data, size = self._data, len(self._data)
        aside = count = 0
        while at + 1 < size:
            if data[at] != 0xFF:
                following = data.find(b"\xff", at)
                if aside and not self._lenient and bytes(data[at : at + 64]).strip(b"\0"):
                    self.astray = aside
                    return False
                at = following if following >= 0 else size
                continue
            marker = data[at + 1]
            if marker in (0x00, 0xFF):
                at += 1 + (marker == 0)
                continue
            if marker == _SCAN or marker in _ALONE or at + 4 > size:
                end = size if marker not in _ALONE else at + 2
                self.found.keep(at, end)
                if marker == _SCAN:
                    return self.pixels > 0
                at, aside = end, 0
                continue
            length = struct.unpack(">H", data[at + 2 : at + 4])[0]
            end = at + 2 + length
            if marker not in _APPS and marker != _COMMENT:
                if marker in _FRAMES and end <= size and length >= 8:
                    height, width = struct.unpack(">HH", data[at + 5 : at + 9])
                    self.pixels = max(1, height * width)
                self.found.keep(at, min(end, size))
                aside = 0
            elif end > size or length < 2 or (count > _MOST_SEGMENTS and not self._lenient):
                self.astray = at
                return False
            else:
                payload = bytes(data[at + 4 : end])
                if _is_needed(marker, payload):
                    self.found.keep(at, end)
                else:
                    self.parts.take(marker, payload)
                aside, count = at, count + 1
            at = max(end, at + 2)
        self.astray = aside or self.astray
        return False

    def take_up(self, other: _Walk) -> None:
        """Append another pass, which begins after the segment where this one went astray."""
        start = next((p.start for p in other.found.pieces if isinstance(p, range)), 0)
        between = bytes(self._data[self.astray : start])
        at = between.rfind(b"\xff\xee\0\x0eAdobe")
        if 0 <= at <= len(between) - 16:
            self.found.pieces.append(between[at : at + 16])
        self.found.pieces += other.found.pieces
        self.parts.add(other.parts)


def _is_needed(marker: int, payload: bytes) -> bool:
    """True if a decoder uses an APP segment; decoders ignore those that are too short."""
    if marker == 0xE0:
        return payload.startswith(b"JFIF") and len(payload) >= 14
    return marker == 0xEE and payload.startswith(b"Adobe") and len(payload) >= 12


def _tables_after(data: Data, start: int) -> list[int]:
    """Offsets of possible quantisation tables, which most encoders write first."""
    found: list[int] = []
    while start > 0 and len(found) < _TRIES and (start := data.find(b"\xff\xdb\0", start)) >= 0:
        found.append(start)
        start += 3
    return found


def _profile(segments: list[bytes]) -> bytes:
    """The ICC profile from its numbered pieces (ICC.1, annex B.4); empty if some are missing."""
    ordered = sorted(piece[len(_ICC_HEADER) :] for piece in segments if len(piece) > len(_ICC_HEADER) + 1)
    if not ordered or ordered[0][1] != len(ordered):
        return b""
    return b"".join(piece[2:] for piece in ordered)
