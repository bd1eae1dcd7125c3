from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcycle.media.image.pixels import Pixels
from imgcycle.media.image.read import measure, open_image, read_still
from imgcycle.media.image.reduction import Reduction, limited_shape, reduced, reduced_planes
from imgcycle.media.image.row_reader import open_rows
from tests.media.pictures import encoded, exif_block, scene


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 6000))
def test_no_side_is_longer_and_proportions_stay(height: int, width: int, side: int) -> None:
    h, w = limited_shape(height, width, side)
    if max(height, width) <= side:
        assert (h, w) == (height, width)
        return
    assert max(h, w) == side
    assert abs(h - max(1, height * side / max(height, width))) <= 0.5
    assert abs(w - max(1, width * side / max(height, width))) <= 0.5
    assert limited_shape(height, width, None) == (height, width)


@given(
    st.integers(1, 90), st.integers(1, 90), st.integers(1, 80), st.lists(st.integers(1, 40), min_size=1), st.booleans()
)
@settings(max_examples=60)
def test_a_reduction_by_rows_is_the_reduction(
    height: int, width: int, side: int, portions: list[int], deep: bool
) -> None:
    dtype = np.uint16 if deep else np.uint8
    noise = np.random.default_rng(height).integers(0, np.iinfo(dtype).max + 1, (height, width, 3))
    photo: Pixels = noise.astype(np.uint16) if deep else noise.astype(np.uint8)
    shape = limited_shape(height, width, side)
    whole = Reduction(height, width, shape, dtype)
    top, made = 0, []
    while top < height:
        rows = photo[top : top + portions[top % len(portions)]]
        made.append(whole.add(rows))
        top += len(rows)
    apart = np.abs(np.concatenate(made).astype(int) - reduced(photo, shape))
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.01


def test_transparent_pixels_give_a_smaller_picture_no_colour() -> None:
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, ::2] = 200
    alpha = np.zeros((4, 8), np.uint8)
    alpha[:, ::2] = 255
    small, clear = reduced_planes(pixels, alpha, (2, 4))
    assert (small == 200).all()  # the black ones are not seen
    assert clear is not None
    assert (clear == 128).all()
    opaque, full = reduced_planes(pixels, np.full_like(alpha, 255), (2, 4))
    assert (opaque == 100).all()
    assert full is not None
    assert (full == 255).all()


@pytest.mark.parametrize(
    ("size", "side", "draft"),
    [((800, 1600), 100, 8), ((800, 1600), 101, 4), ((800, 1600), 400, 2), ((800, 1600), 401, 1), ((804, 1600), 100, 4)],
)
def test_a_jpeg_is_decoded_at_twice_what_is_asked_for_or_more(size: tuple[int, int], side: int, draft: int) -> None:
    jpeg, png = (open_image(encoded(np.zeros((*size, 3), np.uint8), name)) for name in ("JPEG", "PNG"))
    assert jpeg.draft(side) == draft
    assert jpeg.draft(None) == 1
    assert png.draft(side) == 1


KINDS = {
    "jpeg": encoded(scene(320, 480), subsampling=2),
    "jpeg progressive": encoded(scene(320, 480), progressive=True),
    "jpeg grey": encoded(scene(320, 480)[..., 0]),
    "jpeg odd": encoded(scene(321, 483)),
    "png": encoded(scene(320, 480), "PNG"),
    "tiff": encoded(scene(321, 483), "TIFF", compression="tiff_lzw"),
}


@pytest.mark.parametrize("side", [60, 100, 240, 333])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_smaller_picture_are_those_of_the_ordinary_reader(tmp_path: Path, kind: str, side: int) -> None:
    still = read_still(KINDS[kind], max_side=side)
    assert max(still.size) == side
    facts = measure(KINDS[kind], max_side=side)
    assert (facts.width, facts.height) == still.size
    assert facts.pixels >= 320 * 480
    reader = open_rows(KINDS[kind], folder=tmp_path, max_side=side)
    assert reader is not None
    with reader:
        assert reader.outline.size == still.size
        assert reader.outline.metadata == still.metadata
        tops = range(0, reader.height, 13)
        rows = np.concatenate([reader.rows(top, min(top + 13, reader.height)) for top in tops])
        apart = np.abs(rows.astype(int) - still.pixels)
        assert apart.max() <= 1
        assert (apart > 0).mean() < 0.01
    whole = reduced(read_still(KINDS[kind]).pixels, (still.size[1], still.size[0]))
    assert np.abs(whole.astype(int) - still.pixels).mean() < 1.5


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_longer_side_is_that_of_the_upright_picture(tmp_path: Path, turn: int) -> None:
    data = encoded(scene(320, 480), exif=exif_block(turn))
    size = (120, 80) if turn < 5 else (80, 120)
    still = read_still(data, max_side=120)
    assert still.size == size
    assert (measure(data, max_side=120).width, measure(data, max_side=120).height) == size
    wanted = reduced(read_still(data).pixels, (size[1], size[0]))
    assert np.abs(wanted.astype(int) - still.pixels).mean() < 1.5
    reader = open_rows(data, folder=tmp_path, max_side=120)
    assert reader is not None
    with reader:
        assert np.abs(reader.rows(0, size[1]).astype(int) - still.pixels).max() <= 1
