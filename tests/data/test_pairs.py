"""Pairs: found by name or side by side, cut alike, and passed over where they are none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgcycle.data.batches import PairedBatches
from imgcycle.data.folders import read_scaled
from imgcycle.data.pairs import open_domains, pair_of
from imgcycle.data.sampling import UnpairedOrder
from imgcycle.errors import InputError, UsageError


def two_folders(root: Path, count: int = 4, size: tuple[int, int] = (48, 40)) -> tuple[Path, Path]:
    """Random pictures in a, their negatives in b under the same names but for the ending."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (root / name / "deep ü").mkdir(parents=True)
    for n in range(count):
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        stem = f"deep ü/{n}.x" if n % 2 else f"-{n}"
        Image.fromarray(pixels).save(root / "a" / f"{stem}.png")
        Image.fromarray(255 - pixels).save(root / "b" / f"{stem}.bmp")
    return root / "a", root / "b"


def test_pairs_are_cut_and_mirrored_alike(tmp_path: Path) -> None:
    a, b, alone = open_domains(*two_folders(tmp_path), 40, paired=True)
    assert not alone
    batches = PairedBatches(a, b, seed=3, batch=2, crop=32)
    assert batches.steps_per_epoch == 2
    seen = set()
    for step in range(6):
        one, other = batches.load(step)
        assert one.shape == (2, 3, 32, 32)
        assert torch.equal(one, 255 - other)
        seen |= {image.numpy().tobytes() for image in one}
    assert len(seen) > 8, "each epoch cuts anew"
    assert torch.equal(batches.load(1)[0], batches.load(1, generation=4)[0])


def test_every_pair_comes_once_an_epoch(tmp_path: Path) -> None:
    a, b, _ = open_domains(*two_folders(tmp_path), 40, paired=True)
    ranks = [PairedBatches(a, b, seed=0, batch=1, crop=40, flip=False, rank=rank, world=2) for rank in (0, 1)]
    shown = [rank.load(step)[0][0, :, 0].numpy().tobytes() for step in range(2) for rank in ranks]
    assert len(set(shown)) == 4


@given(st.integers(1, 30), st.integers(0, 5), st.integers(0, 9))
def test_a_walk_passes_each_image_once(count: int, epoch: int, seed: int) -> None:
    order = UnpairedOrder(count, count, seed)
    assert {order.walked(epoch, item) for item in range(count)} == set(range(count))


def test_those_without_a_partner_are_named_and_left_out(tmp_path: Path) -> None:
    a, b = two_folders(tmp_path)
    Image.new("RGB", (40, 40)).save(a / "lonely.png")
    (b / "-0.bmp").unlink()
    first, second, alone = open_domains(a, b, 40, paired=True)
    assert [p.name for p in alone] == ["-0.png", "lonely.png"]
    assert [p.stem for p in first.paths] == [p.stem for p in second.paths] == ["-2", "1.x", "3.x"]


@pytest.mark.parametrize("width", [96, 97])
def test_files_of_two_pictures_are_halved_in_the_middle(tmp_path: Path, width: int) -> None:
    rng = np.random.default_rng(1)
    for n in range(3):
        Image.fromarray(rng.integers(0, 256, (40, width, 3), dtype=np.uint8)).save(tmp_path / f"{n}.png")
    a, b, _ = open_domains(tmp_path, tmp_path, 40, paired=True)
    whole = np.asarray(Image.open(tmp_path / "1.png"))
    assert np.array_equal(a.image(1), whole[:, :48])
    assert np.array_equal(b.image(1), whole[:, -48:])


def test_a_picture_one_pixel_wide_has_no_halves(tmp_path: Path) -> None:
    Image.new("RGB", (1, 8)).save(tmp_path / "thin.png")
    with pytest.raises(InputError, match="no halves"):
        read_scaled(tmp_path / "thin.png", 8, "left")


def test_a_damaged_half_takes_its_pair_along(tmp_path: Path) -> None:
    a, b = two_folders(tmp_path)
    Image.new("RGB", (48, 40), "red").save(b / "-2.bmp")
    said: list[str] = []
    first, second, _ = open_domains(a, b, 40, paired=True, on_unreadable=lambda path, _: said.append(path.name))
    damaged = b / "deep ü/1.x.bmp"
    damaged.write_bytes(damaged.read_bytes()[:500])
    first.image(2)  # A's half alone was fine, and may be in memory
    for _ in range(2):
        one, other = pair_of(first, second, 2)
        assert np.array_equal(one, 255 - other)
        assert np.array_equal(one, first.image(3))
    assert said == ["1.x.bmp"]


def test_pairs_of_two_shapes_are_passed_over_and_small_differences_are_not(tmp_path: Path) -> None:
    a, b = two_folders(tmp_path, size=(100, 40))
    Image.new("RGB", (60, 40)).save(b / "-0.bmp")
    Image.new("RGB", (202, 80)).save(b / "-2.bmp")
    said: list[str] = []
    first, second, _ = open_domains(a, b, 40, paired=True, on_unreadable=lambda _, why: said.append(why))
    assert pair_of(first, second, 0)[0].shape == (40, 100, 3)
    assert said == ["its partner has another shape, 60×40 where it has 100×40"]
    one, other = pair_of(first, second, 1)
    assert one.shape == other.shape == (40, 100, 3)
    assert other.max() == 0


def test_folders_that_pair_nothing_are_refused(tmp_path: Path) -> None:
    a, b = two_folders(tmp_path)
    for path in sorted(b.rglob("*.bmp")):
        path.rename(path.with_name(f"{path.stem}-b.bmp"))
    with pytest.raises(UsageError, match=r"hold 0 pairs.*side by side"):
        open_domains(a, b, 40, paired=True)
    assert len(open_domains(a, b, 40, paired=False)[0]) == 4


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    a, b = two_folders(tmp_path)
    Image.new("RGB", (48, 40)).save(a / "-0.jpg")
    with pytest.raises(UsageError, match="have the same name"):
        open_domains(a, b, 40, paired=True)


@pytest.mark.parametrize("kind", ["same", "link", "copies", "renamed", "inside", "hard links"])
@pytest.mark.parametrize("paired", [False, True])
def test_one_folder_twice_is_refused(tmp_path: Path, kind: str, paired: bool) -> None:
    a, _ = two_folders(tmp_path)
    other = tmp_path / "other"
    if kind == "same":
        other = a / ".." / "a"
    elif kind == "link":
        other.symlink_to(a)
    elif kind == "inside":
        other = a / "deep ü"
    else:
        shutil.copytree(a, other, copy_function=os.link if kind == "hard links" else shutil.copy2)
    if kind == "renamed":
        (other / "-0.png").rename(other / "zero.png")
    if paired and kind in ("same", "link"):
        for path in a.rglob("*.png"):
            Image.effect_noise((96, 40), 80).save(path)
        assert open_domains(a, other, 40, paired=True)[0].half == "left"
        return
    with pytest.raises(UsageError, match=r"(are one folder|hold the same pictures) \(one look is turned into another"):
        open_domains(a, other, 40, paired=paired)


def test_folders_that_share_some_pictures_are_two(tmp_path: Path) -> None:
    a, b = two_folders(tmp_path)
    shutil.copy2(a / "-0.png", b / "same.png")
    shutil.copy2(b / "-0.bmp", a / "same.bmp")
    assert len(open_domains(a, b, 40, paired=False)[0]) == 5


def test_ordinary_pictures_are_no_pairs_side_by_side(tmp_path: Path) -> None:
    said: list[str] = []
    for n in range(3):
        Image.effect_noise((48, 46), 80).save(tmp_path / f"{n}.png")
    with pytest.raises(UsageError, match="ordinary pictures, not two side by side"):
        open_domains(tmp_path, tmp_path, 40, paired=True, on_unreadable=lambda _, why: said.append(why))
    assert not said
    for n in range(2):
        Image.effect_noise((92, 46), 80).save(tmp_path / f"pair{n}.png")
    first, _, _ = open_domains(tmp_path, tmp_path, 40, paired=True, on_unreadable=lambda _, why: said.append(why))
    assert [path.stem for path in first.paths] == ["pair0", "pair1"]
    assert said == ["48×46 is not two pictures side by side"] * 3


def test_a_label_of_one_colour_is_half_of_a_pair(tmp_path: Path) -> None:
    a, b = two_folders(tmp_path)
    Image.new("RGB", (48, 40), "red").save(b / "-0.bmp")
    first, second, _ = open_domains(a, b, 40, paired=True)
    assert np.array_equal(pair_of(first, second, 0)[1][0, 0], (255, 0, 0))
