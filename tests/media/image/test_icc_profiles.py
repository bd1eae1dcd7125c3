"""What a picture says of its colours decides how it looks: curves and primaries, wherever they stand."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms

from imgcycle.config import ConvertOptions
from imgcycle.jobs.images.run import convert_bytes
from imgcycle.media import formats
from imgcycle.media.containers import png_chunk
from imgcycle.media.image import colour_management
from imgcycle.media.image.icc_profiles import (
    BT709,
    matrix_profile,
    profile_of_codes,
    read_matrix,
    srgb_curve,
    srgb_values,
)
from imgcycle.media.image.read import read_still
from tests.media import profiles as made
from tests.media.pictures import encoded, scene, srgb_profile
from tests.media.test_matrix import Faded

STEPS = np.linspace(0, 1, 4097)
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.3127, 0.3290))


def png(pixels: npt.NDArray[Any], *chunks: bytes) -> bytes:
    """A PNG of 8 or 16 bits, (H, W) or (H, W, 3), with chunks before its pixels."""
    height, width = pixels.shape[:2]
    bits = pixels.dtype.itemsize * 8
    rows = b"".join(b"\0" + row.astype(f">u{bits // 8}").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, bits, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    parts = (png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def iccp(icc: bytes) -> bytes:
    return png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(icc))


def gama(value: int) -> bytes:
    return png_chunk(b"gAMA", struct.pack(">I", value))


def chrm(*points: tuple[float, float]) -> bytes:
    return png_chunk(b"cHRM", struct.pack(">8I", *(round(v * 100000) for point in points for v in point)))


def cicp(primaries: int, transfer: int) -> bytes:
    return png_chunk(b"cICP", bytes([primaries, transfer, 0, 1]))


LINEAR = srgb_curve(scene() / 255)
WIDE_CHRM = chrm(P3[3], P3[0], P3[1], P3[2])
WAYS = {
    "named Linear sRGB": (iccp(matrix_profile(BT709, STEPS, "GIMP built-in Linear sRGB")),),
    "named otherwise": (iccp(matrix_profile(BT709, STEPS, "x")),),
    "gAMA": (gama(100000),),
    "gAMA and cHRM": (gama(100000), chrm(BT709[3], BT709[0], BT709[1], BT709[2])),
    "cICP": (cicp(1, 8),),
    "cICP above iCCP": (cicp(1, 8), iccp(srgb_profile())),
    "cICP above sRGB above gAMA": (cicp(1, 8), png_chunk(b"sRGB", b"\0"), gama(45455)),
}


@pytest.mark.parametrize("way", WAYS)
def test_linear_light_looks_like_the_same_picture_in_srgb(way: str) -> None:
    data = png(np.rint(LINEAR * 65535).astype(np.uint16), *WAYS[way])
    still = read_still(data)
    space = colour_management.transform(still.metadata.icc)
    assert space is not None
    seen = space.to_srgb(still.pixels.astype(np.float32) / np.float32(65535))
    assert np.abs(seen * 255 - scene()).max() < 0.6
    assert np.abs(space.from_srgb(seen) * 65535 - still.pixels).max() < 25
    # Translated, it is the translated picture; whatever format that is written in.
    options = ConvertOptions(work_size="full")
    wanted = read_still(convert_bytes(png(scene().astype(np.uint16) * 257), Faded(), options)).pixels / 257
    for target in (formats.PNG, formats.TIFF, formats.JPEG, formats.WEBP, formats.BMP):
        result = read_still(convert_bytes(data, Faded(), options, target))
        shown = colour_management.in_srgb(result.pixels, result.metadata.icc)
        apart = np.abs(shown / (257 if shown.dtype == np.uint16 else 1) - wanted)
        assert apart.mean() < (0.1 if target.deep else 2.5)
        # In 8 bits linear light has too few steps where it is dark: it is written as sRGB.
        assert (result.metadata.icc == b"") == (not target.deep)


def test_what_is_srgb_by_any_name_needs_nothing() -> None:
    srgb_like = matrix_profile(BT709, srgb_curve(STEPS), "x")
    for icc in (b"", srgb_profile(), srgb_like):
        assert colour_management.transform(icc) is None
    for chunks in (
        (gama(45455),),
        (png_chunk(b"sRGB", b"\0"), gama(100000)),
        (cicp(1, 13),),
        (cicp(2, 2),),
        (gama(0),),
    ):
        data = png(scene(), *chunks)
        still = read_still(data)
        assert still.metadata.icc == b""
        result = read_still(convert_bytes(data, Faded(), ConvertOptions(strength=0)))
        assert (result.metadata.icc, result.metadata.chunks) == (b"", still.metadata.chunks)
    assert colour_management.transform(made.matrix_profile(name="sRGB, it says")) is not None


@pytest.mark.parametrize(
    ("chunks", "primaries", "curve"),
    [
        ((gama(45455), WIDE_CHRM), P3, lambda x: x**2.2),
        ((gama(55555),), BT709, lambda x: x**1.8),
        ((cicp(12, 13),), P3, srgb_curve),
        ((iccp(matrix_profile(P3, srgb_curve(STEPS), "Display P3")),), P3, srgb_curve),
    ],
    ids=["wide cHRM", "gamma 1.8", "cICP P3", "Display P3"],
)
def test_primaries_and_curves_as_littlecms_reads_them(chunks: tuple[bytes, ...], primaries: Any, curve: Any) -> None:
    still = read_still(png(scene(), *chunks))
    space = colour_management.transform(still.metadata.icc)
    assert space is not None
    own = ImageCms.ImageCmsProfile(io.BytesIO(matrix_profile(primaries, curve(STEPS), "x")))
    wanted = ImageCms.profileToProfile(
        Image.fromarray(scene()),
        own,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    assert wanted is not None
    assert np.abs(space.to_srgb(scene().astype(np.float32) / np.float32(255)) * 255 - np.asarray(wanted)).max() < 1.1
    assert np.abs(scene().astype(int) - np.asarray(wanted)).max() > 5
    result = read_still(convert_bytes(png(scene(), *chunks), Faded(), ConvertOptions(strength=0), formats.BMP))
    assert np.abs(result.pixels.astype(int) - np.asarray(wanted)).max() <= 1


@pytest.mark.parametrize("form", ["gAMA", "iCCP"])
def test_grey_light(form: str) -> None:
    grey = np.rint(LINEAR[..., 0] * 65535).astype(np.uint16)
    chunk = gama(100000) if form == "gAMA" else iccp(matrix_profile(BT709, STEPS, "Linear grey", grey=True))
    data = png(grey, chunk)
    still = read_still(data)
    assert np.abs(colour_management.in_srgb(still.pixels, still.metadata.icc) / 257 - scene()[..., :1]).max() < 0.6
    for target in (formats.TIFF, formats.JPEG):
        found = read_still(convert_bytes(data, Faded(), ConvertOptions(strength=0), target))
        assert found.grey
        assert colour_management.fits_grey(found.metadata.icc) == target.deep
        apart = (
            colour_management.in_srgb(found.pixels, found.metadata.icc) / (257 if target.deep else 1) - scene()[..., :1]
        )
        assert np.abs(apart).mean() < 2.5
    coloured = read_still(convert_bytes(data, Faded(swapped=True), ConvertOptions(work_size="full"), formats.TIFF))
    plain = png(scene()[..., 0].astype(np.uint16) * 257)
    wanted = read_still(convert_bytes(plain, Faded(swapped=True), ConvertOptions(work_size="full"), formats.TIFF))
    shown = colour_management.in_srgb(coloured.pixels, coloured.metadata.icc)
    assert np.abs(shown.astype(int) - wanted.pixels).max() < 257


def test_curves_of_every_kind_are_read() -> None:
    def parametric(kind: int, *values: float) -> bytes:
        numbers = struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))
        return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + numbers

    plain = matrix_profile(BT709, STEPS, "x")
    at = plain.index(b"curv\0\0\0\0")
    srgb = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    curves = {
        parametric(0, 2.2): STEPS**2.2,
        parametric(1, 2.0, 1.25, -0.25): np.maximum(1.25 * STEPS - 0.25, 0) ** 2,
        parametric(2, 2.0, 0.9, -0.1, 0.1): np.maximum(0.9 * STEPS - 0.1, 0) ** 2 + 0.1,
        parametric(3, *srgb): srgb_curve(STEPS),
        parametric(4, *srgb, 0.0, 0.0): srgb_curve(STEPS),
        b"curv\0\0\0\0" + struct.pack(">IH", 1, round(1.8 * 256)): STEPS ** (round(1.8 * 256) / 256),
        b"curv\0\0\0\0" + struct.pack(">I5H", 5, 0, 10000, 20000, 40000, 65535): np.interp(
            STEPS, np.linspace(0, 1, 5), np.array([0, 10000, 20000, 40000, 65535]) / 65535
        ),
    }
    for data, wanted in curves.items():
        found = read_matrix(plain.replace(struct.pack(">II", at, 12), struct.pack(">II", len(plain), len(data))) + data)
        assert found is not None
        assert np.abs(found.curves[1] - wanted).max() < 1e-4
    assert read_matrix(plain[:200]) is None
    assert read_matrix(b"") is None
    assert np.allclose(srgb_values(srgb_curve(STEPS)), STEPS)


def test_high_dynamic_range_is_cut_at_a_white_page() -> None:
    for transfer, white in ((16, 0.5807), (18, 0.75)):
        icc = profile_of_codes(9, transfer)
        assert icc
        space = colour_management.transform(icc)
        assert space is not None
        levels = np.array([0.1, white * 0.99, white, 1.0], np.float32)
        shown = space.to_srgb(np.repeat(levels, 3).reshape(1, 4, 3))[0, :, 1]
        assert shown[0] < 0.3
        assert 0.95 < shown[1] < shown[2] == pytest.approx(1, abs=2e-3)
        assert shown[3] == pytest.approx(1, abs=1e-3)


def test_avif_states_its_colours_in_a_box() -> None:
    out = io.BytesIO()
    Image.fromarray(scene()).save(out, "AVIF", quality=100, subsampling="4:4:4")
    data = out.getvalue()
    at = data.index(b"colrnclx")
    wide = data[: at + 8] + struct.pack(">HH", 12, 13) + data[at + 12 :]
    assert read_still(data).metadata.icc == b""
    assert colour_management.transform(read_still(wide).metadata.icc) is not None
    assert read_still(encoded(scene(), "AVIF", icc_profile=made.matrix_profile())).metadata.icc == made.matrix_profile()
