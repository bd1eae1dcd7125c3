"""Evaluating real folders, with a feature net of three numbers: who is measured against whom, and what is said."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from imgcycle.config import EvaluateRequest
from imgcycle.data.folders import read_scaled
from imgcycle.errors import UsageError
from imgcycle.jobs.evaluation.labels import evaluate_labels
from imgcycle.jobs.evaluation.run import evaluate
from imgcycle.jobs.evaluation.types import (
    Evaluated,
    LabelReport,
    LeftOut,
    Measured,
    Report,
    SetRow,
)
from imgcycle.jobs.events import Note
from imgcycle.metrics.content import psnr
from imgcycle.metrics.kid import WeightedRows, interval, kernel_distance, kernel_distances
from tests.media.pictures import encoded, scene


class MeanColour:
    """A feature net that sees three numbers."""

    name, digest = "VGG19 relu5_1", "0" * 64

    def __init__(self, device: torch.device) -> None:
        del device

    def features(self, images: Iterable[torch.Tensor]) -> torch.Tensor:
        return torch.cat([image.mean((2, 3)) for image in images])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight scenes, what a style made of them (darker, redder), twelve pictures of what it should look like."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("imgcycle.jobs.evaluation.run.FeatureNet", MeanColour)
    for n in range(12):
        pixels = scene(70, 90, n)
        red = (pixels * [0.9, 0.5, 0.4]).astype(np.uint8)
        if n < 8:
            save(tmp_path / f"photos/{n % 2}/{n}.png", pixels)
            save(tmp_path / f"photos-red/{n % 2}/{n}.png", (pixels * [0.9, 0.6, 0.5]).astype(np.uint8))
            save(tmp_path / f"back/{n % 2}/{n}.png", np.clip(pixels.astype(int) + 4, 0, 255).astype(np.uint8))
        save(tmp_path / f"red/{n}.jpg", np.roll(red, 9 * n, 1))
    return tmp_path


def save(path: Path, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(pixels, "PNG" if path.suffix == ".png" else "JPEG"))


def request(**changes: object) -> EvaluateRequest:
    given = {"outputs": "photos-red", "reference": "red", "inputs": "photos", "size": 64} | changes
    return EvaluateRequest(**given)  # type: ignore[arg-type]


def report(**changes: object) -> Report:
    last = list(evaluate(request(**changes)))[-1]
    assert isinstance(last, Evaluated)
    assert isinstance(last.report, Report)
    return last.report


def rows(found: Report) -> dict[str, SetRow]:
    return {row.name: row for row in found.rows}


def test_the_figures_are_those_of_the_measures(folder: Path) -> None:
    found = rows(report())

    def features(*where: str) -> torch.Tensor:
        squares = [read_scaled(p, 64)[:, 9:73] for w in where for p in sorted((folder / w).iterdir())]
        assert all(square.shape == (64, 64, 3) for square in squares)
        return torch.from_numpy(np.stack(squares)).float().div(127.5).sub(1).mean((1, 2))

    reference = features("red")
    drawn = []
    for name, tree in (("unconverted", "photos"), ("outputs", "photos-red")):
        rows_of = features(f"{tree}/0", f"{tree}/1")
        distance = found[name].distances["VGG19 relu5_1"]
        assert distance.kid == pytest.approx(1000 * kernel_distance(rows_of, reference), rel=1e-4)
        # Inputs and outputs are resampled alike, the reference on its own.
        sets = WeightedRows.resampled(rows_of, 0, 0), WeightedRows.resampled(reference, 0, 1)
        drawn.append(kernel_distances(*sets))
    low, high = interval(drawn[1] / drawn[0])
    assert distance.ratio_low == pytest.approx(low, rel=1e-3)
    assert distance.ratio_high == pytest.approx(high, rel=1e-3)
    assert list(found) == [
        "unconverted", "colour transfer", "oil paint", "double exposure",
        "strength 0.25", "strength 0.5", "strength 0.75", "outputs", "reference, halves",
    ]  # fmt: skip


def test_what_stands_beside_the_outputs(folder: Path) -> None:
    found = rows(report())
    distance = {name: row.distances["VGG19 relu5_1"] for name, row in found.items()}
    unconverted = distance["unconverted"]
    assert unconverted.ratio == unconverted.ratio_low == unconverted.ratio_high == 1
    way = [distance[n].kid for n in ("unconverted", "strength 0.25", "strength 0.5", "strength 0.75", "outputs")]
    assert way == sorted(way, reverse=True)
    for name in ("outputs", "colour transfer", "double exposure"):
        ratios = (distance[name].ratio_low, distance[name].ratio, distance[name].ratio_high)
        assert all(r is not None for r in ratios)
        assert ratios[0] < ratios[1] < ratios[2] < 1  # type: ignore[operator]
    assert abs(distance["reference, halves"].kid) < 0.1 * unconverted.kid
    assert [row.strength for row in found.values()] == [0, None, None, None, 0.25, 0.5, 0.75, 1, None]


def test_what_was_kept(folder: Path) -> None:
    kept = {name: row.kept for name, row in rows(report()).items()}
    same, ghost, made = (kept[name] for name in ("unconverted", "double exposure", "outputs"))
    assert same is not None
    assert ghost is not None
    assert made is not None
    assert same.edges == pytest.approx(1, abs=1e-4)
    assert same.luma_least == pytest.approx(1, abs=1e-4)
    assert ghost.edges_p10 < ghost.edges < 0.95 < made.edges
    assert made.luma_above_06 == made.luma_above_03 == 1
    assert kept["reference, halves"] is None


def test_the_way_back(folder: Path) -> None:
    found = report(back="back").cycle
    assert found is not None
    source, back = (read_scaled(folder / f"{tree}/0/0.png", 64) for tree in ("photos", "back"))
    level = [torch.from_numpy(p[:, 9:73].copy()).float().permute(2, 0, 1)[None] / 127.5 - 1 for p in (source, back)]
    assert found.psnr == pytest.approx(float(psnr(*level)), abs=0.3)
    assert found.psnr_outputs < found.psnr - 5
    with pytest.raises(UsageError, match="--inputs"):
        report(back="back", inputs=None)


def test_the_same_twice_and_something_else_with_another_seed(folder: Path) -> None:
    one, two, other = (report(seed=seed, jobs=jobs).rows for seed, jobs in ((0, 1), (0, 3), (1, 2)))
    assert one == two
    assert one[3].distances != other[3].distances
    assert one[-2].distances["VGG19 relu5_1"].kid == other[-2].distances["VGG19 relu5_1"].kid


def test_what_cannot_be_measured_is_named_and_counted(folder: Path) -> None:
    (folder / "red/bad.jpg").write_bytes(b"bad")
    (folder / "photos-red/0/broken.png").write_bytes(b"bad")
    save(folder / "photos/0/broken.png", scene())
    save(folder / "photos-red/0/alone.png", scene())
    save(folder / "photos-red/1/wide.png", scene(70, 180))
    save(folder / "photos/1/wide.png", scene(70, 90))
    events = list(evaluate(request()))
    left_out = {Path(e.path).name: e.reason for e in events if isinstance(e, LeftOut)}
    assert set(left_out) == {"bad.jpg", "broken.png", "alone.png", "wide.png"}
    assert "not an image" in left_out["bad.jpg"]
    assert "nothing in photos" in left_out["alone.png"]
    assert "not of the same shape" in left_out["wide.png"]
    last = events[-1]
    assert isinstance(last, Evaluated)
    assert isinstance(last.report, Report)
    assert last.report.left_out == 4
    assert last.report.pictures == 8
    assert last.report.exit_code == 1
    steps = [e for e in events if isinstance(e, Measured)]
    assert steps[-1].done == steps[-1].total == 13 + 8 * 10
    (folder / "red/bad.jpg").unlink()
    whole = report()
    assert whole.rows == last.report.rows


def test_without_inputs(folder: Path) -> None:
    events = list(evaluate(request(inputs=None)))
    assert any(isinstance(e, Note) and "--inputs" in e.text for e in events)
    found = rows(report(inputs=None))
    assert list(found) == ["outputs", "reference, halves"]
    assert found["outputs"].kept is None
    assert found["outputs"].distances["VGG19 relu5_1"].ratio is None


def test_results_beside_their_inputs_and_inside_them(folder: Path) -> None:
    expected = report().rows[-2]
    for n in range(8):
        made = (folder / f"photos-red/{n % 2}/{n}.png").read_bytes()
        (folder / f"photos/{n % 2}/{n}-red.png").write_bytes(made)
    beside = report(outputs="photos")
    assert (beside.rows[-2], beside.left_out) == (expected, 0)
    (folder / "photos-red").rename(folder / "photos/out")
    inside = report(outputs="photos/out")
    assert (inside.rows[-2], inside.left_out) == (expected, 0)


def test_a_sample(folder: Path) -> None:
    found = report(sample=3)
    assert (found.pictures, found.reference) == (3, 3)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"inputs": "red/3.jpg"}, "has the name of one"),
        ({"reference": "nowhere"}, "there is no nowhere"),
        ({"reference": "red/3.jpg"}, "fewer than two"),
        ({"outputs": "empty"}, "holds no pictures"),
    ],
)
def test_mistakes(folder: Path, changes: dict[str, str], part: str) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(UsageError, match=part):
        report(**changes)


PALETTE = "255 0 0 red\n0 255 0 green\n0 0 255 blue\n0 0 0 ignore\n"


def test_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    red, green, blue, black = [255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 0]
    (tmp_path / "palette.txt").write_text(PALETTE)
    save(tmp_path / "truth/a.png", np.array([[red, red], [green, black]], np.uint8))
    save(tmp_path / "truth/b.png", np.array([[blue, blue]], np.uint8).repeat(2, 0).repeat(2, 1))
    # One of two reds found; the prediction of b is half the size, off its colour, and half right.
    save(tmp_path / "made/a.png", np.array([[red, green], [green, green]], np.uint8))
    save(tmp_path / "made/b.png", np.array([[[9, 30, 240], [240, 20, 9]]], np.uint8))
    save(tmp_path / "made/c.png", np.array([[red]], np.uint8))
    (tmp_path / "truth/d.png").write_bytes(b"bad")
    save(tmp_path / "made/d.png", np.array([[red]], np.uint8))
    events = list(evaluate_labels("made", "truth", "palette.txt"))
    reasons = {e.path: e.reason for e in events if isinstance(e, LeftOut)}
    assert "nothing in truth" in reasons["made/c.png"]
    assert "truth/d.png: not an image" in reasons["made/d.png"]
    last = events[-1]
    assert isinstance(last, Evaluated)
    found = last.report
    assert isinstance(found, LabelReport)
    # Truth: 2 red, 1 green, 8 blue; found right: 1, 1, 4; named red: 1 + 4, green: 2, blue: 4.
    assert found.accuracies == pytest.approx((1 / 2, 1, 4 / 8))
    assert found.ious == pytest.approx((1 / 6, 1 / 2, 4 / 8))
    assert found.per_pixel == pytest.approx(6 / 11)
    assert found.per_class == pytest.approx(2 / 3)
    assert found.class_iou == pytest.approx((1 / 6 + 1 / 2 + 1 / 2) / 3)
    assert found.commonest == "blue"
    assert found.commonest_per_pixel == pytest.approx(8 / 11)
    assert (found.pictures, found.left_out, found.exit_code) == (2, 2, 1)


def test_a_smaller_prediction_is_enlarged_without_new_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "palette.txt").write_text(PALETTE + "128 0 128 purple\n")
    halves = np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)
    save(tmp_path / "truth/a.png", halves.repeat(8, 0).repeat(8, 1))
    save(tmp_path / "made/a.png", halves)
    last = list(evaluate_labels("made", "truth", "palette.txt"))[-1]
    assert isinstance(last, Evaluated)
    assert isinstance(last.report, LabelReport)
    assert (last.report.per_pixel, last.report.class_iou) == (1, 1)


def test_labels_that_cannot_be_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "made/a.png", scene())
    save(tmp_path / "truth/b.png", scene())
    with pytest.raises(UsageError, match=r"none\.txt cannot be read: No such file"):
        list(evaluate_labels("made", "truth", "none.txt"))
    (tmp_path / "palette.txt").write_text(PALETTE)
    with pytest.raises(UsageError, match="no file in made"):
        list(evaluate_labels("made", "truth", "palette.txt"))
    (tmp_path / "made/a.png").rename(tmp_path / "made/b.png")
    (tmp_path / "truth/b.png").write_bytes(b"bad")
    with pytest.raises(UsageError, match="no pair"):
        list(evaluate_labels("made", "truth", "palette.txt"))
