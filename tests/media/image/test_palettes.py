from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from imgcycle.media import formats
from imgcycle.media.image.palettes import has_all_colours, indexed
from imgcycle.media.image.read import read_still
from imgcycle.media.image.still import Still
from imgcycle.media.image.write import encode_still
from tests.media.pictures import scene


def colours(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    number = np.arange(1024).reshape(32, 32) % count
    return np.dstack([number & 255, number >> 8, number * 5 & 255]).astype(np.uint8)


@pytest.mark.parametrize("count", [1, 2, 3, 200, 255, 256])
def test_a_picture_of_256_colours_keeps_them_all(count: int) -> None:
    pixels = colours(count)
    back = read_still(encode_still(Still(pixels), formats.GIF))
    assert has_all_colours(pixels) == (count == 256)
    assert np.array_equal(back.pixels, pixels)
    assert back.alpha is None


def test_255_colours_beside_what_is_clear() -> None:
    pixels, alpha = colours(255), np.full((32, 32), 255, np.uint8)
    alpha[:, :5] = 0
    # What lies in clear places is no colour of the picture.
    pixels[:, :5] = np.random.default_rng(1).integers(0, 256, (32, 5, 3))
    back = read_still(encode_still(Still(pixels, alpha), formats.GIF))
    assert back.alpha is not None
    assert np.array_equal(back.alpha, alpha)
    assert np.array_equal(back.pixels[:, 5:], pixels[:, 5:])


def test_nothing_but_clear_places() -> None:
    found = indexed(scene(), np.zeros(scene().shape[:2], np.bool_))
    assert (found.indices == found.clear).all()
    back = read_still(encode_still(Still(scene(), np.zeros(scene().shape[:2], np.uint8)), formats.GIF))
    assert back.alpha is not None
    assert not back.alpha.any()


def test_more_colours_are_diffused() -> None:
    """From a little way off, a picture in 256 colours looks like itself: no bands, no colour gone."""
    y, x = np.mgrid[0:120, 0:160]
    pixels = np.dstack([x * 255 // 159, y * 255 // 119, (x + y) * 255 // 278]).astype(np.uint8)
    pixels[50:54, 60:64] = (255, 255, 255)
    back = np.asarray(Image.open(io.BytesIO(encode_still(Still(pixels), formats.GIF))).convert("RGB"))
    far = [cv2.GaussianBlur(p.astype(np.float32), (0, 0), 2) for p in (pixels, back)]
    change = np.abs(far[0] - far[1])
    assert change.mean() < 1.2
    assert change[4:-4, 4:-4].max() < 12
    assert np.abs(back.astype(int) - pixels).mean() < 6
    assert np.abs(back[50:54, 60:64].astype(int) - 255).max() < 25


def test_a_smooth_picture_has_most_of_the_palette() -> None:
    """A sky: an octree finds nine colours in it, and it would lie in bands."""
    y, x = np.mgrid[0:120, 0:160]
    pixels = np.dstack([90 + y // 4 + x // 40, 130 + y // 3, 200 + y // 5]).astype(np.uint8)
    pixels[:, :80] += np.random.default_rng(0).integers(0, 3, (120, 80, 3), dtype=np.uint8)
    found = indexed(pixels, None)
    table = np.frombuffer(found.palette, np.uint8).reshape(-1, 3)
    assert len(np.unique(found.indices)) > 64
    assert np.abs(table[found.indices].astype(int) - pixels).mean() < 1.5
