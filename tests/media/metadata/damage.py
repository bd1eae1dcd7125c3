"""Blocks of metadata spoilt at random, from a seed, and what has to hold of every picture that carries one."""

from __future__ import annotations

import io
import random
import struct
import warnings
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from imgcycle.media import formats
from imgcycle.media.codecs.registry import survey_metadata
from imgcycle.media.image.read import measure, read_still
from imgcycle.media.image.write import encode_still, losses
from tests.media.metadata import blocks
from tests.media.pictures import scene

_TELLING = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 8, 12, 0x8769, 0x8825, 0x014A)
EXIF = [blocks.full_exif("<"), blocks.full_exif(">")]
GPS_XMP = (
    '<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="48,8.22N">'
    "<exif:GPSLongitude>11,34.5E</exif:GPSLongitude></rdf:Description>"
)
XMP = [
    blocks.packet(blocks.TITLE + GPS_XMP),
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><!-- a -->' + blocks.packet(blocks.TITLE),
    blocks.packet(blocks.TITLE).decode().encode("utf-16"),
    blocks.packet(blocks.TITLE).decode().encode("utf-32-be"),
]
IPTC = [blocks.IPTC, blocks.datasets((2, 25, b"geo:lat=48.137"), (2, 92, b"Home"))]
LATITUDES = [blocks.numbers(order, 5, *blocks.LATITUDE) for order in "<>"]


def spoilt(data: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, a number made telling, a piece cut, doubled, moved or zeroed."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        if not found:
            break
        at = chance.randrange(len(found))
        size = min(len(found) - at, chance.choice((1, 2, 4, 8, 12, 40)))
        way = chance.randrange(7)
        if way == 0:
            found[at] = chance.randrange(256)
        elif way == 1:
            found[at] ^= 1 << chance.randrange(8)
        elif way == 2:
            number = chance.choice((*_TELLING, len(data), chance.randrange(len(data))))
            code = chance.choice(("<H", ">H", "<I", ">I"))
            piece = struct.pack(code, number & (0xFFFF if code[1] == "H" else 0xFFFFFFFF))
            found[at : at + len(piece)] = piece
        elif way == 3:
            del found[at : at + size]
        elif way == 4:
            found[at:at] = found[at : at + size]
        elif way == 5:
            found[at : at + size] = bytes(size)
        else:
            found = found[: max(1, at)]
    return bytes(found)


def carriers(exif: bytes, xmp: bytes, iptc: bytes) -> dict[str, Callable[[], bytes]]:
    """Pictures of every format with these blocks, framed as they should be; all of the same pixels but the JPEG."""

    def tiff() -> bytes:
        fields = [(700, 1, len(xmp), xmp), (33723, 7, len(iptc), iptc)]
        return blocks.tiff_of([field for field in fields if field[2]])

    return {
        "jpeg": lambda: blocks.jpeg_of(exif, xmp, iptc, iptc),
        "png": lambda: blocks.png_of(exif, xmp, iptc),
        "png with hidden blocks": lambda: blocks.png_of(exif, xmp, iptc, hidden=True),
        "webp": lambda: blocks.webp_of(exif, xmp),
        "tiff": tiff,
        "gif": lambda: blocks.gif_of(b"\x21\xfe" + bytes([min(255, len(iptc))]) + iptc[:255] + b"\0"),
    }


def check_picture(data: bytes, chance: random.Random) -> None:
    """A picture whose metadata are spoilt opens, as large as it is, and its results can be read by others."""
    still = read_still(data)
    facts = measure(data)
    assert (facts.width, facts.height) == still.size
    assert sorted(still.size) == [40, 56]
    if still.format.lossless:
        stored = still.pixels if still.size == (56, 40) else np.swapaxes(still.pixels, 0, 1)
        assert sorted(map(bytes, stored.reshape(-1, 3))) == sorted(map(bytes, scene().reshape(-1, 3)))
    strip = chance.choice(("none", "gps", "gps", "all"))
    target = chance.choice((still.format, formats.JPEG, formats.PNG, formats.TIFF, formats.WEBP))
    losses(still, target, strip)
    result = encode_still(still, target, recipe={"style": "tiny"}, strip=strip)
    again = read_still(result)
    assert again.size == still.size
    assert not again.metadata.notes, again.metadata.notes
    assert again.metadata.orientation == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Image.open(io.BytesIO(result)) as image:
            exif = image.getexif()
            assert exif.get(0x0112, 1) == 1
            inner = exif.get_ifd(0x8769)
            assert inner is not None
            if strip != "none":
                assert not exif.get_ifd(0x8825)
    if again.metadata.xmp:
        ElementTree.fromstring(again.metadata.xmp)  # noqa: S314 - made here
    if strip != "none":
        assert not any(pattern in result for pattern in LATITUDES)
        assert not survey_metadata(result).exif or not any(
            pattern in survey_metadata(result).exif for pattern in LATITUDES
        )


def check(seed: int, turns: int) -> int:
    """So many pictures with spoilt blocks, all from one seed; how many there were."""
    chance = random.Random(seed)
    done = 0
    while done < turns:
        exif = spoilt(chance.choice(EXIF), chance) if chance.random() < 0.7 else b""
        xmp = spoilt(chance.choice(XMP), chance) if chance.random() < 0.5 else b""
        iptc = spoilt(chance.choice(IPTC), chance) if chance.random() < 0.5 else b""
        for name, make in carriers(exif, xmp, iptc).items():
            try:
                check_picture(make(), chance)
            except Exception as error:
                raise AssertionError(f"seed {seed}, picture {done}, {name}: {error!r}") from error
            done += 1
    return done
