"""IPTC (IPTC-NAA IIM 4.2): captions, keywords, bylines as news agencies write them; and Photoshop's wrapper of it."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

from imgcycle.media.metadata.places import tells_place

PHOTOSHOP = b"Photoshop 3.0\0"
_IPTC, _DIGEST = 0x0404, 0x0425
_MOST = 20_000
"""Most datasets of one image."""
_PLACES = frozenset({(2, n) for n in (26, 27, 90, 92, 95, 100, 101)})
"""Content location code and name, city, sublocation, province, country code and name."""


def from_resources(resources: bytes) -> bytes:
    """IPTC data in Photoshop's image resources (`8BIM`), concatenated; empty if there are none."""
    found, at = [], 0
    while resources[at : at + 4] in (b"8BIM", b"PHUT", b"AgHg", b"DCSR", b"MeSa"):
        name = resources[at + 6 : at + 7]
        if not name:
            break
        after = at + 6 + (1 + name[0] + 1) // 2 * 2
        if after + 4 > len(resources):
            break
        (kind,), (size,) = struct.unpack_from(">H", resources, at + 4), struct.unpack_from(">I", resources, after)
        if kind == _IPTC:
            found.append(resources[after + 4 : after + 4 + size])
        at = after + 4 + size + size % 2
    return b"".join(found)


def as_resources(iptc: bytes) -> bytes:
    """IPTC data as Photoshop's image resources, with the digest by which programs check that it agrees with XMP."""
    parts = ((_IPTC, iptc), (_DIGEST, hashlib.md5(iptc, usedforsecurity=False).digest()))
    return b"".join(
        struct.pack(">4sHHI", b"8BIM", kind, 0, len(data)) + data + bytes(len(data) % 2) for kind, data in parts
    )


def updated_iptc(iptc: bytes, keep_gps: bool = True, notes: list[str] | None = None) -> bytes:
    """The valid datasets, byte for byte; `keep_gps` False leaves out those that are a location or tell one.

    Truncated and invalid data are dropped, with a line in `notes`.
    """
    kept, read = [], 0
    for record, number, start, end in _datasets(iptc):
        value = iptc[start:end]
        if keep_gps or not ((record, number) in _PLACES or tells_place(value)):
            kept.append(iptc[read:end])
        read = end
    if notes is not None and iptc[read:].strip(b"\0"):
        notes.append("damaged IPTC was left out")
    return b"".join(kept)


def _datasets(iptc: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield record, number, and start and end of the value of each valid dataset."""
    at = 0
    for _ in range(_MOST):
        if at + 5 > len(iptc) or iptc[at] != 0x1C:
            return
        record, number, size = struct.unpack_from(">BBH", iptc, at + 1)
        start = at + 5
        if size & 0x8000:  # an extended dataset: the length of its length field
            length = size & 0x7FFF
            if not 0 < length <= 4 or start + length > len(iptc):
                return
            size = int.from_bytes(iptc[start : start + length], "big")
            start += length
        if start + size > len(iptc):
            return
        yield record, number, start, start + size
        at = start + size
