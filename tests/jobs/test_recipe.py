from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle.config import ConvertOptions
from imgcycle.engine.style import Strokes, Style
from imgcycle.jobs.images.plan import read_recipe
from imgcycle.jobs.images.run import convert_image
from imgcycle.jobs.recipe import computed_with, recipe_for, resolve, same_making
from imgcycle.jobs.translators import load_translator
from imgcycle.media.codecs import tiff_writer
from tests.media.pictures import scene
from tests.styles import save_style

STYLE = Style("two", "d" * 64, 384, 0.2, strokes=Strokes(0.6, 0.7, 1.5))


def test_what_is_left_to_the_style_becomes_a_value() -> None:
    found = resolve(ConvertOptions(), STYLE)
    assert (found.work_size, found.detail, found.strokes, found.calm) == (384, 0.2, 0.6, 1.5)
    assert found.strokes_detail == 0.7
    plain = resolve(ConvertOptions(strokes=0), STYLE)
    assert (plain.detail, plain.strokes) == (0.2, 0.0)
    asked = resolve(ConvertOptions(work_size="full", detail=0.1, keep_colour=True, quality=80), STYLE)
    assert (asked.work_size, asked.detail, asked.keep_colour, asked.quality) == ("full", 0.1, True, 80)
    assert resolve(ConvertOptions(), Style("one")).strokes is None
    # Without strokes there is one detail, and left to the style or said, it is the same making.
    assert plain.strokes_detail is None
    assert recipe_for(plain, STYLE) == recipe_for(resolve(ConvertOptions(strokes=0, detail=0.2), STYLE), STYLE)
    assert recipe_for(found, STYLE)["options"]["detail"] is None


def test_strokes_of_a_mix_are_of_luma_if_each_style_says_so() -> None:
    luma = dataclasses.replace(STYLE, strokes=Strokes(0.6, 0.7, 1.5, luma=True))
    for styles, wanted in (((luma, luma), True), ((luma, STYLE), False), ((luma, Style("plain", "e" * 64)), True)):
        mix = Style("mix", mixed=tuple((0.5, style) for style in styles))
        assert resolve(ConvertOptions(), mix).strokes_luma is wanted
    assert resolve(ConvertOptions(), luma).strokes_luma


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_result_says_what_it_was_computed_with(tmp_path: Path, precision: str) -> None:
    translator = load_translator(str(save_style(tmp_path / "tiny.safetensors", work_size=32)), precision=precision)
    Image.fromarray(scene()).save(tmp_path / "a.png")
    (tmp_path / "deep.tif").write_bytes(tiff_writer.tiff_bytes(scene().astype(np.uint16) * 257))
    for name, expected in (("a.png", precision), ("deep.tif", "fp32")):
        convert_image(tmp_path / name, tmp_path / f"out-{name}", translator)
        recipe = read_recipe(tmp_path / f"out-{name}")
        assert recipe is not None
        assert recipe["precision"] == expected
        # In float32 bytes are the same on any number of threads.
        assert recipe.get("threads") == (torch.get_num_threads() if expected == "bf16" else None)
        # It is told, and no reason to make anything anew.
        assert same_making(recipe, recipe_for(resolve(ConvertOptions(), translator.style), translator.style))
    assert computed_with(translator, deep=True) == {"precision": "fp32"}
