"""Metadata of GIFs: comments and application extensions (GIF89a, sections 24 and 26)."""

from __future__ import annotations

from imgcycle.media.files import Data
from imgcycle.media.metadata.survey import MOST, Survey

_XMP = b"XMP DataXMP"
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
XMP_TRAILER = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
"""258 bytes after an XMP packet, which is not split into sub-blocks, that lead any reader to its end."""
_EXTENSION, _IMAGE, _END = 0x21, 0x2C, 0x3B
_COMMENT, _APPLICATION = 0xFE, 0xFF
_MOST_BLOCKS = 70_000
"""Most sub-blocks of one comment: enough for the longest comment that is kept."""


def survey_gif(data: Data) -> Survey:
    """The survey of a GIF; the decoder needs everything but comments and foreign application extensions."""
    found, size = Survey(), len(data)
    at = 13 + _table(data[10]) if size > 13 else size
    found.keep(0, min(at, size))
    while at < size:
        start, kind = at, data[at]
        if kind == _IMAGE and at + 10 < size:
            at = _blocks_end(data, at + 10 + _table(data[at + 9]) + 1)
            found.keep(start, at)
        elif kind == _EXTENSION and at + 2 < size:
            at = _extension(data, at, found)
        else:  # the end, or an unknown block: left to the decoder
            found.keep(at, size)
            break
    return found


def _extension(data: Data, at: int, found: Survey) -> int:
    """Read one extension; return the offset of the next block."""
    label = data[at + 1]
    if label == _COMMENT:
        return _comment(data, at + 2, found)
    name = bytes(data[at + 3 : at + 14]) if label == _APPLICATION and data[at + 2] == len(_XMP) else b""
    if name == _XMP:
        end = data.find(XMP_TRAILER, at + 14)
        if 0 <= end <= at + MOST:
            found.xmp = found.xmp or bytes(data[at + 14 : end])
            return end + len(XMP_TRAILER)
        found.say("damaged XMP was left out")
    end = _blocks_end(data, at + 2)
    if label != _APPLICATION or name in _LOOPS:
        found.keep(at, end)
    return end


def _comment(data: Data, at: int, found: Survey) -> int:
    blocks: list[bytes] = []
    start, size = at, len(data)
    while at < size and len(blocks) < _MOST_BLOCKS and (length := data[at]):
        blocks.append(bytes(data[at + 1 : at + 1 + length]))
        at += 1 + length
    if len(blocks) < _MOST_BLOCKS:
        found.add_comment(b"".join(blocks))
        return min(at + 1, size)
    found.say("more texts than a picture has were left out")
    return _blocks_end(data, start)


def _table(flags: int) -> int:
    """Bytes of a colour table, from its flags."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _blocks_end(data: Data, at: int) -> int:
    """Offset after the terminator of a row of sub-blocks."""
    size = len(data)
    while at < size and data[at]:
        at += 1 + data[at]
    return min(at + 1, size)
