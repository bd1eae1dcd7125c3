from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from imgcycle.errors import InputError
from imgcycle.media import formats
from imgcycle.media.image.read import measure, read_still, still_of
from imgcycle.media.image.write import encode_still
from imgcycle.media.metadata import exif, xmp
from tests.media.pictures import decoded, encoded, exif_block, scene, srgb_profile


def test_jpeg_keeps_quality_subsampling_and_pixels() -> None:
    data = encoded(scene(), quality=97, subsampling="4:2:0")
    still = read_still(data)
    assert still.coding is not None
    assert (still.coding.quality, still.coding.subsampling) == (97, "420")
    assert np.array_equal(still.pixels, decoded(data))
    again = read_still(encode_still(still, formats.JPEG))
    assert again.coding == still.coding
    assert np.abs(again.pixels.astype(int) - still.pixels).mean() < 1.5


def test_a_poor_jpeg_is_written_at_92() -> None:
    again = read_still(encode_still(read_still(encoded(scene(), quality=40)), formats.JPEG))
    assert again.coding is not None
    assert again.coding.quality == 92


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_reset(orientation: int) -> None:
    data = encoded(scene(), exif=exif_block(orientation))
    still = read_still(data)
    with Image.open(io.BytesIO(data)) as image:
        from PIL import ImageOps

        upright = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(still.pixels, upright)
    written = Image.open(io.BytesIO(encode_still(still, formats.JPEG)))
    found = written.getexif()
    assert found[0x0112] == 1
    assert (found.get_ifd(0x8769)[0xA002], found.get_ifd(0x8769)[0xA003]) == still.size
    assert found[0x010F] == "Maker"
    assert found.get_ifd(0x8769)[0x927C] == b"MAKERNOTE" * 4


def test_the_thumbnail_goes_and_the_place_goes_when_asked() -> None:
    block = exif_block(6, thumbnail=True).removeprefix(b"Exif\0\0")
    true = exif.updated_exif(block, 40, 56)
    assert b"\xff\xd8\xff" in block
    assert b"\xff\xd8\xff" not in true
    found = Image.Exif()
    found.load(true)
    assert found.get_ifd(0x8825)[2] == (48.0, 12.0, 30.0)
    without = Image.Exif()
    without.load(exif.updated_exif(block, 40, 56, keep_gps=False))
    assert 0x8825 not in without
    assert without[0x0132] == "2024:05:06 07:08:09"


def test_a_damaged_exif_block_is_dropped() -> None:
    assert exif.updated_exif(b"II*\0\xff\xff\xff\xff", 4, 4) == b""
    assert exif.orientation(b"") == 1


def test_profile_and_recipe_travel_through_jpeg_and_png() -> None:
    still = read_still(encoded(scene(), icc_profile=srgb_profile(), exif=exif_block(), dpi=(300, 300)))
    for target in (formats.JPEG, formats.PNG):
        image = Image.open(io.BytesIO(encode_still(still, target, recipe={"style": "é"})))
        image.load()
        assert image.info["icc_profile"] == srgb_profile()
        packet = image.info["xmp"]
        assert xmp.recipe_of(packet if isinstance(packet, bytes) else packet.encode()) == {"style": "é"}
        assert image.getexif()[0x010F] == "Maker"
        assert round(image.info["dpi"][0]) == 300


@pytest.mark.parametrize("shape", [(40, 56), (40, 56, 3), (40, 56, 4)])
def test_png_in_8_bits_comes_back_identical(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    still = read_still(encoded(pixels, "PNG"))
    assert np.array_equal(decoded(encode_still(still, formats.PNG)), pixels)


def test_png_in_16_bits_comes_back_identical() -> None:
    import cv2

    pixels = np.random.default_rng(1).integers(0, 65536, (40, 56, 4), np.uint16)
    for planes in (pixels, pixels[..., :3], pixels[..., 0]):
        data = cv2.imencode(".png", planes)[1].tobytes()
        still = read_still(data)
        assert still.pixels.dtype == np.uint16
        again = cv2.imdecode(np.frombuffer(encode_still(still, formats.PNG), np.uint8), cv2.IMREAD_UNCHANGED)
        assert again is not None
        assert np.array_equal(again, planes)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nothing of the kind",
        encoded(scene())[:600],
        encoded(scene(), "PNG")[:900],
        b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    ],
    ids=["empty", "text", "jpeg cut", "png cut", "png zero", "postscript"],
)
def test_what_is_no_picture_is_said_in_one_line(data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        read_still(data)
    assert "\n" not in str(caught.value)


def test_too_many_pixels_are_refused_before_decoding() -> None:
    with pytest.raises(InputError, match="max-pixels"):
        read_still(encoded(scene()), max_pixels=1000)


TIFFS: dict[str, dict[str, Any]] = {
    "rgb": {"photometric": "rgb"},
    "planes": {"photometric": "rgb", "planarconfig": "separate"},
    "big endian": {"photometric": "rgb", "byteorder": ">"},
    "bigtiff": {"photometric": "rgb", "bigtiff": True},
    "tiles": {"photometric": "rgb", "tile": (16, 16)},
    "deflate": {"photometric": "rgb", "compression": "zlib", "predictor": True},
    "alpha": {"photometric": "rgb", "extrasamples": ["unassalpha"]},
    "premultiplied": {"photometric": "rgb", "extrasamples": ["assocalpha"]},
    "grey": {"photometric": "minisblack"},
    "white is zero": {"photometric": "miniswhite"},
}


@pytest.mark.parametrize("layout", list(TIFFS))
def test_16_bit_tiffs_of_every_layout(layout: str) -> None:
    import tifffile

    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 65536, (40, 56, 3), np.uint16)
    alpha = rng.integers(1, 65536, (40, 56, 1), np.uint16)
    options = TIFFS[layout]
    wanted, stored = rgb, rgb
    if "grey" in layout or "white" in layout:
        wanted = np.repeat(rgb[..., :1], 3, 2)
        stored = 65535 - rgb[..., 0] if "white" in layout else rgb[..., 0]
    if layout == "planes":
        stored = np.ascontiguousarray(rgb.transpose(2, 0, 1))
    elif "extrasamples" in options:
        colours = stored if stored.ndim == 3 else stored[..., None]
        if layout == "premultiplied":
            colours = np.rint(colours * (alpha / 65535)).astype(np.uint16)
        stored = np.dstack([colours, alpha])
    out = io.BytesIO()
    tifffile.imwrite(out, stored, **options)
    still = read_still(out.getvalue())
    assert still.grey == ("grey" in layout or "white" in layout)
    if layout == "premultiplied":
        seen = alpha[..., 0] > 8000
        assert np.abs(still.pixels[seen].astype(int) - wanted[seen]).max() <= 8
    else:
        assert np.array_equal(still.pixels, wanted)
    assert (still.alpha is None) == ("extrasamples" not in options)
    if still.alpha is not None:
        assert np.array_equal(still.alpha, alpha[..., 0])
    again = read_still(encode_still(still, formats.TIFF))
    assert np.array_equal(again.pixels, still.pixels)
    with tifffile.TiffFile(io.BytesIO(encode_still(still, formats.TIFF))) as file:
        planes = np.asarray(file.pages[0].asarray()).reshape(40, 56, -1)
    assert np.array_equal(planes[..., 0], still.pixels[..., 0])


def test_lzw_in_16_bits_is_read_by_opencv() -> None:
    import cv2

    pixels = np.random.default_rng(0).integers(0, 65536, (40, 56, 3), np.uint16)
    data = cv2.imencode(".tif", pixels, [cv2.IMWRITE_TIFF_COMPRESSION, 5])[1].tobytes()
    assert np.array_equal(read_still(data).pixels, pixels[..., ::-1])


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_turned_tiff_is_measured_and_read_upright(turn: int, dtype: type[np.uint8] | type[np.uint16]) -> None:
    pixels = np.asarray(scene(20, 30), dtype)
    out = io.BytesIO()
    tifffile.imwrite(out, pixels, photometric="rgb", extratags=[(274, 3, 1, turn, True)])
    # EXIF 2.32, section 4.6.4.A: where the stored first row and first column are to be seen.
    by_rows = {1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1]}
    turned = pixels.transpose(1, 0, 2)
    by_columns = {5: turned, 6: turned[:, ::-1], 7: turned[::-1, ::-1], 8: turned[::-1]}
    wanted = (by_rows | by_columns)[turn]
    facts = measure(out.getvalue())
    assert (facts.height, facts.width) == wanted.shape[:2]
    assert (facts.turned, facts.deep) == (turn > 1, dtype is np.uint16)
    found = read_still(out.getvalue())
    assert np.array_equal(found.pixels, wanted)
    assert found.pixels.dtype == dtype


def test_a_progressive_jpeg_is_known_by_its_header() -> None:
    assert measure(encoded(scene(), progressive=True)).progressive
    assert not measure(encoded(scene())).progressive


def test_an_image_in_memory_is_what_it_is_now_not_what_its_file_was() -> None:
    image = Image.open(io.BytesIO(encoded(scene(), "TIFF")))
    image.putalpha(7)
    still = still_of(image)
    assert still.alpha is not None
    assert (still.alpha == 7).all()
    assert np.array_equal(still.pixels, scene())
