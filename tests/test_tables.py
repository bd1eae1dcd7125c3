"""What the comparison's tables stand on: the made-up streets, the scores, the print (`tests/benchmarks/tables.py`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from imgcycle.methods.registry import method_class
from imgcycle.metrics.segmentation import label_scores
from tests.benchmarks import tables, tables_cells
from tests.benchmarks.tables_cells import BUDGET, ROWS, Cell
from tests.benchmarks.tables_scores import SCENES, colour_alone, read, score_labels, trained_segmenter
from tests.benchmarks.world import CLASSES, COLOURS, SIDE, Scene, scene


@pytest.fixture(scope="module")
def streets() -> list[Scene]:
    return [scene(7, index) for index in range(16)]


def test_a_scene_follows_from_seed_and_number_alone(streets: list[Scene]) -> None:
    again = scene(7, 5)
    assert np.array_equal(again.photo, streets[5].photo)
    assert np.array_equal(again.classes, streets[5].classes)
    for other in (scene(8, 5), scene(7, 6)):
        assert not np.array_equal(other.classes, again.classes)


def test_every_class_is_there_and_none_is_everywhere(streets: list[Scene]) -> None:
    shares = np.bincount(np.stack([one.classes for one in streets]).ravel(), minlength=len(CLASSES))
    shares = shares / shares.sum()
    assert shares.min() > 0.005
    assert shares.max() < 0.4


def test_labels_have_colours_of_the_palette_and_no_others(streets: list[Scene]) -> None:
    for street in streets:
        assert street.labels.shape == street.photo.shape == (SIDE, SIDE, 3)
        assert {tuple(map(int, rgb)) for rgb in street.labels.reshape(-1, 3)} <= set(COLOURS.values())


def test_photograph_and_labels_show_the_same(streets: list[Scene]) -> None:
    """Edges of the labels lie on edges of the photograph: moved by three pixels they do so less."""

    def contrast(shift: int) -> float:
        found = []
        for street in streets:
            edges = np.diff(np.roll(street.classes.astype(int), shift, 1), axis=1) != 0
            steps = np.abs(np.diff(street.photo.astype(float), axis=1)).sum(2)
            found.append(steps[edges].mean() / steps.mean())
        return float(np.mean(found))

    assert contrast(0) > 1.2 * max(contrast(-3), contrast(3))


def test_colour_tells_little(streets: list[Scene]) -> None:
    photos = [one.photo for one in streets]
    assert label_scores(score_labels(streets, photos)).class_iou < 0.2
    known = [scene(7, index) for index in range(100, 120)]
    assert 0.2 < label_scores(colour_alone(streets, known)).class_iou < 0.4
    # What was learnt from the very pixels that are asked for is more, so it is colours that are looked up.
    assert label_scores(colour_alone(known, known)).class_iou > label_scores(colour_alone(streets, known)).class_iou


def test_true_labels_have_full_marks(streets: list[Scene]) -> None:
    assert label_scores(score_labels(streets, [one.labels for one in streets])).class_iou == 1


def test_the_segmenter_is_asked_for_every_pixel(streets: list[Scene]) -> None:
    class Red(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([-x[:, :1], x[:, :1]], 1)

    photos = [one.photo for one in streets]
    expected = np.stack(photos)[..., 0] > 127
    assert np.array_equal(read(Red(), photos), expected)  # type: ignore[arg-type]


def test_the_segmenter_learns_and_is_the_same_again() -> None:
    one, other = (trained_segmenter(7, range(2), steps=2).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    first = trained_segmenter(7, range(2), steps=1).state_dict()
    assert not torch.equal(first["last.weight"], one["last.weight"])


def test_scenes_are_shared_by_nobody() -> None:
    used = [set(range(*BUDGET.labels)), set(range(*BUDGET.photos)), set(range(*BUDGET.tested)), set(SCENES)]
    assert len(set().union(*used)) == sum(map(len, used))


@pytest.mark.parametrize("row", ROWS)
def test_rows_ask_for_both_ways_at_one_price(row: str, tmp_path: Path) -> None:
    asked = []
    for config, ways in Cell(row, 1, tmp_path).runs().values():
        asked += [(way, (own == "A2B") == config.a.endswith("labels")) for way, own in ways.items()]
        assert config.method == ROWS[row].options.get("method", "cyclegan")
        assert config.b.endswith("pairs") == method_class(config.method).paired
        assert (config.crop, config.seed) == (SIDE, 1)
        if ROWS[row].own is None:
            assert (config.net, config.discriminator) == (BUDGET.net, BUDGET.discriminator)
            assert {name: config.to_dict()[name] for name in BUDGET.settings} == BUDGET.settings
    assert sorted(asked) == [("A2B", True), ("B2A", False)]


def keep(cell: Cell, right: int) -> None:
    """A finished cell of which so many of a hundred pixels are right, in one way; the other is all right."""
    counts = np.zeros((2, 2), int)
    counts[0] = right, 100 - right
    figures: dict[str, Any] = {"seconds": 1.0, "budget": tables_cells.budget_facts()}
    figures["counts"] = {"A2B": [[1, 0], [0, 1]], "B2A": counts.tolist()}
    cell.file.parent.mkdir(parents=True, exist_ok=True)
    cell.file.write_text(json.dumps(figures))


def test_the_table_has_means_and_deviations_beside_what_was_published(tmp_path: Path) -> None:
    for seed, right in enumerate((60, 70, 80)):
        keep(Cell("cyclegan", seed, tmp_path), right)
    keep(Cell("gan-alone", 0, tmp_path), 50)
    lines = tables.table("B2A", {"cyclegan": [0, 1, 2], "gan-alone": [0], "simgan": [0]}, tmp_path, {})
    assert lines[2] == ("| CycleGAN | 0.58 / 0.22 / 0.16 | 0.700 ± 0.100 | 0.700 ± 0.100 | 0.350 ± 0.050 | 3 |")
    assert lines[3] == "| GAN alone | 0.53 / 0.11 / 0.07 | 0.500 | 0.500 | 0.250 | 1 |"
    assert lines[4] == "| SimGAN | 0.47 / 0.11 / 0.07 | – | – | – | 0 |"


def test_an_order_is_said_to_hold_when_it_does(tmp_path: Path) -> None:
    rows = {"cyclegan": [0, 1], "gan-alone": [0, 1], "pix2pix": [0, 1], "cycle-alone": [0]}
    for row, values in (("cyclegan", (60, 70)), ("gan-alone", (20, 30)), ("pix2pix", (65, 67))):
        for seed, right in enumerate(values):
            keep(Cell(row, seed, tmp_path), right)
    paired, alone = tables.order(rows, tmp_path)
    assert paired.startswith("pix2pix (paired) > CycleGAN: does not hold")
    assert alone.startswith("CycleGAN > GAN alone: holds")


def test_figures_of_another_budget_are_not_taken(tmp_path: Path) -> None:
    cell = Cell("cyclegan", 0, tmp_path)
    assert tables_cells.finished(cell) is None
    keep(cell, 50)
    cell.file.write_text(cell.file.read_text().replace('"lr": ', '"lr": 1'))
    with pytest.raises(SystemExit, match="another budget"):
        tables_cells.finished(cell)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Cell]:
    """A cell that takes a second: two steps, four scenes a domain."""
    settings = {**BUDGET.settings, "steps": 2, "precision": "fp32"}
    changed: dict[str, Any] = {"labels": (0, 4), "photos": (4, 8), "tested": (20, 23), "settings": settings}
    less = tables_cells.Budget(
        **changed, net=BUDGET.net.replace(width=2, depth=1), discriminator=BUDGET.discriminator.replace(width=2)
    )
    monkeypatch.setattr(tables_cells, "BUDGET", less)
    monkeypatch.setattr(tables_cells, "segmenter", lambda _, world: trained_segmenter(world, range(30, 34), 1))
    return lambda folder: Cell("cyclegan", 3, folder)


def test_a_cell_alone_gives_the_same_figures_again(small: Callable[[Path], Cell], tmp_path: Path) -> None:
    one, other = (tables_cells.run_cell(small(tmp_path / name)) for name in "ab")
    assert one["counts"] == other["counts"]
    assert one["weights"] == other["weights"]
    assert np.sum(one["counts"]["A2B"]) == np.sum(one["counts"]["B2A"]) == 3 * SIDE * SIDE
    assert tables_cells.finished(small(tmp_path / "a")) == json.loads(json.dumps(one))
