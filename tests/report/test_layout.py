from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcycle.report.layout import GUTTER, HEAD, MARGIN, SEAM, WIDTH, LayoutBox, lay_out, most_comparisons

RATIOS = st.lists(st.floats(0.05, 20), min_size=1, max_size=24)


def apart(one: LayoutBox, other: LayoutBox, room: int) -> bool:
    """Whether two boxes keep clear of one another, with `room` for words below each."""
    return (
        one.left + one.width <= other.left
        or other.left + other.width <= one.left
        or one.top + one.height + room <= other.top
        or other.top + other.height + room <= one.top
    )


@given(RATIOS, st.integers(2, 7))
@settings(max_examples=60)
def test_every_picture_has_a_place_of_its_own_and_its_shape(ratios: list[float], pictures: int) -> None:
    found = lay_out(ratios, pictures)
    assert len(found.boxes) == len(ratios)
    boxes = [box for row in found.boxes for box in row]
    assert len(boxes) == len(ratios) * pictures
    for ratio, row in zip(ratios, found.boxes, strict=True):
        for box in row:
            wanted = min(3.0, max(0.4, ratio))
            assert abs(box.width - wanted * box.height) <= 0.5 + wanted
            assert box.left >= MARGIN
            assert box.top >= MARGIN + HEAD
            assert box.left + box.width <= found.width - MARGIN
            assert box.top + box.height + 2 * found.letters <= found.height
        if len(ratios) > 1 or pictures == 2:
            assert len({(box.top, box.height) for box in row}) == 1
    assert found.width <= WIDTH + 2
    assert all(apart(a, b, 2 * found.letters) for a, b in itertools.combinations(boxes, 2))
    assert found.longest == max(max(box.width, box.height) for box in boxes)


@pytest.mark.parametrize(
    ("comparisons", "pictures"), [(1, 2), (1, 4), (2, 2), (4, 2), (9, 2), (60, 2), (4, 4), (12, 4)]
)
def test_photographs_fill_the_width(comparisons: int, pictures: int) -> None:
    found = lay_out([1.5] * comparisons, pictures)
    assert abs(found.width - WIDTH) <= 2
    assert 0.4 < found.width / found.height < 2.4
    rows = {row[0].top: row[-1].left + row[-1].width for row in found.boxes}
    assert all(abs(end - (WIDTH - MARGIN)) <= 2 for end in list(rows.values())[:-1])


def test_a_pair_touches_and_comparisons_do_not() -> None:
    (before, after), (next_one, _) = lay_out([1.5, 1.5, 1.5, 1.5], 2).boxes[:2]
    assert after.left - before.left - before.width == pytest.approx(SEAM, abs=1)
    assert next_one.left - after.left - after.width == pytest.approx(GUTTER, abs=1)


def test_a_sheet_has_an_end() -> None:
    assert most_comparisons(2) == 200
    assert most_comparisons(4) == 100
    assert most_comparisons(1000) == 1
    assert lay_out([1.5] * 200, 2).height < 8000
