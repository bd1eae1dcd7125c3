from __future__ import annotations

from dataclasses import replace

import numpy as np

from imgcycle.report.comparisons import Missing
from imgcycle.report.layout import LayoutBox, lay_out
from imgcycle.report.sheet import PAPER, Sheet
from tests.report.pages import plain, report_page


def inside(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], box: LayoutBox) -> set[int]:
    part = pixels[box.top : box.top + box.height, box.left : box.left + box.width]
    return set(np.unique(part).tolist())


def test_pairs_hang_where_the_layout_says() -> None:
    of = report_page(["a.png", "b.png", "grün 東京.png"])
    sheet = Sheet(of, lay_out([1.5, 1.5, 1.5], 2))
    for n, comparison in enumerate(of.comparisons):
        sheet.add(comparison, [plain(10 + n, 600, 900), plain(110 + n, 600, 900)])
    made = sheet.finish([])
    for n, (before, after) in enumerate(sheet.layout.boxes):
        assert inside(made, before) == {10 + n}
        assert inside(made, after) == {110 + n}
        below = made[before.top + before.height + 1 : before.top + before.height + 30, before.left : after.left]
        assert below.min() < 150, "a name stands below"
    assert made.shape[1] == sheet.layout.width
    assert made.shape[0] > sheet.layout.height
    assert tuple(made[0, 0]) == PAPER


def test_pictures_keep_their_shape_in_the_middle_of_a_box_of_another() -> None:
    of = report_page(["tall.png"])
    sheet = Sheet(of, lay_out([1.5], 2))
    sheet.add(of.comparisons[0], [plain(10, 100, 40), plain(200, 1000, 400)])
    made = sheet.finish([])
    for box, value in zip(sheet.layout.boxes[0], (10, 200), strict=True):
        rows, columns = np.nonzero((made == value).all(-1))
        assert (rows.min(), rows.max() + 1) == (box.top, box.top + box.height)
        assert abs(columns.max() + 1 - columns.min() - 0.4 * box.height) <= 1
        assert abs(columns.min() + columns.max() + 1 - 2 * box.left - box.width) <= 1


def test_a_style_without_a_result_leaves_a_gap() -> None:
    of = report_page(["a.png", "b.png"], ("one", "two"))
    first = of.comparisons[0]
    partial = type(first)(first.title, first.before, first.after[1:], first.ratio)
    sheet = Sheet(of, lay_out([1.5, 1.5], 3))
    sheet.add(partial, [plain(10, 600, 900), plain(112, 600, 900)])
    sheet.add(of.comparisons[1], [plain(10, 600, 900), plain(111, 600, 900), plain(112, 600, 900)])
    made = sheet.finish([])
    (before, gap, after), (_, there, _) = sheet.layout.boxes
    assert inside(made, gap) == set(PAPER)
    assert (inside(made, before), inside(made, after), inside(made, there)) == ({10}, {112}, {111})


def test_what_is_missing_is_said_in_the_foot() -> None:
    of = report_page(["a.png"])
    heights = []
    for missing, more in (([], 0), ([Missing("bad.png", "not an image")], 0), ([Missing("x", "y")] * 9, 7)):
        sheet = Sheet(of, lay_out([1.5], 2))
        sheet.add(of.comparisons[0], [plain(10), plain(110)])
        heights.append(len(sheet.finish(missing, more)))
    assert heights[1] - heights[0] == heights[2] - heights[1] == 24


def test_a_style_may_have_any_name_and_a_card_any_words() -> None:
    of = report_page(["a.png"], ("we\nird\r",))
    of = replace(of, credits=(replace(of.credits[0], licence="two\nlines\u2029of it"),))
    sheet = Sheet(of, lay_out([1.5], 2))
    sheet.add(of.comparisons[0], [plain(10), plain(110)])
    assert sheet.finish([]).shape[1] == sheet.layout.width
