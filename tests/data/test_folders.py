"""Training folders: any mix of files, unreadable ones named, too few refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle.data.batches import Prefetcher, UnpairedBatches, to_signed
from imgcycle.data.folders import ImageFolder, read_scaled
from imgcycle.data.sampling import Placement
from imgcycle.errors import InputError, UsageError
from tests.media.metadata.blocks import chunk, png, ztxt


def fill(folder: Path, count: int = 3, size: tuple[int, int] = (40, 40)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(folder.name))
    for n in range(count):
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{n}.png")
    return folder


def test_any_mode_and_size_becomes_rgb_with_the_shorter_side_scaled(tmp_path: Path) -> None:
    for name, mode, size in (("a.png", "RGBA", (60, 90)), ("b.jpg", "L", (33, 31)), ("c.gif", "P", (80, 20))):
        Image.new(mode, size).save(tmp_path / name)
    folder = ImageFolder(tmp_path, 32, flat_too=True)
    assert [folder.image(n).shape for n in range(3)] == [(48, 32, 3), (32, 34, 3), (32, 128, 3)]


def test_pictures_already_of_the_right_size_are_not_touched(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    with Image.open(tmp_path / "0.png") as image:
        assert np.array_equal(read_scaled(tmp_path / "0.png", 40), np.asarray(image))


def test_orientation_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert read_scaled(tmp_path / "turned.jpg", 20).shape == (40, 20, 3)


def test_crops_reach_both_edges_and_mirror(tmp_path: Path) -> None:
    folder = ImageFolder(fill(tmp_path / "x"), 40)
    whole = folder.image(0)
    assert np.array_equal(folder.crop(0, 32, Placement(0, 0, False)), whole[:32, :32])
    last = folder.crop(0, 32, Placement(0.999999, 0.999999, True))
    assert np.array_equal(last, whole[8:, 8:][:, ::-1])
    assert np.array_equal(folder.crop(0, 32, Placement(0, 0, True), flip=False), whole[:32, :32])
    assert np.array_equal(folder.centre(0, 32), whole[4:36, 4:36])


def test_what_is_said_beside_the_pixels_leaves_no_picture_out(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "long.png").write_bytes(png(ztxt(b"workflow", b'{"node":1}' * 300_000)))
    (tmp_path / "junk.png").write_bytes(png(chunk(b"tEXt", b"Raw profile type exif\0\nexif\n   10\nzz no hex zz\n")))
    (tmp_path / "profile.png").write_bytes(png(chunk(b"iCCP", b"a\0\7abc")))
    folder = ImageFolder(tmp_path, 40, on_unreadable=lambda path, reason: said.append(f"{path}: {reason}"))
    assert [folder.image(n).shape for n in range(3)] == [(40, 56, 3)] * 3
    assert not said


def test_unreadable_files_are_reported_once_and_left_out(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    (tmp_path / "notes.txt").write_text("passed over")
    (tmp_path / "._2.png").write_bytes(b"junk")
    seen: list[str] = []
    folder = ImageFolder(tmp_path, 32, on_unreadable=lambda path, _: seen.append(path.name))
    assert seen == ["broken.jpg"]
    assert len(folder) == 3


def test_a_picture_whose_pixels_end_early_is_reported_once_and_its_successor_stands_in(tmp_path: Path) -> None:
    fill(tmp_path / "x")
    cut = tmp_path / "x/1.png"
    cut.write_bytes(cut.read_bytes()[:-1500])
    seen: list[str] = []
    folder = ImageFolder(tmp_path / "x", 40, on_unreadable=lambda path, _: seen.append(path.name))
    for _ in range(3):
        assert np.array_equal(folder.image(1), folder.image(2))
    assert seen == ["1.png"]


def test_sixteen_bits_are_read_as_what_they_show(tmp_path: Path) -> None:
    import cv2

    grey = np.linspace(0, 65535, 40 * 40).reshape(40, 40).astype(np.uint16)
    (tmp_path / "deep.png").write_bytes(cv2.imencode(".png", grey)[1].tobytes())
    found = read_scaled(tmp_path / "deep.png", 40)
    assert np.abs(found[..., 0] - grey / 257).max() <= 0.5


@pytest.mark.parametrize("count", [0, 1])
def test_an_empty_or_one_image_folder_is_refused(tmp_path: Path, count: int) -> None:
    fill(tmp_path / "few", count)
    with pytest.raises(UsageError, match="one image" if count else "no image"):
        ImageFolder(tmp_path / "few", 32)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        ImageFolder(tmp_path / "gone", 32)


def test_the_cache_keeps_to_its_budget_and_changes_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "x", 4)
    kept = ImageFolder(tmp_path / "x", 40, cache_bytes=2 * 40 * 40 * 3)
    plain = ImageFolder(tmp_path / "x", 40)
    for _ in range(2):
        for n in range(4):
            assert np.array_equal(kept.image(n), plain.image(n))
    assert len(kept._cache) == 2
    assert not plain._cache


def batches(root: Path, rank: int = 0, world: int = 1) -> UnpairedBatches:
    a, b = ImageFolder(fill(root / "a", 5), 40), ImageFolder(fill(root / "bb", 3), 40)
    return UnpairedBatches(a, b, seed=1, batch=1, crop=32, rank=rank, world=world)


def test_grey_images_have_the_luma_in_all_channels(tmp_path: Path) -> None:
    folder = fill(tmp_path, 2)
    grey = ImageFolder(folder, 40, grey=True, prepare=lambda pixels: pixels // 2).image(1)
    luma = (ImageFolder(folder, 40).image(1) // 2) @ np.array([0.299, 0.587, 0.114])
    assert grey.shape[2] == 3
    assert np.ptp(grey, 2).max() == 0
    assert np.abs(grey[..., 0] - luma).max() <= 1


def test_a_whole_picture_of_b_a_step(tmp_path: Path) -> None:
    cropped = batches(tmp_path)
    source = dataclasses.replace(cropped, whole_b=True, batch=3)
    seen = set()
    for step in range(8):
        a, b = source.load(step)
        assert a.shape == (3, 3, 32, 32)
        wholes = [torch.from_numpy(source.b.image(n).copy()).permute(2, 0, 1)[None] for n in range(3)]
        (found,) = [n for n, whole in enumerate(wholes) if torch.equal(whole, b)]
        seen.add(found)
    assert len(seen) > 1


def test_a_batch_is_a_function_of_its_step(tmp_path: Path) -> None:
    source = batches(tmp_path)
    later = source.load(7)
    prefetcher = Prefetcher(source, torch.device("cpu"), 3, stop=20)
    for step in (0, 1, 7, 8, 19, 20, 25, 26, 3):
        a, b = prefetcher.get(step)
        expected = source.load(step)
        assert torch.equal(a, to_signed(expected[0]))
        assert torch.equal(b, to_signed(expected[1]))
    assert torch.equal(later[0], source.load(7)[0])
    prefetcher.close()


def test_ranks_share_an_epoch_without_overlap(tmp_path: Path) -> None:
    alone, first, second = batches(tmp_path), batches(tmp_path, 0, 2), batches(tmp_path, 1, 2)
    assert first.steps_per_epoch == second.steps_per_epoch == 3
    assert alone.steps_per_epoch == 5
    seen = [source.load(step)[0] for step in range(2) for source in (first, second)]
    for step, image in enumerate(seen):
        assert torch.equal(image, alone.load(step)[0])


def test_values_run_from_minus_one_to_one() -> None:
    assert to_signed(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


def test_full_leaves_pictures_as_they_are_and_small_ones_out(tmp_path: Path) -> None:
    fill(tmp_path / "x", 2, (70, 50))
    Image.new("RGB", (200, 31)).save(tmp_path / "x" / "thin.png")
    said: list[tuple[str, str]] = []
    folder = ImageFolder(
        tmp_path / "x", "full", least=32, on_unreadable=lambda path, why: said.append((path.name, why))
    )
    with Image.open(tmp_path / "x" / "1.png") as image:
        assert np.array_equal(folder.image(1), np.asarray(image))
    assert folder.crop(2, 32, Placement(0.5, 0.5, False)).shape == (32, 32, 3)
    assert said == [("thin.png", "its shorter side has 31 pixels, fewer than a crop of 32")]


def test_scans_are_brought_to_one_scale_and_never_enlarged(tmp_path: Path) -> None:
    fill(tmp_path / "scans" / "train", 3, (90, 60))
    table = tmp_path / "scans" / "sources.csv"
    table.write_text("file,title,px_per_cm\ntrain/0.png,One,30\ntrain/1.png,Two,10\ntrain/2.png,Three,\n")
    folder = ImageFolder(tmp_path / "scans" / "train", "full", px_per_cm=20)
    assert [folder.image(n).shape for n in range(3)] == [(40, 60, 3), (60, 90, 3), (60, 90, 3)]
    table.write_text("file,px_per_cm\ntrain/0.png,fine\n")
    with pytest.raises(UsageError, match=r"sources\.csv cannot be read: .*fine"):
        ImageFolder(tmp_path / "scans" / "train", "full", px_per_cm=20).image(0)
    table.write_text("file,px_per_cm\ntrain/0.png,-3\n")
    with pytest.raises(UsageError, match="not above 0"):
        ImageFolder(tmp_path / "scans" / "train", "full", px_per_cm=20).image(0)


def test_odd_pictures_are_left_out_by_name_and_reason(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    for name, size in (("icon.png", (15, 90)), ("strip.png", (20000, 16)), ("tall.png", (20, 400))):
        Image.effect_noise(size, 80).save(tmp_path / name)
    (tmp_path / "404.jpg").write_bytes(b"<html>404</html>")
    (tmp_path / "empty.png").write_bytes(b"")
    seen: dict[str, str] = {}
    folder = ImageFolder(tmp_path, 286, on_unreadable=lambda path, reason: seen.update({path.name: reason}))
    assert [path.name for path in folder.paths] == ["0.png", "1.png"]
    assert seen["icon.png"] == "15×90 is too small: 16 pixels a side are the least"
    assert seen["strip.png"] == "20000×16 is too long and thin, more than 16 to 1"
    assert seen["tall.png"] == "20×400 is too long and thin, more than 16 to 1"
    assert set(seen) == {"icon.png", "strip.png", "tall.png", "404.jpg", "empty.png"}
    whole = ImageFolder(tmp_path, "full", on_unreadable=lambda *_: None)
    assert {"strip.png", "tall.png"} <= {path.name for path in whole.paths}, "as they are they stay small"


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1"])
def test_a_picture_of_one_flat_colour_is_left_out_when_it_is_decoded(tmp_path: Path, mode: str) -> None:
    fill(tmp_path, 2)
    Image.new(mode, (50, 60)).save(tmp_path / "2.png")
    nearly = np.full((40, 40, 3), 90, np.uint8)
    nearly[::2] += 2
    Image.fromarray(nearly).save(tmp_path / "3.png")
    seen: dict[str, str] = {}
    folder = ImageFolder(tmp_path, 40, on_unreadable=lambda path, reason: seen.update({path.name: reason}))
    for index in (2, 3):
        assert np.array_equal(folder.image(index), folder.image(0))
    assert seen == dict.fromkeys(("2.png", "3.png"), "one flat colour: there is nothing to learn from it")
    assert folder.image(1).shape == (40, 40, 3)


def test_files_that_vanish_or_change_while_a_run_learns_are_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, 6)
    seen: dict[str, str] = {}
    folder = ImageFolder(tmp_path, 40, on_unreadable=lambda path, reason: seen.update({path.name: reason}))
    fingerprint = folder.digest()
    (tmp_path / "0.png").unlink()
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "2.png").unlink()
    (tmp_path / "2.png").mkdir()
    Image.effect_noise((8000, 4), 80).save(tmp_path / "3.png")
    for index in range(5):
        assert np.array_equal(folder.image(index), folder.image(4))
    assert set(seen) == {"0.png", "1.png", "2.png", "3.png"}
    assert seen["0.png"] == "No such file or directory"
    assert folder.digest() == fingerprint


def test_a_folder_whose_pictures_are_all_gone_says_so_however_many_they_were(tmp_path: Path) -> None:
    for n in range(1200):
        (tmp_path / f"{n}.bmp").hardlink_to(tmp_path / "0.bmp") if n else Image.new("RGB", (20, 20)).save(
            tmp_path / "0.bmp"
        )
    folder = ImageFolder(tmp_path, 20)
    with pytest.raises(InputError, match="has no image left that could be learnt from"):
        folder.image(7)


def test_a_large_transparent_picture_is_laid_on_white_as_a_whole_one_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (700, 40, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "clear.png")
    share = pixels[..., 3:].astype(np.float32) / 255
    expected = np.rint(pixels[..., :3] * share + 255 * (1 - share)).astype(np.uint8)
    assert np.array_equal(read_scaled(tmp_path / "clear.png", "full"), expected)
