"""Blocks spoilt at random: every picture opens, with its pixels, and what is written of it can be read again."""

from __future__ import annotations

import random
import struct
import time

import pytest

from imgcycle.media.image.read import measure, read_still
from imgcycle.media.image.write import encode_still, losses
from imgcycle.media.metadata import exif, iptc, xmp
from tests.media.metadata import blocks
from tests.media.metadata.damage import EXIF, IPTC, LATITUDES, XMP, check, spoilt


@pytest.mark.parametrize("seed", range(4))
def test_pictures_with_spoilt_blocks(seed: int) -> None:
    assert check(seed, 36) >= 36


@pytest.mark.parametrize("seed", range(4))
def test_spoilt_blocks_by_themselves(seed: int) -> None:
    chance = random.Random(seed)
    kept = 0
    for _ in range(300):
        block = spoilt(chance.choice(EXIF), chance)
        made = exif.updated_exif(block, 56, 40, chance.random() < 0.5)
        assert exif.orientation(made) == 1
        kept += bool(made)
        free = exif.updated_exif(block, 56, 40, keep_gps=False)
        assert not any(pattern in free for pattern in LATITUDES)
        packet = xmp.updated_xmp(spoilt(chance.choice(XMP), chance), {"style": "tiny"}, keep_gps=False)
        assert xmp.recipe_of(packet) == {"style": "tiny"}
        datasets = iptc.updated_iptc(spoilt(chance.choice(IPTC), chance))
        assert iptc.updated_iptc(datasets) == datasets
    assert kept > 150


FLOODS = {
    "chunks": lambda: blocks.png(blocks.chunk(b"prVt", b"") * 200_000),
    "texts behind the pixels": lambda: blocks.png(late=[blocks.chunk(b"tEXt", b"a\0b") * 200_000]),
    "segments": lambda: blocks.jpeg(blocks.segment(0xFE, b"") * 200_000),
    "extensions": lambda: blocks.gif_of(b"\x21\xfe\1a\0" * 100_000),
    "blocks of a comment": lambda: blocks.gif_of(b"\x21\xfe" + b"\1a" * 200_000 + b"\0"),
    "elements": lambda: blocks.png_of(xmp=blocks.packet('<rdf:Description xmlns:a="urn:a">' + "<a:lat/>" * 50_000)),
    "instructions": lambda: blocks.png_of(xmp=b"<?xml " * 300_000),
    "datasets": lambda: blocks.tiff_of([(33723, 7, 500_000, b"\x1c\2\x19\0\0" * 100_000)]),
    "entries over one another": lambda: blocks.jpeg_of(
        b"II*\0\x08\0\0\0" + struct.pack("<H", 4900) + struct.pack("<HHII", 0x9286, 7, 58_000, 8) * 4900 + bytes(4)
    ),
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods_end_soon(name: str) -> None:
    data = FLOODS[name]()
    begun = time.process_time()
    still = read_still(data)
    assert measure(data).width == 56
    losses(still, still.format, "gps")
    assert len(encode_still(still, still.format, strip="gps")) < 2**20
    # A tenth of that on a machine that is free; without bounds it would be many times as long.
    assert time.process_time() - begun < 60
