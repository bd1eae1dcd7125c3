"""Pictures in memory: kind, size and type out as in, and the very pixels that a file would get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle import ConvertOptions, convert_image, load_translator, translate
from imgcycle.engine.translator import Translator
from imgcycle.errors import UnknownStyle, UsageError
from tests.media.pictures import encoded, scene, wide_profile
from tests.styles import save_style


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Translator:
    return load_translator(str(save_style(tmp_path_factory.mktemp("style") / "s.safetensors", work_size=32)))


def test_an_image_an_array_and_a_file_get_the_same_pixels(translator: Translator, tmp_path: Path) -> None:
    pixels = scene(50, 70)
    (tmp_path / "a.png").write_bytes(encoded(pixels, "PNG"))
    convert_image(tmp_path / "a.png", tmp_path / "b.png", translator, ConvertOptions(strength=0.8, detail=0.3))
    wanted = np.asarray(Image.open(tmp_path / "b.png"))
    image = translate(Image.fromarray(pixels), translator, strength=0.8, detail=0.3)
    assert (image.mode, image.size) == ("RGB", (70, 50))
    assert np.array_equal(np.asarray(image), wanted)
    before = pixels.copy()
    array = translate(pixels, translator, strength=0.8, detail=0.3)
    assert array.dtype == np.uint8
    assert np.array_equal(array, wanted)
    assert np.array_equal(pixels, before)
    assert not np.array_equal(array, pixels)


@pytest.mark.parametrize("work_size", [32, "full"])
def test_every_type_of_array_says_the_same_within_a_level(translator: Translator, work_size: Any) -> None:
    pixels = scene(40, 56)
    exact = translate(pixels.astype(np.uint16) * 257, translator, work_size=work_size)
    assert exact.dtype == np.uint16
    for dtype in (np.float32, np.float64):
        made = translate((pixels / 255).astype(dtype), translator, work_size=work_size)
        assert made.dtype == dtype
        assert np.abs(made * 65535 - exact).max() < 0.01
    x = torch.from_numpy(pixels).permute(2, 0, 1)
    signed = translate(x.float() / 127.5 - 1, translator, work_size=work_size)
    assert signed.dtype == torch.float32
    assert np.abs((signed + 1).permute(1, 2, 0).numpy() * 32767.5 - exact).max() <= 1.1
    levels = translate(x, translator, work_size=work_size)
    assert levels.dtype == torch.uint8
    assert np.array_equal(levels.permute(1, 2, 0), translate(pixels, translator, work_size=work_size))


def test_tensors_keep_shape_type_and_every_picture_of_a_batch(translator: Translator) -> None:
    batch = torch.stack([torch.from_numpy(scene(33, 47, seed)).permute(2, 0, 1) for seed in range(3)])
    x = (batch.double() / 127.5 - 1).requires_grad_()
    shares: list[float] = []
    y = translate(x, translator, progress=shares.append)
    assert (y.shape, y.dtype, y.requires_grad) == (x.shape, torch.float64, False)
    for one, made in zip(x, y, strict=True):
        assert torch.equal(translate(one, translator), made)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_alpha_profile_and_hidden_pixels_are_carried(translator: Translator) -> None:
    alpha = np.full((40, 56), 255, np.uint8)
    alpha[:10] = 0
    clear = np.dstack([scene(), alpha])
    image = Image.fromarray(clear)
    profile = wide_profile()
    image.info |= {"icc_profile": profile, "dpi": (300, 300)}
    made = translate(image, translator)
    assert made.mode == "RGBA"
    assert np.array_equal(np.asarray(made)[..., 3], alpha)
    assert np.array_equal(np.asarray(made)[:10], clear[:10])
    assert made.info == {"icc_profile": profile, "dpi": (300, 300)}
    # The profile's colours are not sRGB's: what the net sees differs, so what it makes does.
    assert not np.array_equal(np.asarray(made), np.asarray(translate(Image.fromarray(clear), translator)))
    array = translate(clear, translator)
    assert np.array_equal(array[..., 3], alpha)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV", "I;16"])
def test_images_of_every_mode_come_back_as_rgb(mode: str, translator: Translator) -> None:
    source = Image.fromarray(scene().astype(np.uint16)[..., 0] * 257) if mode == "I;16" else None
    image = source or Image.fromarray(scene()).convert(mode)
    assert image.mode == mode
    made = translate(image, translator)
    assert made.mode == ("RGBA" if mode in ("LA", "RGBA") else "RGB")
    assert made.size == image.size


def test_a_palette_with_transparency_becomes_rgba(translator: Translator) -> None:
    image = Image.fromarray(scene()).convert("P")
    image.info["transparency"] = image.getpixel((0, 0))
    made = translate(image, translator)
    assert made.mode == "RGBA"
    assert "transparency" not in made.info


def test_a_grey_array_gets_colours_and_strength_0_gives_all_back(translator: Translator) -> None:
    grey = scene()[..., 0]
    assert translate(grey, translator).shape == (40, 56, 3)
    assert np.array_equal(translate(grey, translator, strength=0), np.repeat(grey[..., None], 3, 2))
    assert np.array_equal(np.asarray(translate(Image.fromarray(scene()), translator, strength=0)), scene())


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (np.zeros((4, 4, 2), np.uint8), "an array of shape (4, 4, 2)"),
        (np.zeros((0, 4, 3), np.uint8), "an array of shape (0, 4, 3)"),
        (np.zeros((4, 4, 3), np.int32), "an array of int32"),
        (np.full((4, 4, 3), 128.0), "values from 128 to 128"),
        (np.full((4, 4, 3), np.nan), "values from nan to nan"),
        (torch.zeros(4, 4, 3), "a tensor of shape (4, 4, 3)"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), "a tensor of torch.int64"),
        (torch.full((3, 4, 4), 255.0), "values from 255 to 255"),
        (Image.new("F", (4, 4)), "a picture that cannot be taken"),
        ("a.jpg", "a str is no picture"),
    ],
)
def test_what_is_no_picture_is_named(picture: Any, said: str, translator: Translator) -> None:
    with pytest.raises(UsageError) as caught:
        translate(picture, translator)
    assert said in caught.value.message


def test_options_and_styles_that_are_not_there_are_refused(translator: Translator) -> None:
    with pytest.raises(UsageError):
        translate(scene(), translator, strength=3)
    with pytest.raises(UsageError, match="no fine strokes"):
        translate(scene(), translator, strokes=0.5)
    with pytest.raises(UnknownStyle):
        translate(scene(), "no such style")
