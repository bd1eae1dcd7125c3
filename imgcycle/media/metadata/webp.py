"""Metadata of WebPs: ICCP, EXIF and XMP chunks (RFC 9649, section 2.7)."""

from __future__ import annotations

import struct

from imgcycle.media.files import Data
from imgcycle.media.metadata.directories import unwrapped
from imgcycle.media.metadata.survey import MOST, Survey

_NEEDED = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"})
_SAID = 0x20 | 0x08 | 0x04
"""Flags of the extended header for ICC profile, EXIF and XMP."""


def survey_webp(data: Data) -> Survey:
    """The survey of a WebP; the decoder needs the pixel chunks, with a header without metadata flags."""
    found = Survey()
    (claimed,) = struct.unpack("<I", data[4:8])
    end = min(len(data), 8 + claimed) if claimed >= 12 else len(data)
    # Data missing at the end are for the decoder to report, unless they are metadata.
    at, size, missing = 12, 4, max(0, 8 + claimed - len(data))
    pieces: list[bytes | range] = []
    while at + 8 <= end:
        kind, length = struct.unpack("<4sI", data[at : at + 8])
        after = at + 8 + length + length % 2
        if kind in _NEEDED:
            stop = min(after, len(data))
            if kind == b"VP8X" and length >= 1:
                head = bytes(data[at : at + 8]) + bytes([data[at + 8] & ~_SAID])
                pieces += [head, range(at + 9, stop)]
            else:
                pieces.append(range(at, stop))
            # A last chunk without its padding is taken as it is.
            if after > stop == len(data):
                pieces.append(bytes(after - stop) if after - stop == 1 else b"")
            size += after - at
        elif at + 8 + length > len(data):
            found.say("damaged metadata were left out")
            missing = 0
        elif kind in (b"EXIF", b"XMP ", b"ICCP") and length <= MOST:
            _take(kind, bytes(data[at + 8 : at + 8 + length]), found)
        at = after
    header = b"RIFF" + struct.pack("<I", min(size + missing, 2**32 - 1)) + b"WEBP"
    found.pieces = [header, *(piece for piece in pieces if len(piece))]
    return found


def _take(kind: bytes, payload: bytes, found: Survey) -> None:
    if kind == b"EXIF":
        found.exif = found.exif or unwrapped(payload)
    elif kind == b"XMP ":
        found.xmp = found.xmp or payload
    else:
        found.icc = found.icc or payload
