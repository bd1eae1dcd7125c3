"""Masks: pixels outside are the input's, soft edges are in between, another mask is another result."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle.config import ConvertOptions, ConvertRequest
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, UsageError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.images import cost
from imgcycle.jobs.images.batch import convert_all
from imgcycle.jobs.images.cost import ImageCost
from imgcycle.jobs.images.plan import plan, read_recipe
from imgcycle.jobs.images.run import convert_image
from imgcycle.jobs.recipe import resolve
from imgcycle.media.image.masks import Mask, levels_of, mask_of_file, sized
from imgcycle.media.image.read import read_still
from imgcycle.media.image.row_reader import is_available
from imgcycle.media.inputs import Source, mask_in
from tests.media.pictures import encoded, scene
from tests.styles import tiny_net

HEIGHT, WIDTH = 90, 130
ROOMY = MemoryBudget(2**34)


@pytest.fixture
def translator() -> Translator:
    return Translator(tiny_net(), torch.device("cpu"), style=Style("tiny", "d" * 64, 64, 0.5))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    Image.fromarray(scene(HEIGHT, WIDTH)).save(path)
    return path


def soft() -> Any:
    """Black at the left, white at the right, a slope of ten pixels between."""
    row = np.clip((np.arange(WIDTH) - 60) * 25, 0, 255).astype(np.uint8)
    return np.broadcast_to(row, (HEIGHT, WIDTH))


def pixels(path: Path) -> Any:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def masked(photo: Path, mask: str, translator: Translator, **options: Any) -> Any:
    out = photo.parent / "out.png"
    convert_image(photo, out, translator, ConvertOptions(mask=mask, **options), ROOMY)
    return pixels(out)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_levels_at_the_ends_give_either_exactly(dtype: Any) -> None:
    most = int(np.iinfo(dtype).max)
    random = np.random.default_rng(0)
    own, made = (random.integers(0, most + 1, (300, 7, 3)).astype(dtype) for _ in range(2))
    levels = np.zeros((310, 7), np.uint8)
    levels[10:150], levels[150:200] = 255, 51
    result = made.copy()
    Mask(levels, 255).lay(own, result, top=10)
    assert np.array_equal(result[:140], made[:140])
    assert np.array_equal(result[190:], own[190:])
    between = own[140:190] + (made[140:190].astype(float) - own[140:190]) * 0.2
    assert np.abs(result[140:190] - between).max() <= 0.51


@pytest.mark.parametrize("work_size", [64, "full"])
def test_outside_a_mask_every_pixel_is_the_input_s(photo: Path, translator: Translator, work_size: Any) -> None:
    Image.fromarray(soft()).save(photo.parent / "m.png")
    plain = photo.parent / "plain.png"
    convert_image(photo, plain, translator, ConvertOptions(work_size=work_size), ROOMY)
    own, all_of_it = pixels(photo), pixels(plain)
    found = masked(photo, str(photo.parent / "m.png"), translator, work_size=work_size)
    assert np.array_equal(found[:, :61], own[:, :61])
    assert np.array_equal(found[:, 71:], all_of_it[:, 71:])
    wanted = own + (all_of_it - own) * (soft()[..., None] / 255)
    assert np.abs(found - wanted).max() <= 0.51
    assert np.abs(all_of_it - own)[:, 61:71].max() > 5


def test_row_by_row_the_result_is_the_same(
    photo: Path, translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_available():
        pytest.skip("pyvips is not here")
    Image.fromarray(soft()).save(photo.parent / "m.png")
    name, real = str(photo.parent / "m.png"), cost.row_cost
    wanted = {size: masked(photo, name, translator, work_size=size) for size in (64, "full")}
    monkeypatch.setattr(cost, "row_cost", lambda *about: real(*about) and ImageCost(0, 0, 0))
    for size, whole in wanted.items():
        out = photo.parent / "rows.png"
        convert_image(photo, out, translator, ConvertOptions(mask=name, work_size=size), MemoryBudget(1))  # type: ignore[arg-type]
        assert np.abs(pixels(out) - whole).max() <= 1
        assert np.array_equal(pixels(out)[:, :61], pixels(photo)[:, :61])


def test_alpha_is_a_mask_too(tmp_path: Path, translator: Translator) -> None:
    rgba = np.dstack([scene(HEIGHT, WIDTH), soft()])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    found = masked(tmp_path / "a.png", "alpha", translator)
    assert np.array_equal(found[:, :61], rgba[:, :61, :3])
    assert np.abs(found[:, 75:] - rgba[:, 75:, :3]).max() > 5
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png"))[..., 3], soft())


def test_a_cut_out_subject_masks_by_its_opacity_and_greys_by_their_level() -> None:
    rgba = np.dstack([scene(HEIGHT, WIDTH), soft()])
    for made in (rgba, np.repeat(soft()[..., None], 3, 2)):
        still = read_still(encoded(made, "PNG"))
        assert np.array_equal(levels_of(still.pixels, still.alpha), soft())


def test_a_lossy_file_masks_as_it_was_drawn(photo: Path, tmp_path: Path, translator: Translator) -> None:
    """JPEG leaves faint levels beside edges; those near black stay the input's, and a slope stays one."""
    hard = np.zeros((HEIGHT, WIDTH), np.uint8)
    hard[:, 70:] = 255
    Image.fromarray(hard).save(tmp_path / "m.jpg", quality=90)
    with Image.open(tmp_path / "m.jpg") as kept:
        levels = np.asarray(kept)
    assert 0 < levels[:, :66].max() < 8
    own, painted = pixels(photo), masked(photo, "alpha", translator)
    found = masked(photo, str(tmp_path / "m.jpg"), translator)
    assert np.array_equal(found[:, :66], own[:, :66])
    assert np.array_equal(found[:, 76:], painted[:, 76:])
    steps = np.arange(256, dtype=np.uint8)
    slope = levels_of(np.repeat(steps[None, :, None], 3, 2), None, lossy=True)[0].astype(int)
    assert (slope[8], slope[9], slope[128], slope[246], slope[247]) == (0, 1, 128, 254, 255)
    assert set(np.diff(slope[8:248])) <= {1, 2}


def test_greys_of_more_rows_than_are_read_at_once() -> None:
    pixels = scene(600, 20)
    red, green, blue = (pixels[..., c].astype(int) for c in range(3))
    assert np.array_equal(levels_of(pixels, None), (299 * red + 587 * green + 114 * blue + 500) // 1000)


def test_a_mask_of_another_size_is_brought_to_the_picture_s(tmp_path: Path) -> None:
    small = sized(np.array([[0, 255], [0, 255]], np.uint8), 40, 40).levels
    assert (small[:, :10] == 0).all()
    assert (small[:, 30:] == 255).all()
    with pytest.raises(InputError, match="2 × 2, and the picture 80 × 40"):
        sized(np.zeros((2, 2), np.uint8), 40, 80)
    (tmp_path / "m.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"its mask .*m\.png cannot be used"):
        mask_of_file(str(tmp_path / "m.png"), 40, 40)


def test_masks_are_found_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.jpg", "sub/c.jpeg.png"):
        (folder / name).write_bytes(b"")
    photos = tmp_path / "photos"
    assert mask_in(folder, Source(str(photos / "a.jpg"), str(photos))) == folder / "a.png"
    assert mask_in(folder, Source(str(photos / "sub" / "b.jpg"), str(photos))) == folder / "sub" / "b.jpg"
    assert mask_in(folder, Source(str(photos / "elsewhere" / "a.jpg"), str(photos))) == folder / "a.png"
    assert mask_in(folder, Source(str(photos / "d.jpg"), str(photos))) is None


def test_a_folder_of_masks_and_what_another_mask_means(photo: Path, translator: Translator) -> None:
    root = photo.parent
    inputs, masks = root / "in", root / "masks"
    inputs.mkdir()
    masks.mkdir()
    for name in ("a.png", "b.png"):
        os.link(photo, inputs / name)
    Image.fromarray(soft()).save(masks / "a.png")
    request = ConvertRequest((str(inputs),), str(root / "out"), options=ConvertOptions(mask=str(masks)))
    made = plan(request, translator.style)
    assert [(task.verdict, task.reason) for task in made.tasks] == [
        ("convert", ""),
        ("fail", f"no mask of its name in {masks}"),
    ]
    list(convert_all(made, translator))
    recipe = read_recipe(root / "out" / "a.png")
    assert recipe is not None
    assert len(recipe["options"]["mask"]) == 64
    assert [task.verdict for task in plan(request, translator.style).tasks] == ["skip", "fail"]
    Image.fromarray(255 - soft()).save(masks / "a.png")
    assert [task.verdict for task in plan(request, translator.style).tasks] == ["keep", "fail"]
    without = ConvertRequest((str(inputs),), str(root / "out"))
    assert plan(without, translator.style).tasks[0].verdict == "keep"


def test_a_mask_that_cannot_be_read_is_named(
    photo: Path, translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(_: Path) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("imgcycle.jobs.recipe.file_digest", closed)
    with pytest.raises(UsageError, match=r"the mask .*a\.png cannot be read: Permission denied"):
        resolve(ConvertOptions(mask=str(photo)), translator.style)


def test_a_mask_that_is_not_there_is_refused_at_once(photo: Path, translator: Translator) -> None:
    with pytest.raises(UsageError, match="there is no mask"):
        masked(photo, str(photo.parent / "none.png"), translator)
    with pytest.raises(InputError, match="no mask of its name"):
        masked(photo, str(photo.parent.parent), translator)
