from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from imgcycle.media import formats
from imgcycle.media.codecs.registry import survey_metadata
from imgcycle.media.image.read import measure, read_still
from imgcycle.media.image.write import encode_still, losses
from tests.media.metadata.blocks import full_exif, gif_of, jpeg, jpeg_of, segment
from tests.media.pictures import encoded, scene, wide_profile

PIXELS = read_still(encoded(scene())).pixels
SPOILT = {
    "jfif of three bytes": segment(0xE0, b"JFI"),
    "jfif that is cut": segment(0xE0, b"JFIF\0"),
    "adobe that is cut": segment(0xEE, b"Adobe"),
    "adobe of eight bytes": segment(0xEE, b"Adobe\0\x64\0"),
    "icc without a number": segment(0xE2, b"ICC_PROFILE\0"),
    "icc with half a number": segment(0xE2, b"ICC_PROFILE\0\1"),
    "an index of pictures": segment(0xE2, b"MPF\0II*\0" + bytes(20)),
    "an index that lies": segment(0xE2, b"MPF\0MM\0*\0\0\0\x08\0\1\xb0\1\0\4\0\0\0\1\xff\xff\xff\xff\0\0\0\0"),
    "photoshop that is cut": segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x03\xed\0"),
    "flashpix": segment(0xE2, b"FPXR\0"),
    "empty segments": b"".join(segment(0xE0 + n, b"") for n in range(16)) + segment(0xFE, b""),
    "comments": segment(0xFE, b"x" * 65_533) * 30,
    "extended xmp": segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(60)),
}


@pytest.mark.parametrize("name", SPOILT)
def test_no_segment_costs_a_picture(name: str) -> None:
    data = jpeg(SPOILT[name])
    assert (measure(data).width, measure(data).height) == (56, 40)
    still = read_still(data)
    assert np.array_equal(still.pixels, PIXELS)
    assert np.array_equal(read_still(data + bytes(5000)).pixels, PIXELS)
    assert np.abs(read_still(encode_still(still, formats.JPEG)).pixels.astype(int) - PIXELS).mean() < 2


@pytest.mark.parametrize("length", [0, 1, 2, 3, 30, 200, 1500, 65_535])
@pytest.mark.parametrize("marker", [0xE1, 0xE2, 0xED, 0xFE])
def test_a_wrong_length_leads_nowhere(marker: int, length: int) -> None:
    wrong = struct.pack(">BBH", 0xFF, marker, length) + b"Exif\0\0" + b"a" * 60
    data = encoded(scene())
    data = data[:2] + wrong + data[2:]
    assert (measure(data).width, measure(data).height) == (56, 40)
    assert np.array_equal(read_still(data).pixels, PIXELS)


def test_comments_are_kept_or_named() -> None:
    words = ("by the lake", "Z\xfcrich", "日本")
    for comment in (words[0].encode(), words[1].encode("latin-1"), words[2].encode()):
        extension = b"\x21\xfe" + bytes([len(comment)]) + comment + b"\0"
        for data in (jpeg_of(comment=comment), gif_of(extension)):
            still = read_still(data)
            assert still.metadata.comments == (comment,)
            for target in (formats.JPEG, formats.GIF):
                assert losses(still, target) == ()
                assert read_still(encode_still(still, target)).metadata.comments == (comment,)
            with Image.open(io.BytesIO(encode_still(still, formats.PNG))) as image:
                assert image.info["Comment"] in words
            assert losses(still, formats.WEBP) == ("a comment was left out: WEBP has no place for it",)
            assert survey_metadata(encode_still(still, formats.JPEG, strip="all")).comments == []


def test_long_comments_of_a_gif() -> None:
    blocks = b"".join(b"\xff" + bytes([65 + n % 26]) * 255 for n in range(300))
    still = read_still(gif_of(b"\x21\xfe" + blocks + b"\0"))
    assert len(still.metadata.comments[0]) == 300 * 255
    assert losses(still, formats.JPEG) == ("a comment was left out: longer than a JPEG segment",)
    assert read_still(encode_still(still, formats.GIF)).metadata.comments == still.metadata.comments


def test_a_profile_in_pieces_is_put_together_in_their_order() -> None:
    icc = wide_profile()
    pieces = [icc[at : at + 200] for at in range(0, len(icc), 200)]
    marked = [b"ICC_PROFILE\0" + bytes([n, len(pieces)]) + piece for n, piece in enumerate(pieces, 1)]
    assert read_still(jpeg(*[segment(0xE2, piece) for piece in reversed(marked)])).metadata.icc == icc
    assert read_still(jpeg(*[segment(0xE2, piece) for piece in marked[1:]])).metadata.icc == b""


def test_a_block_over_two_segments_is_one() -> None:
    block = full_exif()
    data = jpeg(segment(0xE1, b"Exif\0\0" + block[:700]), segment(0xE1, b"Exif\0\0" + block[700:]))
    still = read_still(data)
    assert still.metadata.exif == block
    assert still.size == (40, 56)
