"""Animations made for tests byte by byte, and read back the same way: nothing of what they are tested with is used."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]
SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Seen:
    """What an animation's bytes say: format, size, plays (0 for ever), seconds of each frame."""

    format: str
    size: tuple[int, int]
    plays: int
    delays: list[Fraction]


def seen(data: bytes) -> Seen:
    """Size, plays and delays as its format's specification has them."""
    if data[:3] == b"GIF":
        return _seen_gif(data)
    if data[4:8] == b"ftyp":
        return _seen_avif(data)
    return _seen_png(data) if data[:8] == SIGNATURE else _seen_webp(data)


def _seen_gif(data: bytes) -> Seen:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + (3 << (flags & 7) + 1 if flags & 128 else 0)
    plays, delay, delays = 1, 0, []
    while data[at] != 0x3B:
        if data[at] == 0x21:
            if data[at + 1] == 0xF9:
                delay = struct.unpack_from("<H", data, at + 4)[0]
            elif data[at + 3 : at + 14] == b"NETSCAPE2.0":
                count = struct.unpack_from("<H", data, at + 16)[0]
                plays = count + 1 if count else 0
            if data[at + 3 : at + 14] == b"XMP DataXMP":
                at = data.index(bytes(range(255, -1, -1)), at) + 257
                continue
            at += 2
        else:
            assert data[at] == 0x2C, hex(data[at])
            delays.append(Fraction(delay, 100))
            flags = data[at + 9]
            at += 11 + (3 << (flags & 7) + 1 if flags & 128 else 0)
        while data[at]:
            at += 1 + data[at]
        at += 1
    return Seen("GIF", (width, height), plays, delays)


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG, each with the checksum that it should have."""
    at, found = 8, []
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", data, at + 8 + size)[0] == zlib.crc32(kind + body)
        found.append((kind, body))
        at += 12 + size
    return found


def _seen_png(data: bytes) -> Seen:
    found = chunks(data)
    count, plays = struct.unpack(">II", next(body for kind, body in found if kind == b"acTL"))
    controls = [struct.unpack(">IIIIIHHBB", body) for kind, body in found if kind == b"fcTL"]
    assert len(controls) == count
    order = [struct.unpack_from(">I", body)[0] for kind, body in found if kind in (b"fcTL", b"fdAT")]
    assert order == list(range(len(order)))
    delays = [Fraction(c[5], c[6] or 100) for c in controls]
    return Seen("PNG", struct.unpack_from(">II", found[0][1]), plays, delays)


def _seen_webp(data: bytes) -> Seen:
    assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8
    at, plays, delays, size = 12, -1, [], (0, 0)
    while at < len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + length]
        if kind == b"VP8X":
            size = int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
        elif kind == b"ANIM":
            plays = struct.unpack_from("<H", body, 4)[0]
        elif kind == b"ANMF":
            delays.append(Fraction(int.from_bytes(body[12:15], "little"), 1000))
        at += 8 + length + (length & 1)
    return Seen("WEBP", size, plays, delays)


def _seen_avif(data: bytes) -> Seen:
    """Of a file with one track, whose boxes are of version 1 as libavif writes them."""
    edits, track, clock, times = (data.index(kind) + 4 for kind in (b"elst", b"tkhd", b"mdhd", b"stts"))
    (scale,) = struct.unpack_from(">I", data, clock + 20)
    delays: list[Fraction] = []
    for n in range(struct.unpack_from(">I", data, times + 4)[0]):
        count, ticks = struct.unpack_from(">II", data, times + 8 + 8 * n)
        delays += [Fraction(ticks, scale)] * count
    whole, once = struct.unpack_from(">Q", data, track + 28)[0], struct.unpack_from(">Q", data, edits + 8)[0]
    assert once == sum(delays) * scale
    plays = 1 if not data[edits + 3] & 1 else 0 if whole == 2**64 - 1 else whole // once
    size = struct.unpack_from(">II", data, track + 88)
    return Seen("AVIF", (size[0] >> 16, size[1] >> 16), plays, delays)


def composed(data: bytes) -> list[Array]:
    """Every frame in full as Pillow composes it, (H, W, 4)."""
    image = Image.open(io.BytesIO(data))
    found = []
    for n in range(getattr(image, "n_frames", 1)):
        image.seek(n)
        found.append(np.asarray(image.convert("RGBA")).copy())
    return found


def gif_blocks(
    indices: Array,
    palette: Array | None = None,
    *,
    at: tuple[int, int] = (0, 0),
    delay: int = 10,
    disposal: int = 0,
    clear: int | None = None,
    interlaced: bool = False,
    control: bool = True,
) -> bytes:
    """One image of a GIF with the block before it; codes without compression, 256 colours."""
    height, width = indices.shape
    flags = disposal << 2 | (clear is not None)
    head = b"\x21\xf9\x04" + struct.pack("<BHBB", flags, delay, clear or 0, 0) if control else b""
    marks = (0x87 if palette is not None else 0) | (0x40 if interlaced else 0)
    place = struct.pack("<BHHHHB", 0x2C, *at, width, height, marks)
    rows = indices
    if interlaced:
        rows = np.concatenate([indices[0::8], indices[4::8], indices[2::4], indices[1::2]])
    values = [int(v) for v in rows.reshape(-1)]
    bits, count = 0, 0
    for n, value in enumerate(values):
        if n % 200 == 0:  # the table never grows past nine bits
            bits |= 256 << count
            count += 9
        bits |= value << count
        count += 9
    bits |= 257 << count
    codes = bits.to_bytes((count + 9 + 7) // 8, "little")
    blocks = b"".join(bytes([len(codes[n : n + 255])]) + codes[n : n + 255] for n in range(0, len(codes), 255))
    table = b"" if palette is None else palette.astype(np.uint8).tobytes().ljust(768, b"\0")
    return head + place + table + b"\x08" + blocks + b"\0"


def loop_block(count: int, name: bytes = b"NETSCAPE2.0") -> bytes:
    return b"\x21\xff\x0b" + name + b"\x03\x01" + struct.pack("<H", count) + b"\0"


def gif(size: tuple[int, int], *blocks: bytes, palette: Array | None = None, background: int = 0) -> bytes:
    """A GIF of ready-made blocks, with a shared palette or none."""
    table = b"" if palette is None else palette.astype(np.uint8).tobytes().ljust(768, b"\0")
    head = struct.pack("<6sHHBBB", b"GIF89a", *size, 0xF7 if table else 0x70, background, 0)
    return head + table + b"".join(blocks) + b";"


@dataclass(frozen=True)
class Part:
    """One frame of an APNG: (h, w, 3 or 4) of uint8 or uint16, where it lies, how long, how laid and taken away."""

    pixels: Array
    delay: tuple[int, int] = (1, 10)
    at: tuple[int, int] = (0, 0)
    disposal: int = 0
    blend: int = 0


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def apng(*parts: Part, plays: int = 0, cover: Array | None = None, extra: bytes = b"") -> bytes:
    """An animated PNG; `cover` is its picture where that is none of the frames."""
    first = parts[0].pixels if cover is None else cover
    height, width, channels = first.shape
    bits = first.dtype.itemsize * 8
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    out = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)) + extra
    out += chunk(b"acTL", struct.pack(">II", len(parts), plays))
    if cover is not None:
        out += chunk(b"IDAT", _rows(cover))
    order = 0
    for n, part in enumerate(parts):
        h, w = part.pixels.shape[:2]
        control = struct.pack(">IIIIIHHBB", order, w, h, *part.at, *part.delay, part.disposal, part.blend)
        out, order = out + chunk(b"fcTL", control), order + 1
        if n or cover is not None:
            out, order = out + chunk(b"fdAT", struct.pack(">I", order) + _rows(part.pixels)), order + 1
        else:
            out += chunk(b"IDAT", _rows(part.pixels))
    return out + chunk(b"IEND", b"")


def _rows(pixels: Array) -> bytes:
    wide = pixels.astype(pixels.dtype.newbyteorder(">"))
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in wide))


def webp(pictures: list[Array], delays: list[int], plays: int = 0) -> bytes:
    """An animated WebP without loss, one chunk a frame whatever the frames."""
    height, width = pictures[0].shape[:2]
    alpha = pictures[0].shape[2] == 4
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    parts = [_riff(b"VP8X", struct.pack("<I", 0x12 if alpha else 0x02) + sides)]
    parts.append(_riff(b"ANIM", struct.pack("<IH", 0, plays)))
    for picture, delay in zip(pictures, delays, strict=True):
        out = io.BytesIO()
        Image.fromarray(picture).save(out, "WEBP", lossless=True, exact=True)
        whole = out.getvalue()
        start = whole.index(b"VP8L")
        size = struct.unpack_from("<I", whole, start + 4)[0]
        rows = whole[start : start + 8 + size + (size & 1)]
        parts.append(_riff(b"ANMF", bytes(6) + sides + struct.pack("<I", delay)[:3] + b"\x02" + rows))
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _riff(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) & 1)
