"""Pictures of every format, small, and ways to damage them that are written down by a number alone."""

from __future__ import annotations

import functools
import io
import random
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from tests.media.heif import heic
from tests.media.pictures import encoded, exif_block, scene, srgb_profile, wide_profile
from tests.media.tiffs import tiff_of

MOST_PIXELS = 2_000_000
_EXTREMES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 16, 255, 256, 65536)


def saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    out = io.BytesIO()
    # Copies, since an image remembers how it was coded.
    if "append_images" in options:
        options["append_images"] = [other.copy() for other in options["append_images"]]
    image.copy().save(out, format_, **options)
    return out.getvalue()


@functools.cache
def pictures() -> dict[str, bytes]:
    """One picture a kind, of about 40 by 30 pixels."""
    rgb = scene(30, 40)
    wide = rgb.astype(np.uint16) * 257
    image, clear = Image.fromarray(rgb), Image.fromarray(np.dstack([rgb, rgb[..., 0]]))
    frames = [Image.fromarray(scene(30, 40, n)) for n in range(3)]
    moving: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 40}
    about: dict[str, Any] = {"exif": exif_block(6), "icc_profile": wide_profile(), "dpi": (300, 300)}
    found = {
        "jpeg": encoded(rgb, **about, xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"),
        "jpeg 420": encoded(rgb, subsampling=2, restart_marker_blocks=2),
        "jpeg progressive": encoded(rgb, progressive=True),
        "jpeg without end": encoded(rgb)[:-2],
        "jpeg grey": encoded(rgb[..., 0]),
        "jpeg cmyk": saved(image.convert("CMYK"), "JPEG"),
        "mpo": saved(image, "MPO", save_all=True, append_images=frames[1:]),
        "png": encoded(rgb, "PNG", **about),
        "png palette": saved(image.quantize(16), "PNG", transparency=3),
        "png 16": cv2.imencode(".png", wide)[1].tobytes(),
        "png clear": saved(clear, "PNG"),
        "apng": saved(frames[0], "PNG", **moving),
        "webp": saved(image, "WEBP", icc_profile=srgb_profile()),
        "webp lossless": saved(clear, "WEBP", lossless=True),
        "webp moving": saved(frames[0], "WEBP", **moving),
        "gif": saved(image.quantize(32), "GIF"),
        "gif moving": saved(frames[0], "GIF", **moving),
        "avif": saved(image, "AVIF", speed=10),
        "avif moving": saved(frames[0], "AVIF", **moving, speed=10),
        "bmp": saved(image, "BMP"),
        "bmp palette": saved(image.quantize(16), "BMP"),
        "dib": saved(image, "BMP")[14:],
        "pgm": saved(image.convert("L"), "PPM"),
        "pbm": saved(image.convert("1"), "PPM"),
        "ppm 16": b"P6 40 30 4095\n" + (wide >> 4).astype(">u2").tobytes(),
        "ppm text": b"P3 40 30 999\n" + " ".join(map(str, rgb.ravel())).encode(),
        "jp2": saved(image, "JPEG2000"),
        "jp2 16": cv2.imencode(".jp2", scene(48, 64).astype(np.uint16) * 257)[1].tobytes(),
        "tiff": saved(image, "TIFF", **about),
        "tiff jpeg": saved(image, "TIFF", compression="jpeg"),
        "tiff fax": saved(image.convert("1"), "TIFF", compression="group4"),
        "tiff palette": saved(image.quantize(16), "TIFF", compression="tiff_lzw"),
        "tiff lzw 16": tiff_of(wide, 2, compression=5, predictor=2, rows=7),
        "tiff planes": tiff_of(wide, 2, compression=8, planar=True, rows=9, order=">"),
        "tiff tiles": tiff_of(np.dstack([wide, wide[..., :2]]), 2, extra=(1, 0), tile=(16, 16), compression=32773),
        "tiff 12": tiff_of((wide >> 4)[..., :1], 1, bits=12),
        "tiff signed 32": tiff_of(wide.astype(np.int32), 2, compression=50000),
        "tiff inks": tiff_of(np.dstack([wide, wide[..., :1]]), 5),
        "tiff pages": saved(image, "TIFF", save_all=True, append_images=frames[1:]),
    }
    with tempfile.TemporaryDirectory() as folder:
        found["heic"] = heic(scene(32, 48), Path(folder), exif_block().removeprefix(b"Exif\0\0"))
    return found


def damaged(name: str, number: int) -> bytes:
    """The picture of that name after the damage of that number; always the same bytes."""
    chance = random.Random(f"{name} {number}")
    data = bytearray(pictures()[name])
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        ways: tuple[Callable[[bytearray, random.Random], None], ...] = (
            _flip,
            _extreme,
            _cut,
            _remove,
            _repeat,
            _insert,
        )
        ways += (_STRUCTURED.get(name.split(maxsplit=1)[0], _flip),) * 4
        chance.choice(ways)(data, chance)
        if len(data) < 8:
            break
    return bytes(data)


def _place(data: bytearray, chance: random.Random) -> int:
    """Headers above all."""
    reach = min(len(data), 400) if chance.random() < 0.6 else len(data)
    return chance.randrange(max(1, reach))


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 2, 5, 20))):
        data[_place(data, chance)] = chance.randrange(256)


def _extreme(data: bytearray, chance: random.Random) -> None:
    value = chance.choice(_EXTREMES)
    form = chance.choice("<>") + chance.choice("HI")
    part = struct.pack(form, value & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))
    at = _place(data, chance)
    data[at : at + len(part)] = part


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(1, len(data)) :]


def _remove(data: bytearray, chance: random.Random) -> None:
    first, last = sorted((_place(data, chance), _place(data, chance)))
    del data[first:last]


def _repeat(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    part = data[at : at + chance.randrange(1, 200)]
    to = _place(data, chance)
    data[to:to] = part


def _insert(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    data[at:at] = chance.randbytes(chance.choice((1, 4, 60, 3000)))


def _chunks(data: bytearray, chance: random.Random) -> None:
    """PNG: a chunk changed, dropped, repeated or moved, its checksum right."""
    at, found = 8, []
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            break
        found.append((bytes(data[at + 4 : at + 8]), bytearray(data[at + 8 : at + 8 + length])))
        at += 12 + length
    if not found:
        return
    kind, body = chance.choice(found)
    what = chance.randrange(5)
    if what == 0 and body:
        body[chance.randrange(len(body))] = chance.randrange(256)
    elif what == 1:
        found.remove((kind, body))
    elif what == 2:
        found.insert(chance.randrange(len(found)), (kind, body))
    elif what == 3:
        chance.shuffle(found)
    else:
        new = chance.choice((b"iCCP", b"gAMA", b"cHRM", b"cICP", b"sBIT", b"tRNS", b"eXIf", b"iTXt", b"zTXt", b"fcTL"))
        found.insert(chance.randrange(len(found)), (new, bytearray(chance.randbytes(chance.choice((0, 4, 32, 40))))))
    parts = [struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in found]
    data[8:] = b"".join(parts)


def _segments(data: bytearray, chance: random.Random) -> None:
    """JPEG: a marker changed, or a segment's length, or one put in."""
    places = [n for n in range(len(data) - 3) if data[n] == 0xFF and data[n + 1] not in (0, 0xFF)]
    if not places:
        return
    at = chance.choice(places)
    what = chance.randrange(3)
    if what == 0:
        data[at + 1] = chance.choice(
            (0xC0, 0xC2, 0xC4, 0xD0, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xE1, 0xE2, 0xEE, 0xFE)
        )
    elif what == 1:
        data[at + 2 : at + 4] = struct.pack(">H", chance.choice((0, 1, 2, 3, 17, 500, 65535)))
    else:
        data[at:at] = bytes([0xFF, chance.choice(b"\xc4\xdb\xdd\xe0\xe1\xe2\xfe")]) + chance.randbytes(20)


def _entries(data: bytearray, chance: random.Random) -> None:
    """TIFF: an entry's tag, type, number or value."""
    order = "<" if data[:2] == b"II" else ">"
    try:
        (at,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, at)
        entry = at + 2 + 12 * chance.randrange(max(1, min(count, 40)))
        what = chance.randrange(5)
        if what == 0:
            tag = chance.choice((254, 256, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 325, 338, 339))
            struct.pack_into(order + "H", data, entry, tag)
        elif what == 1:
            struct.pack_into(order + "H", data, entry + 2, chance.randrange(20))
        elif what == 2:
            struct.pack_into(order + "I", data, entry + 4, chance.choice((*_EXTREMES, 3, 4, 5, 100)))
        elif what == 3:
            struct.pack_into(order + "I", data, entry + 8, chance.choice((*_EXTREMES, 3, 4, 5, 6, 8, 32, 64, 100)))
        else:
            struct.pack_into(
                order + "H", data, entry + 8, chance.choice((0, 1, 2, 3, 4, 5, 6, 8, 12, 16, 32, 64, 999, 34712))
            )
    except struct.error:
        return


def _boxes(data: bytearray, chance: random.Random) -> None:
    """AVIF, HEIC, JPEG 2000, WebP: a box's size, kind or contents."""
    kinds = (
        b"ftyp meta iloc iinf infe iprp ipco ispe pixi colr ipma iref idat mdat moov trak stbl stsz jp2h ihdr".split()
    )
    kinds += b"VP8X VP8L ANIM ANMF ALPH EXIF ICCP av1C hvcC".split()
    places = [at for kind in kinds if (at := data.find(kind)) >= 4]
    if not places:
        return
    at = chance.choice(places)
    what = chance.randrange(3)
    if what == 0:
        struct.pack_into(chance.choice("<>") + "I", data, at - 4, chance.choice((*_EXTREMES, 8, 12, 20, 100)))
    elif what == 1:
        data[at : at + 4] = chance.choice(kinds)
    else:
        for _ in range(3):
            data[min(len(data) - 1, at + 4 + chance.randrange(40))] = chance.randrange(256)


_STRUCTURED: dict[str, Callable[[bytearray, random.Random], None]] = {
    "png": _chunks,
    "apng": _chunks,
    "jpeg": _segments,
    "mpo": _segments,
    "tiff": _entries,
    "avif": _boxes,
    "heic": _boxes,
    "jp2": _boxes,
    "webp": _boxes,
}
