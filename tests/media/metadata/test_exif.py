from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from imgcycle.media import formats
from imgcycle.media.image.read import measure, read_still
from imgcycle.media.image.write import encode_still, losses
from imgcycle.media.metadata import exif
from tests.media.metadata.blocks import (
    Tiff,
    chunk,
    full_exif,
    jpeg_of,
    numbers,
    png,
    segment,
    text,
    tiff_of,
    webp_of,
)
from tests.media.metadata.blocks import jpeg as jpeg_with
from tests.media.pictures import encoded, scene


def tags(data: bytes, directory: int = 0) -> dict[int, object]:
    """The tags that Pillow reads in the bytes of a picture."""
    found = Image.open(io.BytesIO(data)).getexif()
    return dict(found.get_ifd(directory)) if directory else dict(found)


def turned(order: str = "<", *, claimed: int | None = None, values: tuple[int, ...] = (6,), end: bool = True) -> bytes:
    tiff = Tiff(order)
    return tiff.first([tiff.short(0x0112, *values), tiff.short(0x0128, 2)], claimed=claimed, end=end)


WAYS = {
    "five entries claimed of two": jpeg_of(turned(claimed=5, end=False)),
    "65535 claimed": jpeg_of(turned(">", claimed=65535)),
    "two values": jpeg_of(turned(values=(6, 6))),
    "three values": jpeg_of(turned(values=(6, 1, 1))),
    "header twice": jpeg_with(segment(0xE1, b"Exif\0\0Exif\0\0" + turned())),
    "header in a png": png(chunk(b"eXIf", b"Exif\0\0" + turned())),
    "header in a webp": webp_of(b"Exif\0\0" + turned()),
    "behind the pixels": png(late=[chunk(b"eXIf", turned())]),
    "as a long": jpeg_of((t := Tiff()).first([t.long(0x0112, 6)])),
    "the first of two": jpeg_of((t := Tiff()).first([t.short(0x0112, 6), t.short(0x0112, 3)])),
}


@pytest.mark.parametrize("way", WAYS)
def test_orientation_is_read_as_other_readers_read_it(way: str) -> None:
    still = read_still(WAYS[way])
    assert still.size == (40, 56)
    assert (measure(WAYS[way]).width, measure(WAYS[way]).height) == (40, 56)
    made = encode_still(still, formats.PNG)
    assert tags(made)[0x0112] == 1
    assert read_still(made).size == (40, 56)
    if "one" not in way and "first" not in way and "long" not in way and "65535" not in way:
        assert tags(made)[0x0128] == 2


def test_what_is_no_block_turns_nothing_and_is_named() -> None:
    for block in (b"MM\0\xd2\0\0\0\x08" + bytes(42), b"II*\0\xff\xff\xff\xff", b"II", turned()[:9]):
        still = read_still(jpeg_of(block))
        assert still.size == (56, 40)
        assert losses(still, formats.JPEG) == ("damaged EXIF was left out",)
        assert not tags(encode_still(still, formats.JPEG))


def test_a_thumbnail_over_the_header_spoils_nothing() -> None:
    tiff = Tiff()
    second = tiff.add([tiff.long(0x0201, 13), tiff.long(0x0202, 4)])
    still = read_still(jpeg_of(tiff.first([tiff.short(0x0112, 6), text(0x010F, "Maker")], follows=second)))
    assert still.size == (40, 56)
    assert not losses(still, formats.JPEG)
    assert tags(encode_still(still, formats.JPEG)) == {0x0112: 1, 0x010F: "Maker"}


@pytest.mark.parametrize("order", ["<", ">"])
def test_one_bad_directory_costs_that_directory(order: str) -> None:
    tiff = Tiff(order)
    gps = tiff.add(tiff.gps())
    block = tiff.first([text(0x010F, "Maker"), tiff.long(0x8769, 99_999), tiff.long(0x8825, gps)])
    still = read_still(jpeg_of(block))
    assert losses(still, formats.JPEG) == ("the camera's directory of EXIF is damaged and was left out",)
    made = encode_still(still, formats.JPEG)
    assert tags(made)[0x010F] == "Maker"
    assert 0x8769 not in tags(made)
    assert tags(made, 0x8825)[2] == (48.0, 8.0, 13.2)


def test_entries_that_lead_outside_go_and_the_others_stay() -> None:
    tiff = Tiff()
    fields = [text(0x010F, "Maker"), tiff.short(0x0128, 2), text(0x0132, "2024:05:06 07:08:09")]
    block = bytearray(tiff.first([*fields, (0x013B, 2, 40, struct.pack("<I", 70_000)), (0x013C, 99, 1, b"abcd")]))
    still = read_still(jpeg_of(bytes(block)))
    assert losses(still, formats.JPEG) == ("damaged entries of EXIF were left out",)
    made = encode_still(still, formats.JPEG)
    assert tags(made) == {0x010F: "Maker", 0x0128: 2, 0x0132: "2024:05:06 07:08:09"}


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_sound_block_is_changed_where_it_was_untrue_alone(order: str) -> None:
    block = full_exif(order)
    said: list[str] = []
    made = exif.updated_exif(block, 40, 56, notes=said)
    assert not said
    assert len(made) == len(block)
    start = block.find(b"\xff\xd8")
    thumbnail = range(start, block.find(b"\xff\xd9", start) + 2)
    assert not any(made[n] for n in thumbnail)
    changed = [n for n, (a, b) in enumerate(zip(made, block, strict=True)) if a != b and n not in thumbnail]
    # Orientation (one byte), width and height (one each), the offset of the thumbnail's directory (two).
    assert len(changed) == 5
    assert exif.updated_exif(made, 40, 56) == made


def test_density_is_taken_from_exif_where_nothing_else_tells() -> None:
    data = jpeg_of(full_exif())
    at = data.rfind(b"\xff\xe0\0\x10JFIF")
    bare = data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]
    assert read_still(bare).metadata.dpi == 240
    assert exif.density(turned()) == 72
    for above, below in ((0, 0), (1, 0), (2**32 - 1, 1)):
        block = Tiff()
        fields = [(0x011A, 5, 1, numbers("<", 5, above, below)), block.short(0x0128, 2)]
        assert exif.density(block.first(fields)) in (0, 72)


def test_a_large_block_that_jpeg_cannot_hold_is_named() -> None:
    tiff = Tiff()
    block = tiff.first([text(0x010E, "x" * 70_000), text(0x010F, "Maker")])
    still = read_still(png(chunk(b"eXIf", block)))
    assert losses(still, formats.PNG) == ()
    assert losses(still, formats.JPEG) == ("EXIF was left out: longer than a JPEG segment",)
    assert losses(still, formats.BMP) == ("EXIF was left out: BMP has no place for it",)


def test_exif_of_a_tiff_survives_what_is_damaged_beside_it() -> None:
    tiff = Tiff(">")
    camera = tiff.add([(0x829A, 5, 1, numbers(">", 5, 1, 250)), (0x9003, 2, 20, struct.pack(">I", 10**8))])
    gps = tiff.add(tiff.gps())
    fields = [
        (270, 2, 31, struct.pack(">I", 10**8)),
        text(271, "Maker"),
        (305, 2, 9_999, struct.pack(">I", 50)),
        tiff.long(0x8769, camera),
        tiff.long(0x8825, gps),
        tiff.short(274, 6, 6),
    ]
    data = tiff_of(fields, tiff=tiff)
    still = read_still(data)
    assert still.size == (measure(data).width, measure(data).height) == (40, 56)
    assert np.array_equal(still.pixels, np.rot90(scene(), -1))
    assert losses(still, formats.TIFF) == ("damaged TIFF tags were left out",)
    made = encode_still(still, formats.JPEG)
    assert tags(made)[271] == "Maker"
    assert float(str(tags(made, 0x8769)[0x829A])) == pytest.approx(0.004)
    assert tags(made, 0x8825)[2] == (48.0, 8.0, 13.2)


def test_a_tiff_that_is_turned_in_16_bits_is_turned_once() -> None:
    import tifffile

    out = io.BytesIO()
    pixels = scene().astype(np.uint16) * 257
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    packet += (
        b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="3"/></rdf:RDF></x:xmpmeta>'
    )
    extra = [(274, 3, 1, 6, True), (700, 1, len(packet), packet, True)]
    tifffile.imwrite(out, pixels, photometric="rgb", extratags=extra)
    assert np.array_equal(read_still(out.getvalue()).pixels, np.rot90(pixels, -1))
    out = io.BytesIO()
    tifffile.imwrite(out, scene(), photometric="rgb", extratags=extra[1:])
    assert np.array_equal(read_still(out.getvalue()).pixels, np.rot90(scene(), 2))


def test_plain_pictures_have_nothing_to_tell() -> None:
    for data in (encoded(scene()), encoded(scene(), "PNG"), tiff_of(), encoded(scene(), "WEBP")):
        still = read_still(data)
        for target in (formats.JPEG, formats.PNG, formats.TIFF, formats.WEBP, formats.AVIF, formats.GIF, formats.BMP):
            assert losses(still, target) == ()
