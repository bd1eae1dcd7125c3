from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from imgcycle.media import formats
from imgcycle.media.image.read import measure, read_still
from imgcycle.media.image.write import encode_still, losses
from imgcycle.media.metadata import xmp
from tests.media.metadata.blocks import TITLE, Tiff, gif_of, jpeg_of, packet, png_of, tiff_of, webp_of
from tests.media.pictures import scene

PLAIN = packet(TITLE)
SPELT = {
    "comment": packet("<!-- hi -->" + TITLE),
    "comment before": b"<!-- hi -->" + PLAIN,
    "instruction": packet("<?adobe-xap-filters esc=CR?>" + TITLE),
    "packet": b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>' + PLAIN + b'<?xpacket end="w"?>',
    "padded": PLAIN + b" " * 2048 + b"\0\0",
    "what follows": PLAIN + b"and more",
    "declared": b'<?xml version="1.0" encoding="UTF-8"?>' + PLAIN,
    "declared latin-1": b'<?xml version="1.0" encoding="iso-8859-1"?>'
    + packet(TITLE).replace(b"keepme", b"keepme \xe9"),
    "cdata": PLAIN.replace(b"keepme", b"<![CDATA[keepme]]>"),
    "marked": b"\xef\xbb\xbf" + PLAIN,
    "bare rdf": PLAIN[PLAIN.find(b"<rdf:RDF") : PLAIN.find(b"</x:")],
    "old root": packet(TITLE, root="x:xapmeta"),
    **{code: PLAIN.decode().encode(code) for code in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be")},
}


@pytest.mark.parametrize("name", SPELT)
def test_a_title_is_kept_however_its_packet_is_written(name: str) -> None:
    still = read_still(jpeg_of(xmp=SPELT[name]))
    for strip in ("none", "gps"):
        assert losses(still, formats.JPEG, strip) == ()
        made = read_still(encode_still(still, formats.JPEG, recipe={"style": "tiny"}, strip=strip)).metadata.xmp
        assert b"keepme" in made
        assert xmp.recipe_of(made) == {"style": "tiny"}


def test_every_format_hands_its_packet_on() -> None:
    extension = b"\x21\xff\x0bXMP DataXMP" + PLAIN + b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    for data in (
        jpeg_of(xmp=PLAIN),
        png_of(xmp=PLAIN),
        png_of(xmp=PLAIN, hidden=True),
        webp_of(xmp=PLAIN),
        tiff_of([(700, 1, len(PLAIN), PLAIN)]),
        gif_of(extension),
    ):
        still = read_still(data)
        for target in (formats.JPEG, formats.PNG, formats.TIFF, formats.WEBP, formats.GIF):
            assert b"keepme" in encode_still(still, target)


def nested(depth: int) -> bytes:
    return packet(
        '<rdf:Description xmlns:a="urn:a">' + "<a:b>" * depth + "</a:b>" * depth + "</rdf:Description>" + TITLE
    )


DAMAGED = {
    "deep": nested(200),
    "very deep": nested(20_000),
    "cut": PLAIN[:-30],
    "entities": b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + PLAIN,
    "no xml": b"title=keepme",
    "no rdf": b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a>keepme</a></x:xmpmeta>',
    "16 bits and no end": PLAIN.decode().encode("utf-16")[:-7],
    "an encoding that is none": b'<?xml version="1.0" encoding="zip"?>' + PLAIN[:-20],
    "zeros": PLAIN.replace(b"keepme", b"keep\0me"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_costs_the_packet_is_named_and_nothing_more(name: str) -> None:
    data = png_of(xmp=DAMAGED[name])
    still = read_still(data)
    assert np.array_equal(still.pixels, scene())
    made = encode_still(still, formats.PNG, recipe={"style": "tiny"})
    assert b"keepme" not in made
    assert xmp.recipe_in(made) == {"style": "tiny"}
    assert losses(still, formats.PNG) == ("damaged XMP was left out",)
    assert losses(still, formats.PNG, "all") == ()


def test_a_hundred_levels_are_kept() -> None:
    still = read_still(png_of(xmp=nested(90)))
    assert losses(still, formats.PNG) == ()
    # The innermost is empty, and written as one tag.
    assert encode_still(still, formats.PNG).count(b":b>") == 2 * 89


def test_a_packet_that_jpeg_cannot_hold_is_named_and_the_recipe_stays() -> None:
    long = packet(TITLE + f'<rdf:Description xmlns:a="urn:a"><a:b>{"x" * 70_000}</a:b></rdf:Description>')
    still = read_still(png_of(xmp=long))
    assert losses(still, formats.JPEG) == ("XMP was left out: longer than a JPEG segment",)
    assert losses(still, formats.PNG) == ()
    assert xmp.recipe_in(encode_still(still, formats.JPEG, recipe={"style": "tiny"})) == {"style": "tiny"}
    padded = packet(TITLE) + b" " * 64_000
    assert losses(read_still(png_of(xmp=padded)), formats.JPEG) == ()


TURN = {
    "attribute": 't:Orientation="{}"/>',
    "element": "><t:Orientation>{}</t:Orientation></rdf:Description>",
    "element with space": "><t:Orientation>\n {} </t:Orientation></rdf:Description>",
}


@pytest.mark.parametrize("spelling", TURN)
@pytest.mark.parametrize("turn", [1, 3, 6, 8])
def test_an_orientation_that_xmp_alone_states_is_applied(spelling: str, turn: int) -> None:
    stated = packet('<rdf:Description xmlns:t="http://ns.adobe.com/tiff/1.0/" ' + TURN[spelling].format(turn))
    upright = np.rot90(scene(), {1: 0, 3: 2, 6: -1, 8: 1}[turn])
    for data in (png_of(xmp=stated), webp_of(xmp=stated), tiff_of([(700, 1, len(stated), stated)])):
        assert (measure(data).height, measure(data).width) == upright.shape[:2]
        still = read_still(data)
        assert np.array_equal(still.pixels, upright)
        made = encode_still(still, formats.PNG)
        assert b"Orientation" not in made
        assert np.array_equal(read_still(made).pixels, upright)


def test_what_exif_states_goes_before_xmp() -> None:
    stated = packet('<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="3"/>')
    tiff = Tiff()
    data = png_of(exif=tiff.first([tiff.short(0x0112, 6)]), xmp=stated)
    with Image.open(io.BytesIO(data)) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(read_still(data).pixels, wanted)
    for value in (0, 9):
        tiff = Tiff()
        assert np.array_equal(
            read_still(png_of(exif=tiff.first([tiff.short(0x0112, value)]), xmp=stated)).pixels, scene()
        )


def test_counts_of_pixels_are_left_out_of_a_smaller_picture() -> None:
    told = TITLE + (
        '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
        ' tiff:XResolution="300/1" tiff:Make="Maker" exif:FocalPlaneXResolution="4000/1"/>'
    )
    data = jpeg_of(xmp=packet(told))
    for side, kept in ((None, True), (20, False)):
        made = read_still(encode_still(read_still(data, max_side=side), formats.JPEG)).metadata.xmp
        assert (b"XResolution" in made) == kept
        assert b"Maker" in made
        assert b"keepme" in made
