"""Metadata of PNGs: ancillary chunks (PNG Specification, third edition, section 11.3)."""

from __future__ import annotations

import struct
import zlib

from imgcycle.media.files import Data
from imgcycle.media.metadata import iptc
from imgcycle.media.metadata.directories import unwrapped
from imgcycle.media.metadata.jpeg import XMP_HEADER
from imgcycle.media.metadata.survey import MOST, Survey, spare_memory

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NEEDED = frozenset({b"tRNS", b"acTL", b"fcTL", b"fdAT"})
_COLOUR = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"pHYs": 9}
"""Chunks on colour and resolution, and their sizes: passed on to the decoder if they are valid."""
_WRITTEN_AGAIN = (b"gAMA", b"cHRM", b"sRGB", b"cICP")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_XMP_KEY, _RAW_PROFILE = b"XML:com.adobe.xmp", b"raw profile type "
_EVERY = 1 << 26
_TRIES, _MOST_TRIES = 4, 20
_MOST_CHUNKS = 50_000
"""Limit on consecutive chunks that no decoder needs; beyond it the reader skips ahead."""


def survey_png(data: Data) -> Survey:
    """The survey of a PNG; the decoder needs critical chunks, transparency and animation."""
    found, size = Survey(), len(data)
    found.keep(0, len(SIGNATURE))
    at, aside, pixels, spared = len(SIGNATURE), 0, False, 0
    count = tries = 0
    while at + 8 <= size:
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        end = at + 12 + length
        sound = kind.isalpha() and kind.isascii()
        begun = aside or (at if sound and kind[0] & 0x20 else 0)
        lost = not sound or end > size
        if (lost or count > _MOST_CHUNKS) and tries < _MOST_TRIES:
            tries += 1
            if start := _resumed(data, begun if lost else at - 8, pixels) if begun else 0:
                # The length of an ancillary chunk was wrong, or there are too many of them.
                found.say("damaged metadata were left out" if lost else "more chunks than a picture has were left out")
                at, aside, count = start, 0, 0
                continue
            count = 0
        if lost:
            found.keep(at, size)
            return found
        if not kind[0] & 0x20 or kind in _NEEDED:
            found.keep(at, end)
            aside = count = 0
            pixels = pixels or kind == b"IDAT"
        else:
            aside, count = aside or at, count + 1
            _take(data, at, kind, length, found, pixels)
        at = end
        if at - spared > _EVERY:
            spare_memory(data)
            spared = at
        if kind == b"IEND":
            break
    found.keep(at, size)
    return found


def _resumed(data: Data, after: int, pixels: bool) -> int:
    """Offset of the next chunk with a valid checksum that a decoder needs; 0 if there is none."""
    names = (b"IEND", b"IDAT", b"fcTL", b"fdAT") if pixels else (b"IDAT", b"PLTE", b"tRNS", b"acTL", b"fcTL")
    found = [at for name in names if (at := _sound_chunk(data, after, name))]
    return min(found, default=0)


def _sound_chunk(data: Data, start: int, name: bytes) -> int:
    for _ in range(_TRIES):
        start = data.find(name, start + 8)
        if start < 4:
            return 0
        (length,) = struct.unpack(">I", data[start - 4 : start])
        end = start + 4 + length
        if end + 4 <= len(data) and struct.pack(">I", zlib.crc32(data[start:end])) == data[end : end + 4]:
            return start - 4
    return 0


def _take(data: Data, at: int, kind: bytes, length: int, found: Survey, pixels: bool) -> None:
    if kind not in (b"eXIf", b"iCCP", *_COLOUR, *_TEXTS):
        return
    if length > MOST:
        found.say(f"a {kind.decode()} chunk of {length / 1e6:.0f} MB was left out")
        return
    payload = bytes(data[at + 8 : at + 8 + length])
    if struct.pack(">I", zlib.crc32(payload, zlib.crc32(kind))) != data[at + 8 + length : at + 12 + length]:
        found.say(f"a damaged {kind.decode()} chunk was left out")
    elif kind in _COLOUR:
        if length == _COLOUR[kind]:
            found.keep(at, at + 12 + length)
            if kind in _WRITTEN_AGAIN and not pixels:
                found.colour.append((kind, payload))
    elif kind == b"eXIf":
        found.exif = unwrapped(payload)
    elif kind == b"iCCP":
        _take_profile(payload, found)
    elif not _take_text(kind, payload, found):
        found.say(f"a damaged {kind.decode()} chunk was left out")


def _take_profile(payload: bytes, found: Survey) -> None:
    _, _, rest = payload.partition(b"\0")
    profile = found.inflated(rest[1:]) if rest[:1] == b"\0" else None
    if profile is None:
        found.say("a damaged colour profile was left out")
    else:
        found.icc = profile


def _take_text(kind: bytes, payload: bytes, found: Survey) -> bool:
    """Add a text chunk, or the EXIF, XMP or IPTC that programs hide in texts; True if it is valid."""
    key = payload.partition(b"\0")[0]
    text = text_of(kind, payload, found)
    if text is None:
        return False
    if key == _XMP_KEY:
        found.xmp = text
    elif key.lower().startswith(_RAW_PROFILE):
        return _take_raw_profile(key.lower()[len(_RAW_PROFILE) :], text, found)
    elif key.lower() == b"exif" and unwrapped(text)[:4] in (b"II*\0", b"MM\0*"):
        found.exif = found.exif or unwrapped(text)
    elif 1 <= len(key) <= 79:
        found.add_text(kind, payload)
    else:
        return False
    return True


def text_of(kind: bytes, payload: bytes, found: Survey) -> bytes | None:
    """Text of a tEXt, zTXt or iTXt chunk, inflated; None if it is damaged or too long."""
    _, mark, rest = payload.partition(b"\0")
    if not mark:
        return None
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        return found.inflated(rest[1:]) if rest[:1] == b"\0" else None
    packed, method = rest[:1], rest[1:2]
    parts = rest[2:].split(b"\0", 2)
    if len(parts) < 3 or packed not in (b"\0", b"\1"):
        return None
    if packed == b"\0":
        return parts[2]
    return found.inflated(parts[2]) if method == b"\0" else None


def _take_raw_profile(name: bytes, text: bytes, found: Survey) -> bool:
    """Parse ImageMagick's raw profiles: a name, a length and the data in hexadecimal lines."""
    lines = text.split(b"\n", 3)
    try:
        data = bytes.fromhex(lines[3].decode("ascii")) if len(lines) > 3 else b""
    except ValueError:
        data = b""
    if not data:
        return False
    if name in (b"exif", b"app1"):
        if data.startswith(XMP_HEADER):
            found.xmp = found.xmp or data[len(XMP_HEADER) :]
        else:
            found.exif = found.exif or unwrapped(data)
    elif name == b"xmp":
        found.xmp = found.xmp or data
    elif name in (b"iptc", b"8bim", b"app13"):
        data = data.removeprefix(iptc.PHOTOSHOP)
        found.iptc = found.iptc or (data if data[:1] == b"\x1c" else iptc.from_resources(data))
    elif name in (b"icc", b"icm"):
        found.icc = found.icc or data
    else:
        found.say("a raw profile of unknown type was left out")
    return True
