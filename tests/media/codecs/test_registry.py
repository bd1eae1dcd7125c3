"""Which class opens which file, and what is said of a file before any of its pixels is decoded."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgcycle.errors import InputError
from imgcycle.media import formats
from imgcycle.media.codecs import registry
from imgcycle.media.codecs.deep import EncodedJpeg2000, EncodedPng, EncodedPnm
from imgcycle.media.codecs.encoded import EncodedImage
from imgcycle.media.codecs.heif import EncodedAvif, EncodedHeif
from imgcycle.media.codecs.jpeg import EncodedJpeg
from imgcycle.media.codecs.plain import EncodedBmp, EncodedGif, EncodedWebp
from imgcycle.media.codecs.registry import open_encoded, survey_metadata
from imgcycle.media.codecs.tiff import EncodedTiff
from imgcycle.media.image.read import measure, read_still
from tests.media.heif import heic
from tests.media.pictures import encoded, exif_block, scene

CLASSES: dict[str, type[EncodedImage]] = {
    "JPEG": EncodedJpeg,
    "PNG": EncodedPng,
    "WEBP": EncodedWebp,
    "TIFF": EncodedTiff,
    "AVIF": EncodedAvif,
    "BMP": EncodedBmp,
    "GIF": EncodedGif,
    "JPEG2000": EncodedJpeg2000,
    "PPM": EncodedPnm,
}
MOST = 10**6


@pytest.mark.parametrize("name", CLASSES)
def test_a_file_is_opened_by_the_class_of_its_format(name: str) -> None:
    found = open_encoded(encoded(scene(), name), MOST)
    assert type(found) is CLASSES[name]
    assert found.format is formats.by_name(name)
    assert (found.size, found.frames, found.deep, found.alpha) == ((56, 40), 1, False, False)


def test_a_heic_is_opened_by_its_own_class_whatever_its_brand(tmp_path: Path) -> None:
    data = heic(scene(64, 64), tmp_path)
    other = data.replace(b"heic", b"hevm", 1)
    assert formats.by_content(other[:16]) is None
    assert {type(open_encoded(file, MOST)) for file in (data, other)} == {EncodedHeif}


def test_a_jpeg_of_several_pictures_is_a_jpeg() -> None:
    out = io.BytesIO()
    images = [Image.fromarray(scene(seed=n)) for n in range(2)]
    images[0].save(out, "MPO", save_all=True, append_images=images[1:])
    found = open_encoded(out.getvalue(), MOST)
    assert type(found) is EncodedJpeg
    assert (found.format, found.frames, measure(out.getvalue()).format) == (formats.JPEG, 1, "JPEG")


def test_a_format_without_a_class_is_read_as_pillow_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(registry._CLASSES, formats.WEBP)
    data = encoded(scene(), "WEBP", lossless=True, exif=exif_block(orientation=6))
    assert type(open_encoded(data, MOST)) is EncodedImage
    still = read_still(data)
    assert np.array_equal(still.pixels, np.rot90(scene(), -1))
    assert (still.format, still.metadata.orientation) == (formats.WEBP, 6)


@pytest.mark.parametrize("name", ["PNG", "PPM", "BMP"])
def test_too_many_pixels_are_refused_with_their_number(name: str) -> None:
    with pytest.raises(InputError) as raised:
        open_encoded(encoded(scene(), name), 1000)
    assert raised.value.message == "56×40 is 2240 pixels, more than the 1000 pixels allowed"
    assert raised.value.hint == "--max-pixels 2240 allows it"


def test_what_of_uncompressed_pixels_is_missing_is_said_before_they_are_decoded() -> None:
    for name in ("PPM", "BMP"):
        data = encoded(scene(), name)
        with pytest.raises(InputError, match=r"^cut off: 50 % of the picture is missing$"):
            open_encoded(data[: len(data) - 56 * 40 * 3 // 2], MOST)


def test_metadata_that_cannot_be_parsed_leave_the_file_to_the_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: bytes) -> None:
        raise IndexError

    monkeypatch.setattr(EncodedPng, "survey", staticmethod(fails))
    data = encoded(scene(), "PNG")
    assert survey_metadata(data).pieces == [range(len(data))]
    still = read_still(data)
    assert np.array_equal(still.pixels, scene())
    assert still.metadata.notes == ("metadata that cannot be read were left out",)
