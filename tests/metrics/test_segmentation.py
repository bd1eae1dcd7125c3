"""Scores of labels, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from imgcycle.errors import UsageError
from imgcycle.metrics.segmentation import commonest_class, confusion, label_scores, parse_palette

TEXT = "// colours\n128 64 128 road\n#4682B4 sky\n\n# more\n0, 0, 142, car\n0 0 0 ignore\n250 170 160\n"


def test_by_hand() -> None:
    truth = np.array([[0, 0, 0, 0], [1, 1, 2, -1]])
    found = np.array([[0, 0, 0, 1], [1, 0, 1, 2]])
    counts = confusion(truth, found, 4)
    assert counts.tolist() == [[3, 1, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    scores = label_scores(counts)
    assert scores.per_pixel == pytest.approx(4 / 7)
    assert scores.accuracies == pytest.approx((3 / 4, 1 / 2, 0, None))
    assert scores.per_class == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)
    # 3 of 4 + 4 − 3, 1 of 2 + 3 − 1, 0 of 1; the fourth class is nowhere.
    assert scores.ious == pytest.approx((3 / 5, 1 / 4, 0, None))
    assert scores.class_iou == pytest.approx((3 / 5 + 1 / 4) / 3)
    lazy = label_scores(commonest_class(counts))
    assert lazy.per_pixel == pytest.approx(4 / 7)
    assert lazy.per_class == pytest.approx(1 / 3)
    assert lazy.class_iou == pytest.approx((4 / 7) / 3)


def test_a_class_that_was_only_imagined_counts_against_iou_alone() -> None:
    scores = label_scores(confusion(np.array([[0, 0]]), np.array([[0, 1]]), 2))
    assert scores.per_class == pytest.approx(1 / 2)
    assert scores.class_iou == pytest.approx((1 / 2 + 0) / 2)


def test_palettes() -> None:
    lines = parse_palette(TEXT)
    assert lines.classes == ("road", "sky", "car")
    assert lines.colours.tolist()[1] == [70, 130, 180]
    assert lines.owners.tolist() == [0, 1, 2, -1, -1]
    named = parse_palette('{"road": [128, 64, 128], "green": [[1, 2, 3], [4, 5, 6]], "ignore": [0, 0, 0]}')
    assert named.classes == ("road", "green")
    assert named.owners.tolist() == [0, 1, 1, -1]


def test_colours_go_to_the_nearest() -> None:
    palette = parse_palette(TEXT)
    pixels = np.array([[[125, 60, 130], [2, 1, 3], [71, 130, 180], [3, 0, 140]]], np.uint8)
    assert palette.truth(pixels).tolist() == [[0, -1, 1, 2]]
    # A prediction has no right to be ignored.
    assert palette.found(pixels).tolist() == [[0, 2, 1, 2]]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("1 2 3 road", "1 classes"),
        ("1 2 3 road\n4 5 sky", "line 2"),
        ("1 2 300 road\n4 5 6 sky", "line 1"),
        ('{"road": [1, 2]}', "three values"),
        ('{"road": 5}', "cannot be read"),
        ('{"road"', "cannot be read"),
    ],
)
def test_what_is_no_palette_is_said_in_one_line(text: str, part: str) -> None:
    with pytest.raises(UsageError, match=part) as caught:
        parse_palette(text)
    assert "\n" not in str(caught.value)


def test_nothing_to_score() -> None:
    with pytest.raises(UsageError, match="no pixel"):
        label_scores(np.zeros((2, 2), np.int64))
