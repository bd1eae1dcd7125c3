"""TIFFs of every kind: a sample means what the tags say, or the file is called what it is."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from imgcycle.config import ConvertOptions
from imgcycle.errors import InputError
from imgcycle.jobs.images.run import convert_bytes
from imgcycle.media import formats
from imgcycle.media.image.read import measure, measure_file, read_still
from imgcycle.media.image.row_reader import open_rows
from tests.media.pictures import scene
from tests.media.test_matrix import Faded
from tests.media.tiffs import tiff_of

RGB = scene().astype(np.uint16) * 256 + np.arange(56, dtype=np.uint16)[None, :, None] * 4 + 3
INFRARED = np.full((40, 56, 1), 30000, np.uint16)
ALPHA = np.linspace(0, 65535, 56).astype(np.uint16)[None, :, None].repeat(40, 0)


def read(data: bytes) -> Any:
    """The still, having made sure that measuring, memory and the way by rows agree with it."""
    still, facts = read_still(data), measure(data)
    assert facts.deep == (still.pixels.dtype == np.uint16)
    assert facts.alpha == (still.alpha is not None)
    reader = open_rows(data)
    if reader is not None:
        with reader:
            assert np.array_equal(reader.rows(0, reader.height), still.pixels)
            assert (reader.outline.grey, reader.outline.notes) == (still.grey, still.notes)
    return still


LAYOUTS: dict[str, dict[str, Any]] = {
    "pixels": {},
    "planes": {"planar": True},
    "strips": {"rows": 7},
    "planes in strips": {"planar": True, "rows": 7},
    "tiles": {"tile": (16, 32)},
    "planes in tiles": {"planar": True, "tile": (16, 32)},
    "big end": {"order": ">"},
    "planes, big end": {"order": ">", "planar": True, "rows": 9},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("compression", "predictor"),
    [(1, 1), (5, 1), (5, 2), (8, 1), (8, 2), (32773, 1), (32946, 1), (32946, 2), (50000, 1), (50000, 2)],
)
def test_16_bits_in_every_layout_and_compression(layout: str, compression: int, predictor: int) -> None:
    how = LAYOUTS[layout] | {"compression": compression, "predictor": predictor}
    plain = read(tiff_of(RGB, 2, **how))
    assert np.array_equal(plain.pixels, RGB)
    assert (plain.alpha, plain.grey, plain.notes) == (None, False, ())
    grey = read(tiff_of(np.dstack([RGB[..., :1], ALPHA]), 1, extra=(2,), **how))
    assert np.array_equal(grey.pixels, RGB[..., :1].repeat(3, 2))
    assert np.array_equal(grey.alpha, ALPHA[..., 0])
    assert grey.grey


@pytest.mark.parametrize("bits", [2, 4, 6, 10, 12, 14, 24, 32, 64])
@pytest.mark.parametrize("layout", ["pixels", "planes in tiles", "big end"])
def test_every_depth_is_scaled_to_8_or_16_bits(bits: int, layout: str) -> None:
    most = 2**bits - 1
    values = (
        np.rint(scene() / 255 * most).astype(np.uint64) if bits < 64 else scene().astype(np.uint64) << np.uint64(56)
    )
    kind = {24: np.uint32, 32: np.uint32, 64: np.uint64}.get(bits, np.uint16)
    for samples, photometric in ((values.astype(kind), 2), (values[..., :1].astype(kind), 1)):
        found = read(tiff_of(samples, photometric, bits=bits, **LAYOUTS[layout]))
        white = 65535 if bits > 8 else 255
        assert found.pixels.dtype == (np.uint16 if bits > 8 else np.uint8)
        assert np.abs(found.pixels - samples.astype(np.float64) / most * white).max() <= 1
        assert found.grey == (photometric == 1)
        assert (f"{bits} bits a channel became 16" in found.notes) == (bits > 16)


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_signed_numbers_are_black_below_zero(bits: int) -> None:
    kind = np.dtype(f"i{bits // 8}")
    most = 2 ** (bits - 1) - 1
    values = np.rint(np.linspace(-most, most, 40 * 56)).astype(kind).reshape(40, 56, 1)
    for order in "<>":
        found = read(tiff_of(values, 1, order=order))
        white = 65535 if bits > 8 else 255
        assert np.abs(found.pixels[..., 0] - np.maximum(values[..., 0] / most, 0) * white).max() <= 1
    turned = read(tiff_of(values, 0))
    assert np.array_equal(turned.pixels, white - found.pixels)


EXTRAS: dict[str, tuple[tuple[int, ...] | None, int, bool]] = {
    "infrared": ((0,), 1, False),
    "two unknown": ((0, 0), 2, False),
    "transparency and infrared": ((2, 0), 2, True),
    "infrared and transparency": ((0, 2), 2, True),
    "transparency": ((2,), 1, True),
    "of Corel Draw": ((999,), 1, True),
    "nothing said": (None, 1, True),
    "six of them": ((0,) * 6, 6, False),
}


@pytest.mark.parametrize("kind", EXTRAS)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planar", [False, True])
def test_further_samples_are_what_the_tags_say(kind: str, bits: int, planar: bool) -> None:
    extra, count, clear = EXTRAS[kind]
    others = [INFRARED] * count
    at = 0 if extra is None else next((n for n, value in enumerate(extra) if value), 0)
    if clear:
        others[at] = ALPHA
    for colours, photometric in ((RGB, 2), (RGB[..., :1], 1)):
        samples = np.dstack([colours, *others]) >> (16 - bits)
        samples = samples.astype(np.uint8 if bits == 8 else np.uint16)
        found = read(tiff_of(samples, photometric, extra=extra, planar=planar))
        assert np.array_equal(found.pixels, samples[..., : colours.shape[2]].repeat(3 // colours.shape[2], 2))
        assert (found.alpha is not None) == clear
        if clear:
            assert np.array_equal(found.alpha, samples[..., colours.shape[2] + at])
        left_out = samples.shape[2] - colours.shape[2] - clear
        said = f"{samples.shape[2]} channels, of which those of colour{' and transparency' if clear else ''} were taken"
        assert found.notes == ((said,) if left_out else ())


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("photometric", [1, 2])
def test_colours_multiplied_with_their_alpha_are_divided_again(bits: int, planar: bool, photometric: int) -> None:
    colours = (RGB if photometric == 2 else RGB[..., :1]) / 65535
    share = ALPHA / 65535
    most = 2**bits - 1
    samples = np.rint(np.dstack([colours * share, share]) * most).astype(np.uint8 if bits == 8 else np.uint16)
    found = read(tiff_of(samples, photometric, extra=(1,), planar=planar))
    seen = share[..., 0] > 0.2
    assert np.abs(found.pixels[seen] - (colours * most)[seen]).max() <= 4
    assert np.array_equal(found.alpha, samples[..., -1])
    assert found.grey == (photometric == 1)
    assert found.pixels[:, 0].max() == 0


def test_white_is_zero_but_not_in_transparency() -> None:
    found = read(tiff_of(np.dstack([65535 - RGB[..., :1], ALPHA]), 0, extra=(2,)))
    assert np.array_equal(found.pixels, RGB[..., :1].repeat(3, 2))
    assert np.array_equal(found.alpha, ALPHA[..., 0])


def test_a_palette_of_16_bits() -> None:
    table = np.random.default_rng(0).integers(0, 65536, (3, 65536))
    tag = {320: (3, tuple(int(v) for v in table.ravel()))}
    found = read(tiff_of(RGB[..., :1], 3, tags=tag))
    assert np.array_equal(found.pixels, table.T[RGB[..., 0]])
    assert not found.grey
    small = {320: (3, tuple(int(v) for v in table[:, :256].ravel()))}
    eight = read(tiff_of(scene()[..., :1], 3, tags=small))
    assert np.array_equal(eight.pixels, table.T[scene()[..., 0]] >> 8)
    assert eight.notes == ("16 bits a channel became 8: a palette's colours are read in no more",)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("clear", [False, True])
def test_inks_become_srgb(bits: int, planar: bool, clear: bool) -> None:
    inks = np.asarray(Image.fromarray(scene()).convert("CMYK"))
    wanted = np.asarray(Image.fromarray(inks, mode="CMYK").convert("RGB"))
    samples = inks if bits == 8 else inks.astype(np.uint16) * 257
    if clear:
        samples = np.dstack([samples, (ALPHA >> (16 - bits)).astype(samples.dtype)])
    found = read(tiff_of(samples, 5, extra=(2,) if clear else None, planar=planar))
    assert np.array_equal(found.pixels, wanted)
    assert (found.alpha is not None) == clear
    if clear:
        assert np.abs(found.alpha - (ALPHA / 257)[..., 0]).max() < 1
    assert found.notes == (("16 bits a channel became 8: CMYK becomes sRGB in no more",) if bits == 16 else ())


def test_lab_becomes_srgb() -> None:
    lab = np.zeros((40, 56, 3), np.uint8)
    lab[..., 0] = 128
    found = read(tiff_of(lab, 8))
    assert np.abs(found.pixels.astype(int) - 119).max() <= 2


STRANGERS: dict[str, tuple[bytes, str]] = {
    "floats": (tiff_of(scene().astype(np.float32), 2), "floating-point samples of 32 bits"),
    "half floats": (tiff_of(scene().astype(np.float16), 2), "floating-point samples of 16 bits"),
    "grey doubles": (tiff_of(scene()[..., :1].astype(np.float64), 1), "floating-point samples of 64 bits"),
    "a sensor": (tiff_of(RGB[..., :1], 32803), "a camera's sensor data"),
    "linear raw": (tiff_of(RGB, 34892), "a camera's sensor data"),
    "a DNG": (tiff_of(RGB, 2, tags={50706: (1, (1, 4, 0, 0))}), "a camera's sensor data (a DNG by another name)"),
    "ICC Lab": (tiff_of(scene(), 9), "ICC Lab colours"),
    "Lab in 16 bits": (tiff_of(RGB, 8), "Lab colours of 16 bits in 3 channels"),
    "a mask": (tiff_of(scene()[..., :1], 4), "a transparency mask alone"),
    "two colours": (tiff_of(RGB[..., :2], 2), "2 channels that are not the colours they are called"),
    "other inks": (tiff_of(RGB[..., :2], 5), "2 channels that are not the colours they are called"),
    "depths apart": (tiff_of(RGB, 2, tags={258: (3, (5, 6, 5))}), "channels of different kinds (5, 6, 5 bits)"),
    "a cube": (tiff_of(RGB[:1, :1].repeat(30, 2), 2), "90 channels"),
    "an unknown kind": (tiff_of(RGB, 77), "colours of an unknown kind (77)"),
    "JPEG 2000 inside": (tiff_of(RGB, 2, tags={259: (3, (34712,))}), "3 channels of 16 bits, compressed as JPEG 2000"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_strangers_are_called_what_they_are(tmp_path: Path, name: str) -> None:
    data, what = STRANGERS[name]
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    for look in (lambda: read_still(data), lambda: measure_file(path)):
        with pytest.raises(InputError) as caught:
            look()
        assert str(caught.value) == (
            f"a TIFF of {what}, which imgcycle does not read (save it with 8 or 16 bits a channel)"
        )
    assert open_rows(path) is None


@pytest.mark.parametrize("compression", [1, 5, 8, 50000])
def test_damage(compression: int) -> None:
    data = tiff_of(RGB, 2, compression=compression, rows=4)
    none = tiff_of(RGB, 2, compression=compression, rows=4, tags={279: (4, (0,) * 10)})
    with pytest.raises(InputError, match=r"^damaged: 10 of its 10 strips or tiles hold no bytes$"):
        read_still(none)
    assert open_rows(none) is None
    few = tiff_of(RGB, 2, compression=compression, rows=4, tags={257: (4, (80,))})
    with pytest.raises(InputError, match=r"^damaged: it has too few strips or tiles for its size$"):
        read_still(few)
    # The directory stands behind the strips: moved before them, the file can be cut.
    whole = read_still(data)
    out = io.BytesIO()
    tifffile.imwrite(out, RGB, photometric="rgb", rowsperstrip=4)
    with pytest.raises(InputError, match=r"^cut off: (49|50|51) % of the picture is missing$"):
        read_still(out.getvalue()[: len(out.getvalue()) // 2])
    assert np.array_equal(whole.pixels, RGB)


@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("deep", [False, True])
def test_a_tile_that_would_fill_the_memory_is_damage(compression: int, deep: bool) -> None:
    pixels = RGB if deep else scene()
    sizes: dict[int, tuple[int, tuple[int, ...]]] = {322: (4, (2**16,)), 323: (4, (2**16,))}
    data = tiff_of(pixels, 2, compression=compression, tile=(64, 64), tags=sizes)
    with pytest.raises(InputError, match=r"^damaged: its tiles are far larger than the picture$"):
        read_still(data)
    assert open_rows(data) is None
    large = tiff_of(pixels, 2, compression=compression, tile=(1024, 1024))
    assert np.array_equal(read(large).pixels, pixels)
    assert open_rows(large) is None


def pages(*sizes: int, kinds: tuple[int, ...] = (), deep: bool = False) -> bytes:
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        for n, size in enumerate(sizes):
            pixels = np.full((size, size, 3), 10 * n + 20, np.uint16 if deep else np.uint8)
            writer.write(pixels, photometric="rgb", subfiletype=kinds[n] if kinds else 0, contiguous=False)
    return out.getvalue()


@pytest.mark.parametrize("deep", [False, True])
def test_the_picture_is_the_first_page_in_full(deep: bool) -> None:
    def taken(data: bytes) -> tuple[int, int, tuple[str, ...]]:
        found = read(data)
        assert len({found.size, measure(data).__dict__["width"]}) == 2
        return found.size[0], int(found.pixels[0, 0, 0]), found.notes

    said = ("3 pages, of which the first was taken",)
    assert taken(pages(40, 41, 42, deep=deep)) == (40, 20, said)
    assert taken(pages(10, 40, kinds=(1, 0), deep=deep)) == (40, 30, ())
    assert taken(pages(40, 10, 40, kinds=(0, 1, 1), deep=deep)) == (40, 20, ())
    assert taken(pages(10, 40, 50, kinds=(1, 0, 2), deep=deep)) == (40, 30, ("2" + said[0][1:],))
    assert taken(pages(10, 40, 20, kinds=(1, 1, 1), deep=deep)) == (40, 30, ())


def test_a_tag_beyond_the_end_costs_nothing_in_a_memory_map(tmp_path: Path) -> None:
    data = tiff_of(RGB, 2, tags={305: (1, tuple(range(100)))})
    path = tmp_path / "a.tif"
    path.write_bytes(data[:-50])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert (measure_file(path).width, read_still(path.read_bytes()).size[0]) == (56, 56)


def test_16_bits_and_transparency_reach_the_result() -> None:
    samples = np.dstack([RGB, ALPHA, INFRARED])
    data = tiff_of(samples, 2, extra=(2, 0), planar=True, compression=5)
    for target in (formats.TIFF, formats.PNG):
        result = read_still(convert_bytes(data, Faded(), ConvertOptions(strength=0), target))
        assert np.array_equal(result.pixels, RGB)
        assert result.alpha is not None
        assert np.array_equal(result.alpha, ALPHA[..., 0])
