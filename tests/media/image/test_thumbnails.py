from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcycle.errors import InputError
from imgcycle.media.image import colour_management, thumbnails
from imgcycle.media.image.still import Still
from imgcycle.media.image.thumbnails import fitting, read_thumbnail
from tests.media.pictures import encoded, exif_block, scene, wide_profile


def smooth(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Red grows to the right, green downwards: reduced by any fair average it looks the same."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [255 * (x + 0.5) / width, 255 * (y + 0.5) / height, np.full((height, width), 90.0)]
    return np.stack(planes, -1).round().astype(np.uint8)


def saved(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(1, 2000))
def test_fitting_never_enlarges_and_keeps_the_shape(width: int, height: int, longest: int) -> None:
    made = fitting(width, height, longest)
    assert max(made) == min(longest, max(width, height))
    assert min(made) >= 1
    assert abs(made[0] * height - made[1] * width) <= 0.5 * max(width, height) or min(made) == 1


@pytest.mark.parametrize(
    ("format_", "suffix"), [("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp"), ("TIFF", ".tif")]
)
@pytest.mark.parametrize("longest", [4000, 333, 100, 7])
def test_every_format_at_every_size_looks_the_same(tmp_path: Path, format_: str, suffix: str, longest: int) -> None:
    path = saved(tmp_path / f"a{suffix}", encoded(smooth(601, 905), format_))
    found = read_thumbnail(path, longest)
    assert found.dtype == np.uint8
    assert found.shape[1::-1] == fitting(905, 601, longest)
    assert np.abs(found.astype(int) - smooth(*found.shape[:2])).max() <= 255 / found.shape[0] + 5


def test_jpegs_and_large_pictures_are_never_decoded_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jpeg = saved(tmp_path / "a.jpg", encoded(smooth(600, 900)))
    png = saved(tmp_path / "a.png", encoded(smooth(600, 900), "PNG"))
    whole = read_thumbnail(png, 90)
    monkeypatch.setattr(thumbnails, "read_still", None)
    monkeypatch.setattr(thumbnails, "_HELD", 1000)
    assert np.array_equal(read_thumbnail(png, 90), whole)
    assert np.abs(read_thumbnail(jpeg, 90).astype(int) - whole).max() <= 4
    small: list[int] = []

    def noted(still: Still, _: int) -> Still:
        small.append(still.pixels.size)
        return still

    monkeypatch.setattr(thumbnails, "oriented", noted)
    read_thumbnail(jpeg, 90)
    assert small == [113 * 75 * 3]


def test_upright_in_srgb_and_on_white(tmp_path: Path) -> None:
    turned = saved(tmp_path / "t.jpg", encoded(smooth(60, 90), exif=exif_block(6)))
    found = read_thumbnail(turned, 1000)
    assert found.shape == (90, 60, 3)
    assert np.abs(found.astype(int) - np.rot90(smooth(60, 90), -1)).max() <= 4
    wide = saved(tmp_path / "w.png", encoded(scene(), "PNG", icc_profile=wide_profile()))
    space = colour_management.transform(wide_profile())
    assert space is not None
    expected = np.rint(np.clip(space.to_srgb(scene().astype(np.float32) / np.float32(255)), 0, 1) * 255)
    assert np.array_equal(read_thumbnail(wide, 1000), expected)
    assert np.abs(expected - scene()).mean() > 3
    clear = np.dstack([scene(), np.zeros((40, 56), np.uint8)])
    clear[:, 28:, 3] = 255
    found = read_thumbnail(saved(tmp_path / "c.png", encoded(clear, "PNG")), 1000)
    assert (found[:, :28] == 255).all()
    assert np.array_equal(found[:, 28:], scene()[:, 28:])


def test_sixteen_bits_and_the_last_of_several_parts(tmp_path: Path) -> None:
    both = np.hstack([scene(40, 60, 1), scene(40, 60, 2)])
    deep = cv2.imencode(".png", both[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    assert np.array_equal(read_thumbnail(saved(tmp_path / "d.png", deep), 1000, parts=2), scene(40, 60, 2))
    jpeg = saved(tmp_path / "d.jpg", encoded(np.hstack([np.zeros((320, 480, 3), np.uint8), smooth(320, 480)])))
    found = read_thumbnail(jpeg, 60, parts=2)
    assert found.shape == (40, 60, 3)
    assert np.abs(found.astype(int) - smooth(40, 60)).max() <= 10


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for name, data in (("e.png", b""), ("n.png", b"nothing"), ("t.jpg", encoded(smooth(600, 900))[:9000])):
        with pytest.raises(InputError) as caught:
            read_thumbnail(saved(tmp_path / name, data), 100)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="No such file"):
        read_thumbnail(tmp_path / "none.png", 100)
    with pytest.raises(InputError, match="more than the 100 pixels"):
        read_thumbnail(saved(tmp_path / "b.png", encoded(scene(), "PNG")), 100, max_pixels=100)
