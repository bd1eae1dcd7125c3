"""Strokes over an enlarged result: the formula, the low-pass, and rows in any bands."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcycle.engine import resample
from imgcycle.engine.strokes import CELLS, LAG, LowPass, StrokeRows, cell_of, with_blurred_change
from imgcycle.engine.style import share_of
from imgcycle.media.image.reduction import reduced
from tests.media.pictures import scene


def low_pass(x: resample.Floats, bands: list[int], cell: int = 8) -> resample.Floats:
    """L of a whole picture, its rows added in the given bands and taken as soon as they are there."""
    stream, top, taken = LowPass(x.shape[0], x.shape[1], cell), 0, []
    count = 0
    while count < len(x):
        if top < len(x):
            height = bands[top % len(bands)]
            stream.add(x[top : top + height])
            top = min(len(x), top + height)
        while count < len(x) and (rows := stream.take(min(3, len(x) - count))) is not None:
            taken.append(rows)
            count += len(rows)
        assert top - count <= LAG + max(bands) + 3
    return np.concatenate(taken)


@settings(max_examples=25)
@given(
    st.integers(1, 130), st.integers(1, 70), st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(*CELLS)
)
def test_the_low_pass_is_one_whatever_the_bands(height: int, width: int, bands: list[int], cell: int) -> None:
    x = np.random.default_rng(height).random((height, width, 3)).astype(np.float32)
    assert np.array_equal(low_pass(x, bands, cell), low_pass(x, [height], cell))


def test_the_low_pass_keeps_light_and_takes_strokes_away() -> None:
    flat = np.full((100, 77, 3), 0.25, np.float32)
    assert np.allclose(low_pass(flat, [9]), 0.25, atol=1e-6)
    rows = np.indices((160, 160)).sum(0)
    stripes = np.repeat((rows % 4 < 2)[..., None], 3, 2).astype(np.float32)
    assert np.abs(low_pass(stripes, [32]) - 0.5).max() < 0.02
    ramp = np.repeat(np.linspace(0, 1, 400, dtype=np.float32)[:, None, None], 3, 2).repeat(40, 1)
    assert np.abs(low_pass(ramp, [32]) - ramp)[60:-60].max() < 1e-3
    whole = np.random.default_rng(0).random((96, 160, 3)).astype(np.float32)
    for cell in (2, 4, 8):
        cells = cv2.resize(whole, (160 // cell, 96 // cell), interpolation=cv2.INTER_AREA)
        smooth = cv2.GaussianBlur(cells, (9, 9), 1.0, borderType=cv2.BORDER_REPLICATE)
        wanted = cv2.resize(smooth, (160, 96), interpolation=cv2.INTER_LINEAR)
        assert np.allclose(low_pass(whole, [32], cell), wanted, atol=1e-5)


def test_the_low_pass_ends_above_the_specks_of_the_first_net() -> None:
    assert [cell_of(height, 100) for height in (100, 400, 800, 9000)] == [2, 3, 6, 8]


class Kept:
    """Where finished rows go; each comes once, in order."""

    def __init__(self, photo: resample.Pixels) -> None:
        self.pixels, self.next = photo.copy(), 0

    def write(self, top: int, rows: resample.Pixels) -> None:
        assert top == self.next
        self.pixels[top : top + len(rows)] = rows
        self.next += len(rows)


def stroked(
    photo: resample.Pixels,
    result: resample.Floats,
    net: object,
    bands: int,
    strength: float,
    share: float,
    calm: float = 0.0,
    luma: bool = False,
) -> resample.Pixels:
    small = resample.to_float01(reduced(photo, result.shape[:2]))
    kept = Kept(photo)

    def read(top: int, bottom: int) -> resample.Pixels:
        return photo[top:bottom]

    rows = StrokeRows(
        photo.shape[0], photo.shape[1], read, read, kept.write, photo.dtype, small, result,
        calm=calm, detail=0.5, strength=strength, share=share, luma=luma,
    )  # fmt: skip
    for _ in range(2):  # a pass that measures, and the one that puts
        seen = [rows.ahead(top, min(len(photo), top + bands)) for top in range(0, len(photo), bands)]
    top = 0
    for x in seen:
        assert np.array_equal(rows.behind(top, top + len(x)), x)
        rows.put(top, net(x))  # type: ignore[operator]
        top += len(x)
    assert kept.next == len(photo)
    return kept.pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("bands", [7, 64, 200])
@pytest.mark.parametrize("luma", [False, True])
def test_the_formula_holds_in_any_bands(bands: int, dtype: type, luma: bool) -> None:
    photo: resample.Pixels = scene(150, 110).astype(dtype) * (257 if dtype is np.uint16 else 1)
    result = np.clip(1 - resample.to_float01(reduced(photo, (50, 37))), 0.2, 0.8)
    small = resample.to_float01(reduced(photo, (50, 37)))
    most = np.iinfo(dtype).max

    def net(x: resample.Floats) -> resample.Floats:
        return 0.5 * x**2 + 0.3

    def upscaled(small_result: resample.Floats) -> resample.Floats:
        rows = resample.Restoration(150, 110, dtype, small, small_result, 0.5, 1.0)
        return np.concatenate([rows.floats(top, photo[top : top + 32]) for top in range(0, 150, 32)])

    b, y = upscaled(result), net(upscaled(with_blurred_change(small, result, 1.5)))
    assert np.abs(b * most - resample.restored(photo, small, result, 0.5, 1.0)).max() < 0.51
    if luma:
        y = b + ((y - b) @ np.array([0.299, 0.587, 0.114]))[..., None].astype(np.float32)
    z = y + low_pass(b - y, [150], cell_of(150, 50))
    wanted = 0.3 * photo + 0.7 * most * (b + 0.8 * (z - b))
    found = stroked(photo, result, net, bands, 0.7, 0.8, 1.5, luma)
    assert np.abs(found - wanted.clip(0, most)).max() <= (0.51 if most == 255 else 2)


def test_a_net_that_only_shifts_colours_leaves_no_trace() -> None:
    photo = scene(90, 130)
    small = resample.to_float01(reduced(photo, (30, 43)))
    plain = resample.restored(photo, small, 1 - small, 0.5, 1.0)
    found = stroked(photo, 1 - small, lambda x: x * 1.0 - 0.2, 33, 1.0, 1.0)
    assert np.abs(found.astype(int) - plain).max() <= 1
    none = stroked(photo, 1 - small, lambda x: 1 - x, 33, 1.0, 0.0, calm=2.0)
    assert np.abs(none.astype(int) - plain).max() <= 1


def test_strokes_of_luma_leave_colours_alone() -> None:
    photo = scene(90, 130)
    small = resample.to_float01(reduced(photo, (30, 43)))
    result = np.clip(0.5 + 0.3 * (small - 0.5), 0, 1)
    plain = stroked(photo, result, lambda x: x, 33, 1.0, 0.0).astype(int)
    made = stroked(photo, result, lambda x: (x[..., ::-1] > 0.5).astype(np.float32), 33, 1.0, 1.0, luma=True)
    change = (made - plain)[((made > 0) & (made < 255)).all(2)]
    assert np.abs(change).max() > 5
    assert np.ptp(change, 1).max() <= 2


def test_strokes_come_with_the_enlargement() -> None:
    assert share_of(400, 400, (400, 400), 1.0) == 0.0
    assert share_of(600, 600, (400, 400), 0.8) == pytest.approx(0.4)
    assert share_of(4000, 3000, (443, 332), 0.8) == pytest.approx(0.8)


def test_calm_blurs_the_change_alone() -> None:
    small = np.random.default_rng(1).random((40, 60, 3)).astype(np.float32)
    change = np.zeros_like(small)
    change[20, 30] = 1
    assert with_blurred_change(small, small + change, 0.0) is not None
    found = with_blurred_change(small, small + change, 2.0) - small
    assert 0 < found[20, 30].max() < 0.1
    assert found.sum() == pytest.approx(3, abs=1e-3)
    assert np.array_equal(with_blurred_change(small, small, 3.0), small)
