"""Formats × modes × metadata: what comes out at strength 0 is what went in, upright, with truthful metadata."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image, ImageCms
from torch import Tensor

from imgcycle.config import ConvertOptions
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.jobs.images.run import convert_bytes
from imgcycle.media.codecs import tiff_writer
from imgcycle.media.image.read import read_still
from tests.media.pictures import exif_block, scene, srgb_profile, wide_profile
from tests.styles import tiny_net

AS_IS = ConvertOptions(strength=0)
MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "L16", "RGB16", "RGBA16"]
HOLDS = {
    "PNG": {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "L16", "RGB16", "RGBA16"},
    "TIFF": {"1", "L", "P", "RGB", "RGBA", "CMYK", "L16", "RGB16", "RGBA16"},
    "JPEG": {"L", "RGB", "CMYK"},
    "WEBP": {"RGB", "RGBA"},
    "AVIF": {"RGB", "RGBA"},
    "BMP": {"1", "L", "P", "RGB"},
    "GIF": {"L", "P", "PA"},
}
CASES = [(f, m) for f in HOLDS for m in MODES if m in HOLDS[f]]


class Faded(Translator):
    """In place of a net a known function, so that what happens around it can be seen."""

    def __init__(self, swapped: bool = False) -> None:
        super().__init__(tiny_net(), torch.device("cpu"), style=Style("faded", "f" * 64, 24, 0.5))
        self.swapped = swapped

    def whole(self, x: Tensor, at: tuple[int, int] = (0, 0)) -> Tensor:
        del at
        return (x.flip(1) if self.swapped else x) * 0.5 - 0.2


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator(tiny_net(), torch.device("cpu"), style=Style("tiny", "d" * 64, 24, 0.5))


def alpha(shape: tuple[int, int] = (40, 56)) -> npt.NDArray[np.uint8]:
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    found: npt.NDArray[np.uint8] = np.clip((x - 8) * 12, 0, 255).astype(np.uint8) * (y > 3).astype(np.uint8)
    return found


def image_of(mode: str) -> Image.Image:
    rgb = Image.fromarray(scene())
    if mode in ("RGBA", "LA"):
        rgb.putalpha(Image.fromarray(alpha()))
        return rgb if mode == "RGBA" else rgb.convert("LA")
    if mode == "P":
        return rgb.quantize(64)
    if mode == "PA":
        image = rgb.quantize(64)
        image.info["transparency"] = 3
        return image
    return rgb.convert(mode)


def made(format_: str, mode: str, **metadata: Any) -> bytes:
    """A file of a format and mode; 16-bit ones by OpenCV or by hand, the others by Pillow."""
    if mode.endswith("16"):
        wide = scene().astype(np.uint16) * 257 + 5
        if mode == "L16":
            wide = wide[..., :1]
        elif mode == "RGBA16":
            wide = np.dstack([wide, alpha().astype(np.uint16) * 257])
        if format_ == "TIFF":
            return tiff_writer.tiff_bytes(wide)
        order = [2, 1, 0, 3][: wide.shape[2]] if wide.shape[2] > 1 else [0]
        return bytes(cv2.imencode(".png", np.ascontiguousarray(wide[..., order]))[1].tobytes())
    image = image_of(mode)
    ways: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": 95, "subsampling": 0},
        "WEBP": {"lossless": True, "exact": True},
        "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    }
    options = ways.get(format_, {})
    if mode == "PA":
        options["transparency"] = 3
    out = io.BytesIO()
    image.save(out, format_, **options, **metadata)
    return out.getvalue()


@pytest.mark.parametrize(("format_", "mode"), CASES)
def test_strength_0_gives_every_mode_back(format_: str, mode: str, translator: Translator) -> None:
    data = made(format_, mode)
    result = convert_bytes(data, translator, AS_IS)
    before, after = read_still(data), read_still(result)
    assert Image.open(io.BytesIO(result)).format == format_
    assert after.size == before.size == (56, 40)
    assert after.pixels.dtype == before.pixels.dtype == (np.uint16 if mode.endswith("16") else np.uint8)
    assert (after.alpha is None) == (before.alpha is None) == (mode not in ("LA", "PA", "RGBA", "RGBA16"))
    if after.alpha is not None and before.alpha is not None:
        assert np.array_equal(after.alpha, before.alpha)
    change = np.abs(after.pixels.astype(int) - before.pixels)
    if format_ in ("GIF", "AVIF") and before.alpha is not None:
        change = change[before.alpha > 0]
    if format_ in ("PNG", "TIFF", "BMP", "WEBP"):
        assert change.max() == 0
        reference = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        if not mode.endswith("16") and mode != "CMYK":
            assert np.array_equal(after.pixels, reference)
    else:
        assert change.mean() <= (3.5 if mode == "CMYK" or format_ == "AVIF" else 2)
    # A grey picture that is still grey is written in one channel where the format has that.
    if mode in ("L", "L16") and format_ in ("PNG", "TIFF", "JPEG", "BMP"):
        assert Image.open(io.BytesIO(result)).mode in ("L", "I;16", "I")


@pytest.mark.parametrize(("format_", "mode"), CASES)
def test_full_strength_keeps_size_depth_and_alpha(format_: str, mode: str, translator: Translator) -> None:
    data = made(format_, mode)
    before, after = read_still(data), read_still(convert_bytes(data, translator, ConvertOptions()))
    assert (after.size, after.pixels.dtype) == (before.size, before.pixels.dtype)
    if before.alpha is not None:
        assert after.alpha is not None
        assert np.array_equal(after.alpha, before.alpha)
    scale = 257 if mode.endswith("16") else 1
    seen = before.alpha > 0 if before.alpha is not None else np.ones(before.pixels.shape[:2], bool)
    assert np.abs(after.pixels[seen].astype(float) - before.pixels[seen]).mean() / scale > 5


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("profile", ["none", "srgb", "wide"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_metadata_are_kept_and_true(format_: str, profile: str, orientation: int, translator: Translator) -> None:
    icc = {"none": None, "srgb": srgb_profile(), "wide": wide_profile()}[profile]
    metadata: dict[str, Any] = {"exif": exif_block(orientation)} | ({"icc_profile": icc} if icc else {})
    data = made(format_, "RGB", **metadata)
    result = convert_bytes(data, translator, AS_IS)
    image = Image.open(io.BytesIO(result))
    image.load()
    turned = orientation == 6
    assert image.size == ((40, 56) if turned else (56, 40))
    assert image.info.get("icc_profile") == icc
    exif = image.getexif()
    assert exif.get(0x0112, 1) == 1
    assert exif[0x010F] == "Maker"
    assert exif[0x0132] == "2024:05:06 07:08:09"
    inner = exif.get_ifd(0x8769)
    assert float(inner[0x829A]) == pytest.approx(0.004)
    assert (inner[0xA002], inner[0xA003]) == image.size
    assert inner[0x927C] == b"MAKERNOTE" * 4
    assert exif.get_ifd(0x8825)[2] == (48.0, 12.0, 30.0)
    without = Image.open(io.BytesIO(convert_bytes(data, translator, ConvertOptions(strength=0, strip="gps"))))
    assert 0x8825 not in without.getexif()
    assert without.getexif()[0x010F] == "Maker"
    bare = Image.open(io.BytesIO(convert_bytes(data, translator, ConvertOptions(strength=0, strip="all"))))
    assert bare.getexif().get(0x010F) is None
    assert bare.info.get("icc_profile") == icc


@pytest.mark.parametrize("mode", ["RGB", "RGB16"])
def test_a_profile_is_left_for_the_net_and_taken_up_again(mode: str) -> None:
    """A wide-gamut picture and the same colours in sRGB give the same colours after translation."""
    wide = ImageCms.ImageCmsProfile(io.BytesIO(wide_profile()))
    srgb = ImageCms.createProfile("sRGB")
    own = Image.fromarray(scene(64, 64) // 2 + 64)
    plain = ImageCms.profileToProfile(own, wide, srgb)
    assert plain is not None
    options = ConvertOptions(work_size="full")

    def through(image: Image.Image, icc: bytes) -> npt.NDArray[Any]:
        if mode == "RGB16":
            planes = np.asarray(image).astype(np.uint16) * 257
            found = read_still(
                convert_bytes(tiff_writer.tiff_bytes(planes, icc=icc), Faded(swapped=True), options, "tiff")
            )
            assert found.metadata.icc == icc
            return (found.pixels.astype(float) / 257).round().astype(np.uint8)
        out = io.BytesIO()
        image.save(out, "PNG", **({"icc_profile": icc} if icc else {}))
        return np.asarray(Image.open(io.BytesIO(convert_bytes(out.getvalue(), Faded(swapped=True), options))))

    converted = through(own, wide_profile())
    back = ImageCms.profileToProfile(Image.fromarray(converted), wide, srgb)
    assert back is not None
    straight = through(plain, b"")
    # Rounding to 8 bits on three ways; without the profile it would be several levels.
    assert np.abs(np.asarray(back).astype(int) - straight).mean() < 1
    assert np.abs(converted.astype(int) - through(own, b"")).mean() > 2


def test_a_smooth_16_bit_ramp_has_no_bands() -> None:
    ramp = np.linspace(20000, 21000, 512).astype(np.uint16)
    planes = np.repeat(np.tile(ramp, (64, 1))[..., None], 3, 2)
    for options in (ConvertOptions(detail=0.0), ConvertOptions(detail=1.0), ConvertOptions(strength=0.5)):
        found = read_still(convert_bytes(tiff_writer.tiff_bytes(planes), Faded(), options)).pixels
        row = found[32, 40:-40, 1].astype(int)
        # In 8 bits there would be two or four steps over the ramp; here it rises all the way.
        assert len(np.unique(row)) > 300
        assert np.diff(row).min() >= 0
        assert np.diff(row).max() <= 4


def test_transparent_places_do_not_disturb_the_rest(translator: Translator) -> None:
    results = []
    for hidden in (0, 255):
        pixels = np.dstack([scene(), alpha()])
        pixels[pixels[..., 3] == 0, :3] = hidden
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG")
        after = np.asarray(Image.open(io.BytesIO(convert_bytes(out.getvalue(), translator, ConvertOptions()))))
        assert (after[pixels[..., 3] == 0, :3] == hidden).all()
        results.append(after[pixels[..., 3] > 0])
    assert np.array_equal(results[0], results[1])


def test_jpeg_from_cmyk_with_and_without_profile(translator: Translator) -> None:
    data = made("JPEG", "CMYK")
    image = Image.open(io.BytesIO(convert_bytes(data, translator, AS_IS)))
    assert image.mode == "RGB"
    assert "icc_profile" not in image.info
    assert np.abs(np.asarray(image).astype(int) - scene()).mean() < 12


def test_compare_and_keep_colour(translator: Translator) -> None:
    data = made("PNG", "RGB")
    plain = read_still(convert_bytes(data, translator, ConvertOptions())).pixels
    both = read_still(convert_bytes(data, translator, ConvertOptions(compare=True)))
    assert both.size == (112, 40)
    assert np.array_equal(both.pixels[:, :56], scene())
    assert np.array_equal(both.pixels[:, 56:], plain)
    options = ConvertOptions(keep_colour=True, work_size="full")
    kept = read_still(convert_bytes(data, translator, options)).pixels.astype(int) - scene()
    inside = ((kept + scene() > 0) & (kept + scene() < 255)).all(2)
    assert np.ptp(kept[inside], axis=1).max() <= 1
    grey = Image.open(io.BytesIO(convert_bytes(made("PNG", "L"), translator, options)))
    assert grey.mode == "L"


def test_formats_on_request(translator: Translator) -> None:
    data = made("PNG", "RGBA")
    for name, expected in (("jpg", "JPEG"), ("webp", "WEBP"), ("tiff", "TIFF"), ("avif", "AVIF"), ("png", "PNG")):
        image = Image.open(io.BytesIO(convert_bytes(data, translator, AS_IS, name)))
        assert image.format == expected
        assert image.size == (56, 40)
    white = np.asarray(Image.open(io.BytesIO(convert_bytes(data, translator, AS_IS, "jpg"))))
    assert white[0, 20].min() > 245
