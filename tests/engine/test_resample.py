from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcycle.engine import resample
from imgcycle.engine.resample import restored, to_float01
from imgcycle.engine.style import work_shape
from imgcycle.media.image.reduction import reduced
from tests.media.pictures import scene


@given(st.integers(1, 20000), st.integers(1, 20000), st.integers(16, 2000))
def test_work_shape_keeps_the_area_and_never_enlarges(height: int, width: int, size: int) -> None:
    h, w = work_shape(height, width, size)
    assert 1 <= h <= height
    assert 1 <= w <= width
    if height * width > size**2 and min(h, w) > 20:
        assert abs((h * w) ** 0.5 / size - 1) < 0.05
    assert work_shape(height, width, "full") == (height, width)


@settings(max_examples=20)
@given(st.integers(40, 200), st.integers(40, 200), st.integers(5, 40), st.integers(5, 40))
def test_the_banded_enlargement_is_opencv_s(height: int, width: int, h: int, w: int) -> None:
    photo = np.zeros((height, width, 3), np.uint8)
    result = np.random.default_rng(h).random((h, w, 3)).astype(np.float32)
    found = restored(photo, np.zeros_like(result), result, detail=0.0, strength=1.0)
    wanted = cv2.resize(result, (width, height), interpolation=cv2.INTER_CUBIC) * 255
    assert np.abs(found - np.clip(wanted, 0, 255)).max() <= 0.51


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_net_that_changes_nothing_gives_the_photograph_back(dtype: type) -> None:
    photo: resample.Pixels = scene(90, 130).astype(dtype) * (257 if dtype is np.uint16 else 1)
    small = to_float01(reduced(photo, (45, 65)))
    assert np.array_equal(restored(photo, small, small, detail=1.0, strength=1.0), photo)
    for detail in (0.0, 0.5, 1.0):
        assert np.array_equal(restored(photo, small, 1 - small, detail, strength=0.0), photo)


def test_the_formula_holds() -> None:
    photo = scene(80, 120)
    small = to_float01(reduced(photo, (20, 30)))
    result = np.clip(1 - small, 0.2, 0.8)
    for detail, strength in ((0.0, 1.0), (0.3, 1.0), (0.7, 0.4)):
        big = [cv2.resize(a, (120, 80), interpolation=cv2.INTER_CUBIC) * 255 for a in (small, result)]
        change = big[1] + detail * (photo - big[0])
        wanted = np.clip((1 - strength) * photo + strength * change, 0, 255)
        assert np.abs(restored(photo, small, result, detail, strength) - wanted).max() <= 0.51


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_rows_of_every_pixel_are_blended_and_rounded(dtype: type) -> None:
    photo: resample.Pixels = scene().astype(dtype) * (257 if dtype is np.uint16 else 1)
    most = np.iinfo(dtype).max
    out = np.empty_like(photo)
    resample.blended(photo, 1 - to_float01(photo), 1.0, out)
    assert np.array_equal(out, most - photo)
    # Rounded, not truncated, and clipped.
    resample.blended(photo, np.full(photo.shape, 102.4 / most, np.float32), 1.0, out)
    assert (out == 102).all()
    resample.blended(photo, np.full(photo.shape, 1.5, np.float32), 1.0, out)
    assert (out == most).all()
    wanted = 0.75 * photo + 0.25 * 0.5 * most
    resample.blended(photo, np.full(photo.shape, 0.5, np.float32), 0.25, photo)
    assert np.abs(photo - wanted).max() <= 0.51


def test_the_full_size_may_be_written_over_the_photograph() -> None:
    photo = scene(90, 130)
    small = to_float01(reduced(photo, (30, 45)))
    wanted = restored(photo, small, 1 - small, 0.4, 0.8)
    assert restored(photo, small, 1 - small, 0.4, 0.8, photo) is photo
    assert np.array_equal(photo, wanted)


def test_tensors_and_back() -> None:
    unit = to_float01(scene())
    x = resample.to_tensor(unit)
    assert x.shape == (1, 3, 40, 56)
    assert float(x.min()) >= -1
    assert np.allclose(resample.from_tensor(x), unit, atol=1e-6)


def test_kept_colours_change_luma_alone() -> None:
    small, result = to_float01(scene(seed=1)), to_float01(scene(seed=2))
    mixed = resample.with_colours_of(small, result)
    luma = np.array([0.299, 0.587, 0.114])
    assert np.allclose(mixed @ luma, result @ luma, atol=1e-5)
    assert np.allclose(np.ptp(mixed - small, axis=2), 0, atol=1e-5)


@pytest.mark.parametrize("shape", [(20, 30), (45, 65), (89, 129)])
def test_a_restoration_by_bands_is_the_restoration(shape: tuple[int, int]) -> None:
    photo = scene(90, 130)
    small = to_float01(reduced(photo, shape))
    wanted = restored(photo, small, 1 - small, 0.4, 0.8)
    whole = resample.Restoration(90, 130, np.uint8, small, 1 - small, 0.4, 0.8)
    for top in range(0, 90, resample.BAND):
        whole.rows(top, photo[top : top + resample.BAND], photo[top : top + resample.BAND])
    apart = np.abs(photo.astype(int) - wanted)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 1e-3
