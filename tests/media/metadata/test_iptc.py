from __future__ import annotations

import struct

from imgcycle.media import formats
from imgcycle.media.codecs.registry import survey_metadata
from imgcycle.media.image.read import read_still
from imgcycle.media.image.write import encode_still, losses
from imgcycle.media.metadata import iptc
from tests.media.metadata.blocks import IPTC, Tiff, datasets, jpeg, jpeg_of, png_of, resources, segment, tiff_of


def test_iptc_is_kept_where_a_format_has_a_place_and_named_where_not() -> None:
    for data in (
        jpeg_of(iptc=IPTC),
        png_of(iptc=IPTC),
        tiff_of([(33723, 7, len(IPTC), IPTC)]),
        tiff_of([(33723, 4, len(IPTC) // 4 + 1, IPTC.ljust(len(IPTC) // 4 * 4 + 4, b"\0"))], tiff=Tiff(">")),
        tiff_of([(34377, 7, len(resources(IPTC)), resources(IPTC))]),
    ):
        still = read_still(data)
        for target in (formats.JPEG, formats.PNG, formats.TIFF):
            assert losses(still, target) == ()
            assert survey_metadata(encode_still(still, target)).iptc == IPTC
        for target in (formats.WEBP, formats.AVIF, formats.BMP, formats.GIF):
            assert losses(still, target) == (f"IPTC was left out: {target.name} has no place for it",)
        assert losses(still, formats.WEBP, "all") == ()
        assert survey_metadata(encode_still(still, formats.JPEG, strip="all")).iptc == b""


def test_a_block_over_several_segments_is_read_and_written_so() -> None:
    long = datasets(*[(2, 25, bytes([65 + n % 26]) * 30_000) for n in range(6)])
    wrapped = b"".join(struct.pack(">4sHHI", b"8BIM", 0x0404, 0, len(long)) + long for _ in range(1))
    pieces = [wrapped[at : at + 60_000] for at in range(0, len(wrapped), 60_000)]
    data = jpeg(*[segment(0xED, b"Photoshop 3.0\0" + piece) for piece in pieces])
    still = read_still(data)
    assert still.metadata.iptc == long
    made = encode_still(still, formats.JPEG)
    assert made.count(b"Photoshop 3.0\0") == 3
    assert survey_metadata(made).iptc == long


def test_damage_costs_the_datasets_from_there_on() -> None:
    said: list[str] = []
    cut = IPTC + b"\x1c\2\x50\0\xffcut off"
    assert iptc.updated_iptc(cut, notes=said) == IPTC
    assert said == ["damaged IPTC was left out"]
    said.clear()
    assert iptc.updated_iptc(IPTC + bytes(3), notes=said) == IPTC
    assert not said
    still = read_still(jpeg_of(iptc=cut))
    assert losses(still, formats.JPEG) == ("damaged IPTC was left out",)
    assert survey_metadata(encode_still(still, formats.JPEG)).iptc == IPTC


def test_extended_datasets_have_sizes_of_their_own() -> None:
    long = b"\x1c\2\x19\x80\4" + struct.pack(">I", 40_000) + b"k" * 40_000
    assert iptc.updated_iptc(long + IPTC) == long + IPTC
    for damaged in (b"\x1c\2\x19\x80\0", b"\x1c\2\x19\xff\xff" + bytes(9), b"\x1c\2\x19\x80\4\xff\xff\xff\xff"):
        assert iptc.updated_iptc(IPTC + damaged, notes=[]) == IPTC


def test_resources_are_read_as_far_as_they_go() -> None:
    whole = resources(IPTC)
    assert iptc.from_resources(whole) == IPTC
    assert iptc.from_resources(iptc.as_resources(IPTC)) == IPTC
    for end in range(len(whole)):
        assert IPTC.startswith(iptc.from_resources(whole[:end]))
    named = struct.pack(">4sH", b"8BIM", 0x0404) + b"\x03abc" + struct.pack(">I", len(IPTC)) + IPTC
    assert iptc.from_resources(named) == IPTC
