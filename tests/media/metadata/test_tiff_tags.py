from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from imgcycle.media import formats
from imgcycle.media.codecs.registry import survey_metadata
from imgcycle.media.image.read import measure, measure_file, read_still
from imgcycle.media.image.write import encode_still, losses
from tests.media.metadata.blocks import Field, Tiff, text, tiff_of
from tests.media.pictures import scene, wide_profile

FAR = struct.pack("<I", 10**8)
NEAR = struct.pack("<I", 8)
DAMAGED: dict[str, Field] = {
    **{f"text {tag}": (tag, 2, 31, FAR) for tag in (270, 271, 272, 285, 305, 306, 315, 316, 33432)},
    "xmp": (700, 1, 5000, FAR),
    "a text beyond the end": (305, 2, 2**31, NEAR),
    "iptc": (33723, 7, 10**6, NEAR),
    "photoshop": (34377, 7, 2**32 - 1, NEAR),
    "profile": (34675, 7, 10**7, FAR),
    "no type": (270, 77, 5, NEAR),
    "reference": (532, 5, 6, FAR),
    "private": (50_000, 12, 10**6, FAR),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_tag_that_leads_outside_costs_that_tag(name: str, tmp_path: Path) -> None:
    data = tiff_of([DAMAGED[name], text(33432, "me")] if "33432" not in name else [DAMAGED[name]])
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    assert measure_file(path) == measure(data)
    assert (measure(data).width, measure(data).height) == (56, 40)
    still = read_still(data)
    assert np.array_equal(still.pixels, scene())
    assert losses(still, formats.TIFF) == (() if name == "reference" else ("damaged TIFF tags were left out",))
    with Image.open(io.BytesIO(encode_still(still, formats.TIFF))) as image:
        assert np.array_equal(np.asarray(image), scene())
        assert "33432" in name or image.getexif()[33432] == "me"


@pytest.mark.parametrize("pointer", [0, 1, 9, 10**8, 2**32 - 1])
def test_a_directory_that_is_none_costs_that_directory(pointer: int) -> None:
    tiff = Tiff()
    data = tiff_of([text(271, "Maker"), tiff.long(34665, pointer), tiff.long(34853, pointer)], tiff=tiff)
    still = read_still(data)
    assert np.array_equal(still.pixels, scene())
    with Image.open(io.BytesIO(encode_still(still, formats.JPEG))) as image:
        assert image.getexif()[271] == "Maker"


@pytest.mark.parametrize("about", [{"byteorder": "<"}, {"byteorder": ">"}, {"byteorder": "<", "bigtiff": True}])
@pytest.mark.parametrize("depth", [8, 16])
def test_blocks_of_other_writers(about: dict[str, Any], depth: int) -> None:
    pixels = scene() if depth == 8 else scene().astype(np.uint16) * 257
    icc, out = wide_profile(), io.BytesIO()
    extra = [(274, 3, 1, 6, True), (315, 2, 3, "me", True), (34675, 7, len(icc), icc, True)]
    tifffile.imwrite(out, pixels, photometric="rgb", extratags=extra, **about)
    still = read_still(out.getvalue())
    assert np.array_equal(still.pixels, np.rot90(pixels, -1))
    assert still.metadata.icc == icc
    with Image.open(io.BytesIO(encode_still(still, formats.PNG))) as image:
        assert image.getexif()[315] == "me"
        assert image.info["icc_profile"] == icc


def test_pages_that_lead_to_one_another_end() -> None:
    out = io.BytesIO()
    tifffile.imwrite(out, scene(), photometric="rgb")
    data = bytearray(out.getvalue())
    first = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, first)[0]
    struct.pack_into("<I", data, first + 2 + 12 * count, first)
    assert np.array_equal(read_still(bytes(data)).pixels, scene())


def test_a_plain_tiff_is_given_to_the_decoder_as_it_is() -> None:
    data = tiff_of([text(305, "x")])
    assert survey_metadata(data).pieces == [range(len(data))]
