"""A look at two folders: every number, every picture that is named, and what is advised."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle.config import TrainConfig
from imgcycle.errors import UsageError
from imgcycle.methods.registry import method_class
from imgcycle.training.check.advice import advice_on
from imgcycle.training.check.clean import copy_clean
from imgcycle.training.check.features import FAR, outliers
from imgcycle.training.check.look import check_folders
from imgcycle.training.check.report import CheckReport, FolderFacts, Remark
from tests.media.pictures import scene


class Means:
    """In place of VGG19: the mean of each channel, and a little of the picture's middle to tell pictures apart."""

    def features(self, batches: Any) -> torch.Tensor:
        rows = [torch.cat([b.mean((2, 3)), b[:, :, 100:120, 100:120].mean((2, 3)) / 9], 1) for b in batches]
        return torch.cat(rows).repeat(1, 60)  # as many as a net has, so that the classifier trusts them


def tint(seed: int, colour: tuple[int, int, int], height: int = 72, width: int = 100) -> Image.Image:
    return Image.fromarray((scene(height, width, seed) * 0.15 + np.array(colour) * 0.85).astype(np.uint8))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    a, b = tmp_path / "red", tmp_path / "blue"
    for folder, colour in ((a, (200, 60, 50)), (b, (50, 70, 200))):
        (folder / "sub").mkdir(parents=True)
        for n in range(24):
            shift = tuple(c + 2 * (n % 7) for c in colour)
            coarse = np.random.default_rng([n, colour[0]]).uniform(0, 255, (6, 8, 3)).astype(np.uint8)
            picture = np.asarray(Image.fromarray(coarse).resize((100, 72), Image.Resampling.BICUBIC))
            Image.fromarray((picture * 0.3 + np.array(shift) * 0.7).astype(np.uint8)).save(folder / f"{n:02}.png")
    return a, b


def named(report: CheckReport) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for remark in report.remarks:
        found.setdefault(remark.kind, []).append((remark.domain, remark.path.name))
    return found


def test_counts_sizes_and_what_is_left_out(folders: tuple[Path, Path]) -> None:
    a, b = folders
    (a / "bad.png").write_bytes(b"bad")
    Image.new("RGB", (40, 40), (9, 9, 9)).save(a / "flat.png")
    tint(99, (200, 60, 50), 48, 300).save(a / "sub" / "wide.png")
    heard: list[tuple[int, int]] = []
    report = check_folders(TrainConfig(str(a), str(b)), progress=lambda done, total: heard.append((done, total)))
    assert (report.a.pictures, report.b.pictures) == (25, 24)
    assert report.a.shorter == (48, 72, 72)
    assert report.a.bytes == sum(p.stat().st_size for p in a.rglob("*.png") if p.name not in ("bad.png", "flat.png"))
    assert named(report) == {"unreadable": [("A", "bad.png"), ("A", "flat.png")]}
    assert report.steps_per_epoch == 25
    assert report.told_apart is None
    assert heard == [(n, 50) for n in range(1, 51)]


def test_the_same_and_nearly_the_same_picture(folders: tuple[Path, Path]) -> None:
    a, b = folders
    shutil.copy(a / "03.png", a / "zz copy.png")
    shutil.copy(a / "04.png", b / "zz across.png")
    with Image.open(a / "05.png") as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(a / "zz mirrored.jpg", quality=90)
    report = check_folders(TrainConfig(str(a), str(b)))
    assert named(report) == {
        "duplicate": [("A", "zz copy.png"), ("B", "zz across.png")],
        "near": [("A", "zz mirrored.jpg")],
    }
    assert [remark.text for remark in report.remarks] == [
        "the same file as 03.png", "the same file as ../red/04.png", "nearly the same as 05.png",
    ]  # fmt: skip


def test_pictures_that_do_not_belong(folders: tuple[Path, Path], tmp_path: Path) -> None:
    a, b = folders
    tint(50, (52, 72, 203)).save(a / "wrong.png")
    tint(51, (20, 250, 20)).save(b / "odd.png")
    net: Any = Means()
    report = check_folders(TrainConfig(str(a), str(b)), net)
    found = named(report)
    assert found["elsewhere"] == [("A", "wrong.png")]
    assert ("B", "odd.png") in found["far"]
    assert report.told_apart is not None
    assert report.told_apart > 0.9
    assert check_folders(TrainConfig(str(a), str(b)), net) == report
    counts = copy_clean(report, ("one", "two"), tmp_path / "out")
    dropped = {remark.path for remark in report.remarks}
    assert counts == {"one": 25 - sum(p.parent == a for p in dropped), "two": 25 - sum(p.parent == b for p in dropped)}
    kept = {path.name for path in (tmp_path / "out/one").rglob("*.png")}
    assert "wrong.png" not in kept
    assert (a / "00.png").read_bytes() == (tmp_path / "out/one/00.png").read_bytes()
    assert f"{a / 'wrong.png'}\telsewhere\t" in (tmp_path / "out/dropped.tsv").read_text()
    with pytest.raises(UsageError, match="is there already"):
        copy_clean(report, ("one", "two"), tmp_path / "out")


def test_crops_at_full_size_leave_small_pictures_out(folders: tuple[Path, Path]) -> None:
    a, b = folders
    report = check_folders(TrainConfig(str(a), str(b), method="cut", size="full", crop=80))
    assert len(report.remarks) == 48
    assert report.remarks[0].text == "its shorter side has 72 pixels, fewer than a crop of 80"


def test_pairs_and_folders_that_cannot_be(folders: tuple[Path, Path]) -> None:
    a, b = folders
    (b / "23.png").unlink()
    report = check_folders(TrainConfig(str(a), str(b), method="pix2pix"))
    assert named(report) == {"unreadable": [("A", "23.png")]}
    assert report.advice[0].startswith("23 pairs")
    with pytest.raises(UsageError, match="is no folder"):
        check_folders(TrainConfig(str(a), str(b / "nowhere")))
    with pytest.raises(UsageError, match="one folder"):
        check_folders(TrainConfig(str(a), str(a)))


def test_what_lies_in_the_wrong_folder_and_what_is_far_from_all_is_named_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    middles = np.repeat(rng.normal(0, 1, (2, 128)), 100, axis=0)
    features = (middles + rng.normal(0, 1, middles.shape)).astype(np.float32)
    own = np.repeat([0, 1], 100)
    own[[5, 170]] = [1, 0]
    features[[20, 190]] = rng.normal(0, 4, (2, 128))
    elsewhere, far, told_apart = outliers(features, own)
    assert {5, 170} <= set(elsewhere)
    assert {20, 190} <= {*elsewhere, *far}
    assert len({*elsewhere, *far}) <= round(FAR * 200) + 4
    assert 0.95 < told_apart < 1


def facts(name: str, count: int, shorter: tuple[int, int, int] = (300, 400, 500), grey: float = 0.0) -> FolderFacts:
    return FolderFacts(Path(name), tuple(Path(name) / str(n) for n in range(count)), 10**6, shorter, grey)


def said(a: FolderFacts, b: FolderFacts, remarks: tuple[Remark, ...] = (), **more: Any) -> str:
    told: float | None = more.pop("told_apart", None)
    report = CheckReport(a, b, remarks, max(a.pictures, b.pictures), told)
    config = TrainConfig("a", "b", **more)
    return " ".join(advice_on(report, config, method_class(config.method)))


@pytest.mark.parametrize(
    ("count", "words"),
    [(8, "too few"), (30, "30 pictures in painter: enough for one painter"), (120, "enough."), (900, "plenty")],
)
def test_the_number_of_pictures_decides_what_is_advised(count: int, words: str) -> None:
    assert words in said(facts("photo", 1100), facts("painter", count))


def test_small_sizes_repetition_likeness_and_lack_of_colour_are_spoken_of() -> None:
    plain = said(facts("a", 900), facts("b", 900))
    assert "blur" not in plain
    assert "more than once" not in plain
    assert "alike" not in plain
    small = said(facts("a", 900, (120, 180, 300)), facts("b", 900))
    assert "--size 180 --crop 160" in small
    twice = tuple(Remark(Path(str(n)), "A", "duplicate", "") for n in range(100))
    assert "100 pictures are there more than once" in said(facts("a", 900), facts("b", 900), twice)
    assert "puts 66 %" in said(facts("a", 900), facts("b", 900), told_apart=0.66)
    assert "b is mostly without colour" in said(facts("a", 900), facts("b", 900, grey=0.9))


def test_it_says_how_long_a_run_would_be() -> None:
    assert "200 epochs are 180,000 steps" in said(facts("a", 900), facts("b", 30))
    assert "450 steps are 0.5 epochs" in said(facts("a", 900), facts("b", 30), steps=450)
    assert "how many fit into 60 minutes is measured first" in said(facts("a", 900), facts("b", 30), minutes=60)
    assert "measured first, at most 4,500 are taken." in said(facts("a", 9), facts("b", 9), minutes=60, most_steps=4500)


def test_a_single_picture_is_enough_where_a_method_learns_from_one(folders: tuple[Path, Path]) -> None:
    a, b = folders
    report = check_folders(TrainConfig(str(a), str(b / "00.png"), method="gram"))
    assert (report.a.pictures, report.b.pictures) == (24, 1)
    assert report.advice[0] == "24 pictures in red to learn the look of single ones on: more scenes teach more."
    with pytest.raises(UsageError, match="is no folder"):
        check_folders(TrainConfig(str(a), str(b / "00.png"), method="cut"))
