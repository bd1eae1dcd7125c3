"""Results no larger than asked for: in memory and by rows, stills and animations, files and arrays."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from imgcycle import convert_image, translate
from imgcycle.config import ConvertOptions, ConvertRequest
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import UsageError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.disk import expected_size
from imgcycle.jobs.images import cost
from imgcycle.jobs.images.batch import convert_all
from imgcycle.jobs.images.cost import ImageCost, image_cost, plan_file
from imgcycle.jobs.images.plan import plan, read_recipe
from imgcycle.jobs.recipe import resolve
from imgcycle.jobs.tasks import Task
from imgcycle.media.image.read import measure, read_still
from imgcycle.media.image.reduction import reduced
from tests.media.pictures import encoded, exif_block, scene
from tests.styles import tiny_net

ROOMY = MemoryBudget(2**34)
SMALL = ConvertOptions(max_side=120)


@pytest.fixture
def translator() -> Translator:
    return Translator(tiny_net(), torch.device("cpu"), style=Style("tiny", "d" * 64, 64, 0.5))


def photo(folder: Path, name: str = "a.jpg", **options: Any) -> Path:
    path = folder / name
    path.write_bytes(encoded(scene(320, 480), "PNG" if name.endswith("png") else "JPEG", **options))
    return path


def pixels(path: Path) -> Any:
    return read_still(path.read_bytes()).pixels


@pytest.mark.parametrize("turn", [1, 6])
def test_a_result_is_no_larger_and_its_metadata_say_so(tmp_path: Path, translator: Translator, turn: int) -> None:
    exif = Image.Exif()
    exif.load(exif_block(turn, width=480))
    exif[0x011A] = exif[0x011B] = 300
    exif[0x0128] = 2
    exif.get_ifd(0x8769)[0xA20E] = IFDRational(4000)
    exif.get_ifd(0x8769)[0x9214] = (240, 160, 40, 20)
    source = photo(tmp_path, exif=exif.tobytes(), dpi=(300, 300))
    row = convert_image(source, tmp_path / "b.jpg", translator, SMALL)
    size = (120, 80) if turn == 1 else (80, 120)
    assert (row.width, row.height) == size
    with Image.open(tmp_path / "b.jpg") as made:
        assert made.size == size
        # As large on paper as before, with a quarter of the pixels.
        assert made.info["dpi"] == (75, 75)
        found = made.getexif()
        assert (found[0x0112], found[0x011A], found[0x011B]) == (1, 75, 75)
        inner = found.get_ifd(0x8769)
        assert (inner[0xA002], inner[0xA003]) == size
        assert inner[0xA20E] == 1000
        assert inner[0x9214] == (60, 40, 10, 5)
        assert inner[0x927C] == b"MAKERNOTE" * 4
    recipe = read_recipe(tmp_path / "b.jpg")
    assert recipe is not None
    assert recipe["options"]["max_side"] == 120


def test_an_unknown_density_stays_unknown(tmp_path: Path, translator: Translator) -> None:
    source = photo(tmp_path, dpi=(72, 72))
    convert_image(source, tmp_path / "b.jpg", translator, SMALL)
    with Image.open(tmp_path / "b.jpg") as made:
        assert made.info["dpi"] == (72, 72)


def test_the_net_sees_the_smaller_picture(tmp_path: Path, translator: Translator) -> None:
    source = photo(tmp_path, "a.png")
    convert_image(source, tmp_path / "b.png", translator, SMALL)
    smaller = tmp_path / "c.png"
    Image.fromarray(reduced(scene(320, 480), (80, 120))).save(smaller)
    convert_image(smaller, tmp_path / "d.png", translator)
    assert np.array_equal(pixels(tmp_path / "b.png"), pixels(tmp_path / "d.png"))
    assert plan_file(task(source, tmp_path / "b.png"), translator, ROOMY).width == 120


def test_what_is_small_already_stays_as_it_is(tmp_path: Path, translator: Translator) -> None:
    source = photo(tmp_path, "a.png")
    for name, options in (("b.png", ConvertOptions(max_side=480)), ("c.png", ConvertOptions())):
        convert_image(source, tmp_path / name, translator, options)
    assert np.array_equal(pixels(tmp_path / "b.png"), pixels(tmp_path / "c.png"))


def task(source: Path, target: Path, options: ConvertOptions = SMALL) -> Task:
    return Task(str(source), str(target), str(target.parent), resolve(options, Style("tiny", "d" * 64, 64, 0.5)))


@pytest.mark.parametrize("options", [SMALL, replace(SMALL, work_size="full", strength=0.7, keep_colour=True)])
@pytest.mark.parametrize("turn", [1, 6])
def test_row_by_row_the_result_is_the_same(
    tmp_path: Path, translator: Translator, monkeypatch: pytest.MonkeyPatch, options: ConvertOptions, turn: int
) -> None:
    source = photo(tmp_path, exif=exif_block(turn), dpi=(300, 300))
    convert_image(source, tmp_path / "whole.png", translator, options, ROOMY)
    real = cost.row_cost
    monkeypatch.setattr(cost, "row_cost", lambda *about: real(*about) and ImageCost(0, 0, 0))
    assert plan_file(task(source, tmp_path / "rows.png", options), translator, MemoryBudget(1)).by_rows
    convert_image(source, tmp_path / "rows.png", translator, options, MemoryBudget(1))
    whole, rows = (read_still((tmp_path / name).read_bytes()) for name in ("whole.png", "rows.png"))
    assert whole.size == rows.size == ((120, 80) if turn == 1 else (80, 120))
    assert whole.metadata.dpi == rows.metadata.dpi == 75
    assert np.abs(whole.pixels.astype(int) - rows.pixels).max() <= 2


def test_less_memory_is_counted_and_less_disk(tmp_path: Path, translator: Translator) -> None:
    source = photo(tmp_path)
    small, large = (task(source, tmp_path / "b.jpg", options) for options in (SMALL, ConvertOptions()))
    data = source.read_bytes()
    costs = [image_cost(measure(data, max_side=side), 0, small.options, "JPEG") for side in (120, None)]
    # Decoded at half the size, and a sixteenth of the pixels from there on.
    assert costs[0].reading == costs[1].reading / 4 + 3 * 80 * 120
    assert (costs[0].held, costs[0].writing) == (costs[1].held / 16, costs[1].writing / 16)
    assert plan_file(small, translator, ROOMY).held < plan_file(large, translator, ROOMY).held
    assert expected_size(small) == round(expected_size(large) / 16)


def test_compare_mask_and_transparency_go_along(tmp_path: Path, translator: Translator) -> None:
    source = tmp_path / "a.png"
    alpha = np.full((320, 480, 1), 255, np.uint8)
    alpha[:, 240:] = 0
    Image.fromarray(np.dstack([scene(320, 480), alpha])).save(source)
    mask = np.zeros((320, 480), np.uint8)
    mask[160:] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    options = ConvertOptions(max_side=120, compare=True, mask=str(tmp_path / "m.png"))
    row = convert_image(source, tmp_path / "b.png", translator, options)
    assert (row.width, row.height) == (240, 80)
    made = read_still((tmp_path / "b.png").read_bytes())
    before, after = made.pixels[:, :120], made.pixels[:, 120:]
    assert np.array_equal(before[:40], after[:40])
    assert np.abs(before[40:, :60].astype(int) - after[40:, :60]).mean() > 5
    assert made.alpha is not None
    assert (made.alpha[:, :60] == 255).all()
    assert (made.alpha[:, 60:120] == 0).all()


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP"])
def test_every_frame_of_an_animation_is_smaller(tmp_path: Path, translator: Translator, format_: str) -> None:
    first, *others = (Image.fromarray(scene(60, 96, seed)) for seed in range(3))
    out = io.BytesIO()
    first.save(out, format_, save_all=True, append_images=others, duration=[100, 200, 300], loop=0)
    source = tmp_path / f"a.{format_.lower()}"
    source.write_bytes(out.getvalue())
    target = source.with_stem("b")
    row = convert_image(source, target, translator, ConvertOptions(max_side=48))
    assert (row.width, row.height) == (48, 30)
    with Image.open(target) as made:
        assert (made.size, getattr(made, "n_frames", 1)) == ((48, 30), 3)


def test_another_limit_is_another_result(tmp_path: Path, translator: Translator) -> None:
    photo(tmp_path)
    for side, verdict in ((120, "convert"), (120, "skip"), (130, "keep")):
        options = ConvertOptions(max_side=side)
        planned = plan(ConvertRequest((str(tmp_path / "a.jpg"),), options=options), translator.style)
        assert [each.verdict for each in planned.tasks] == [verdict]
        list(convert_all(planned, translator))


def test_pictures_in_memory_are_made_smaller_too(translator: Translator) -> None:
    pixels = scene(320, 480)
    assert translate(pixels, translator, max_side=120).shape == (80, 120, 3)
    batch = torch.from_numpy(np.stack([pixels, pixels])).permute(0, 3, 1, 2)
    assert translate(batch, translator, max_side=120).shape == (2, 3, 80, 120)
    image = Image.fromarray(pixels)
    image.info["dpi"] = (300, 300)
    made = translate(image, translator, max_side=120)
    assert (made.size, made.info["dpi"]) == ((120, 80), (75, 75))
    with pytest.raises(UsageError, match=r"--max-side is 8 \(at least 16\)"):
        translate(pixels, translator, max_side=8)
