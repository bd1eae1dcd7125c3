"""`--strip gps`: no coordinate and no name of a place is left, wherever it stood; the rest is."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from imgcycle.media import formats
from imgcycle.media.codecs.registry import survey_metadata
from imgcycle.media.image.read import read_still
from imgcycle.media.image.write import encode_still, losses
from imgcycle.media.metadata.places import is_place, tells_place
from tests.media.metadata.blocks import (
    LATITUDE,
    TITLE,
    Tiff,
    chunk,
    datasets,
    full_exif,
    gif_of,
    itxt,
    jpeg_of,
    numbers,
    packet,
    png,
    png_of,
    raw_profile,
    resources,
    text,
    tiff_of,
    webp_of,
    ztxt,
)

COORDINATES = [numbers(order, 5, *LATITUDE) for order in "<>"]
TELLING = [*COORDINATES, b"48,8.22", b"48.13", b"Munich", b"GPSLat", b"2001:01:01"]
MAKER = text(0x010F, "Maker")


def blocks(order: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}

    def new() -> tuple[Tiff, int]:
        tiff = Tiff(order)
        return tiff, tiff.add(tiff.gps())

    tiff, gps = new()
    found["plain"] = tiff.first([MAKER, tiff.long(0x8825, gps)])
    tiff, gps = new()
    found["two pointers"] = tiff.first([MAKER, tiff.long(0x8825, gps), tiff.long(0x8825, tiff.add(tiff.gps()))])
    tiff, gps = new()
    found["two values"] = tiff.first([MAKER, tiff.long(0x8825, gps, tiff.add(tiff.gps()))])
    tiff, gps = new()
    found["as an ifd"] = tiff.first([MAKER, (0x8825, 13, 1, numbers(order, 13, gps))])
    tiff, gps = new()
    found["under the camera's"] = tiff.first([MAKER, tiff.long(0x8769, tiff.add([tiff.long(0x8825, gps)]))])
    tiff, gps = new()
    inner = tiff.add([tiff.long(0x014A, tiff.add([tiff.long(0x8825, gps)]))])
    found["two sub-directories deep"] = tiff.first([MAKER, tiff.long(0x014A, tiff.add([]), inner)])
    tiff, gps = new()
    third = tiff.add([tiff.long(0x8825, gps)])
    found["third in the chain"] = tiff.first([MAKER], follows=tiff.add([text(0x010E, "thumbnail")], follows=third))
    tiff, gps = new()
    found["chained to itself"] = tiff.first([MAKER, tiff.long(0x8825, tiff.add(tiff.gps(), follows=gps))])
    tiff, gps = new()
    found["nothing leads there"] = tiff.first([MAKER])
    tiff, gps = new()
    found["behind everything"] = tiff.first([MAKER]) + bytes(tiff.data[8:gps])
    tiff, _ = new()
    found["among the picture's"] = tiff.first([*tiff.gps(), MAKER])
    tiff, gps = new()
    found["among interoperability"] = tiff.first([MAKER, tiff.long(0x8769, tiff.add([tiff.long(0xA005, gps)]))])
    tiff, gps = new()
    words = b"ASCII\0\0\0GPS lat 48.137 lon 11.575"
    camera = tiff.add([(0x9286, 7, len(words), words)])
    found["in words"] = tiff.first([text(0x010E, "48.137154, 11.576124"), MAKER, tiff.long(0x8769, camera)])
    tiff, _ = new()
    xmp = packet('<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="48,8.22N"/>')
    iptc = datasets((2, 90, b"Munich"))
    fields = [MAKER, (700, 1, len(xmp), xmp), (33723, 7, len(iptc), iptc)]
    found["in blocks inside the block"] = tiff.first(fields)
    return found


EXIF = {f"{name}, {order}": block for order in "<>" for name, block in blocks(order).items()}


def is_free(data: bytes) -> bool:
    """Whether nothing in the bytes, nor in any block read out of them, tells the place."""
    found = survey_metadata(data)
    packed = [payload for _, payload in found.texts] + found.comments
    return not any(word in block for word in TELLING for block in (data, found.exif, found.xmp, found.iptc, *packed))


@pytest.mark.parametrize("name", EXIF)
def test_exif_at_any_depth(name: str) -> None:
    block = EXIF[name]
    for data in (jpeg_of(block), png_of(block), png_of(block, hidden=True), webp_of(block)):
        still = read_still(data)
        assert losses(still, still.format, "gps") == ()
        for target in (still.format, formats.TIFF):
            made = encode_still(still, target, strip="gps")
            assert is_free(made)
            with Image.open(io.BytesIO(made)) as image:
                assert image.getexif()[0x010F] == "Maker"
                assert not image.getexif().get_ifd(0x8825)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_makers_note_that_may_hold_a_place_goes_and_is_named(order: str) -> None:
    for note, kept in (
        (blocks(order)["plain"], False),
        (b"AOC\0" + numbers(order, 5, *LATITUDE) + bytes(20), False),
        (b"Nikon\0\2\x10\0\0" + bytes(40), False),
        (b"Canon's own " * 9, True),
    ):
        tiff = Tiff(order)
        camera = tiff.add([(0x829A, 5, 1, numbers(order, 5, 1, 250)), (0x927C, 7, len(note), note)])
        still = read_still(
            jpeg_of(tiff.first([MAKER, tiff.long(0x8769, camera), tiff.long(0x8825, tiff.add(tiff.gps()))]))
        )
        made = encode_still(still, formats.JPEG, strip="gps")
        assert is_free(made)
        inner = Image.open(io.BytesIO(made)).getexif().get_ifd(0x8769)
        assert float(inner[0x829A]) == pytest.approx(0.004)
        assert inner.get(0x927C) == (note if kept else None)
        said = () if kept else ("the camera's own notes in EXIF may tell the place and were left out",)
        assert losses(still, formats.JPEG, "gps") == said
        assert note in encode_still(still, formats.JPEG)


def described(inside: str = "", attributes: str = "") -> bytes:
    head = f'<rdf:Description rdf:about="" xmlns:e="http://ns.adobe.com/exif/1.0/" xmlns:a="urn:a" {attributes}>'
    return packet(f"{head}{inside}</rdf:Description>{TITLE}")


IPTC_SPACE = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
PACKETS = {
    "attribute": described(attributes='e:GPSLatitude="48,8.22N"'),
    "element": described("<e:GPSLatitude>48,8.22N</e:GPSLatitude>"),
    "no prefix": described('<GPSLatitude xmlns="http://ns.adobe.com/exif/1.0/">48,8.22N</GPSLatitude>'),
    "attribute of an item": described('<a:T><rdf:Bag><rdf:li e:GPSLatitude="48,8.22N"/></rdf:Bag></a:T>'),
    "qualifier": described(
        '<a:T rdf:parseType="Resource"><rdf:value>x</rdf:value><e:GPSLatitude>48,8.22N</e:GPSLatitude></a:T>'
    ),
    "structure": described(
        f'<I:LocationCreated xmlns:I="{IPTC_SPACE}"><rdf:Bag><rdf:li rdf:parseType="Resource"><e:GPSLatitude>48,8.22N'
        "</e:GPSLatitude><I:City>Munich</I:City></rdf:li></rdf:Bag></I:LocationCreated>"
    ),
    "city": described('<p:City xmlns:p="http://ns.adobe.com/photoshop/1.0/">Munich</p:City>'),
    "another maker": described(attributes='a:GpsLatitude="48.137" a:GpsLongtitude="11.575"'),
    "geo": described("<a:lat>48.137</a:lat><a:long>11.575</a:long>"),
    "value alone": described("<a:T>48,8.22N</a:T>"),
    "character reference": described("<a:T>&#52;8,8.22N</a:T>"),
    "cdata": described("<a:T><![CDATA[48,8.22N]]></a:T>"),
    "geotags": described("<a:T><rdf:Bag><rdf:li>geo:lat=48.137</rdf:li></rdf:Bag></a:T>"),
    "comment": described("<!-- GPSLatitude 48,8.22N -->"),
    "instruction": described("<?a GPSLatitude 48,8.22N?>"),
    "outside": described().replace(b"<rdf:RDF", b'<a:GPSLatitude xmlns:a="urn:a">48,8.22N</a:GPSLatitude><rdf:RDF', 1),
    "behind": described() + b"<!-- GPSLatitude 48,8.22N -->",
    "in 16 bits": described(attributes='e:GPSLatitude="48,8.22N"').decode().encode("utf-16"),
}


@pytest.mark.parametrize("name", PACKETS)
def test_xmp_of_any_shape(name: str) -> None:
    xmp = PACKETS[name]
    extension = b"\x21\xff\x0bXMP DataXMP" + xmp + b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    pictures = [jpeg_of(xmp=xmp), png_of(xmp=xmp), png_of(xmp=xmp, hidden=True), webp_of(xmp=xmp)]
    pictures.append(tiff_of([(700, 1, len(xmp), xmp)]))
    if "16" not in name:
        pictures.append(gif_of(extension))
    for data in pictures:
        still = read_still(data)
        made = encode_still(still, still.format, recipe={"style": "tiny"}, strip="gps")
        assert losses(still, still.format, "gps") == ()
        assert is_free(made)
        assert b"keepme" in made
        assert b"keepme" in encode_still(still, still.format)


def test_iptc_loses_its_places_and_keeps_the_rest() -> None:
    places = [(2, n, b"Munich") for n in (26, 27, 90, 92, 95, 100, 101)]
    iptc = datasets(*places, (2, 25, b"geo:lat=48.137"), (2, 25, b"alps"), (2, 120, b"A caption"))
    kept = datasets((2, 25, b"alps"), (2, 120, b"A caption"))
    for data in (
        jpeg_of(iptc=iptc),
        png_of(iptc=iptc),
        tiff_of([(33723, 7, len(iptc), iptc)]),
        tiff_of([(34377, 7, len(resources(iptc)), resources(iptc))]),
    ):
        still = read_still(data)
        assert still.metadata.iptc == iptc
        for target in (formats.JPEG, formats.PNG, formats.TIFF):
            assert survey_metadata(encode_still(still, target, strip="gps")).iptc == kept
            assert survey_metadata(encode_still(still, target)).iptc == iptc


TEXTS = {
    "key": ztxt(b"exif:GPSLatitude", b"48/1, 8/1"),
    "city": chunk(b"tEXt", b"City\0Munich"),
    "words": itxt(b"Comment", b"48.137154, 11.576124", packed=True),
    "exif": chunk(b"tEXt", b"exif\0" + full_exif()),
    "raw exif": ztxt(b"Raw Profile Type APP1", raw_profile("generic", b"Exif\0\0" + full_exif())),
    "raw xmp": ztxt(b"Raw profile type xmp", raw_profile("xmp", PACKETS["attribute"])),
    "xmp as text": chunk(b"tEXt", b"XML:com.adobe.xmp\0" + PACKETS["attribute"]),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("late", [False, True])
def test_texts_of_a_png(name: str, late: bool) -> None:
    author = chunk(b"tEXt", b"Author\0me")
    still = read_still(png(author, late=[TEXTS[name]]) if late else png(TEXTS[name], author))
    made = encode_still(still, formats.PNG, strip="gps")
    assert is_free(made.replace(b"2024", b""))
    assert b"Author\0me" in made


def test_comments_that_tell_a_place() -> None:
    for comment, kept in ((b"at 48.137154, 11.576124", False), (b"48\xb0 8' 13\" N", False), (b"by the lake", True)):
        still = read_still(jpeg_of(comment=comment))
        assert (comment in encode_still(still, formats.JPEG, strip="gps")) == kept
        assert comment in encode_still(still, formats.JPEG)


def test_what_tells_a_place_and_what_does_not() -> None:
    for name in ("GPSLatitude", "GpsLongtitude", "LocationShown", "City", "Country-PrimaryLocationName", "lat"):
        assert is_place(name)
    for name in ("Title", "CiAdrCity", "Relation", "Capacity", "Flatness", "Platform", "LensModel", "StateOfArt"):
        assert not is_place(name)
    for words in (
        "48,8.22N",
        "N 48° 8' 13\"",
        "48.137° N",
        "geo:48.1,11.5",
        "+48.137+011.575/",
        "lat: 48.1",
        '"lng":1',
    ):
        assert tells_place(words)
    for words in (
        "a cat, steps 20",
        "f/2.8, 1/250",
        "24.0-70.0 mm f/2.8",
        "2024:05:06 07:08:09",
        "0, 0 / 255, 255",
        "5 N",
    ):
        assert not tells_place(words)


def test_nothing_is_looked_at_for_long() -> None:
    for words in ("1" * 10**6, "1." + "1" * 10**6, "48.137 " * 10**5, "gps " * 10**5, "+" * 10**6, "lat" * 10**5):
        tells_place(words)
