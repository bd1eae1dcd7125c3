from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from imgcycle.engine import resample
from imgcycle.engine.clips.planes import MATRICES, PlaneFrames
from imgcycle.engine.resample import Floats, Pixels
from imgcycle.media.image.reduction import reduced
from imgcycle.media.video.decoder import FrameReader
from imgcycle.media.video.filters import stored_planes
from imgcycle.media.video.probing.probe import probe_video
from tests.media.pictures import scene
from tests.media.video.clips import ffmpeg, make

SIZE = 96, 144


def calm() -> Pixels:
    """A scene without saturated colours, which leaves room for a change."""
    return (scene(*SIZE) * 0.6 + 50).astype(np.uint8)


def levels(rgb: npt.NDArray[np.float64], matrix: str, full: bool) -> npt.NDArray[np.float64]:
    """Y, Cb, Cr by the formulas of BT.601 and BT.709, from RGB in [0, 1]."""
    red, blue = MATRICES[matrix]
    y = red * rgb[..., 0] + (1 - red - blue) * rgb[..., 1] + blue * rgb[..., 2]
    cb, cr = (rgb[..., 2] - y) / (2 - 2 * blue), (rgb[..., 0] - y) / (2 - 2 * red)
    if full:
        return np.stack([255 * y, 128 + 255 * cb, 128 + 255 * cr], -1)
    return np.stack([16 + 219 * y, 128 + 224 * cb, 128 + 224 * cr], -1)


def flat(colour: npt.NDArray[np.float64]) -> Pixels:
    """Planes of one colour."""
    y, u, v = np.rint(colour).astype(np.uint8)
    height, width = SIZE
    return np.concatenate(
        [np.full(height * width, y), np.full(height * width // 4, u), np.full(height * width // 4, v)]
    ).reshape(-1, width)


def by_zimg(pixels: Pixels, chain: str, of: str, into: str) -> bytes:
    height, width = SIZE
    form = ("-f", "rawvideo", "-pix_fmt", of, "-s", f"{width}x{height}", "-i", "-")
    return ffmpeg(*form, "-vf", chain, "-pix_fmt", into, "-f", "rawvideo", "-", data=pixels.tobytes())


def as_planes(pixels: Pixels, matrix: str = "bt709") -> Pixels:
    tags = f"zscale=min=gbr:rin=full:pin=bt709:tin=bt709:m={matrix}:r=limited:p=bt709:t=bt709:filter=bicubic"
    data = by_zimg(pixels, tags, "rgb24", "yuv420p")
    return np.frombuffer(data, np.uint8).reshape(SIZE[0] * 3 // 2, SIZE[1])


def as_rgb(planes: Pixels, matrix: str = "bt709") -> Pixels:
    data = by_zimg(planes, f"zscale=min={matrix}:rin=limited:m=gbr:r=full:filter=bicubic", "yuv420p", "gbrp")
    green, blue, red = np.frombuffer(data, np.uint8).reshape(3, *SIZE)
    return np.dstack([red, green, blue])


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
def test_a_flat_colour_is_that_colour(matrix: str, full: bool) -> None:
    rgb = np.array([0.7, 0.2, 0.4])
    for shape in (SIZE, (32, 48), (37, 55)):
        frames = PlaneFrames(*SIZE, shape, matrix, full)
        frame = flat(levels(rgb, matrix, full))
        small = frames.small(frame)
        assert small.shape == (*shape, 3)
        assert np.abs(small - rgb).max() < 0.008  # planes are whole levels
        # Another colour in its place, at half strength, in the levels of results.
        other = np.array([0.3, 0.5, 0.5])
        made = frames.restored(frame, small, np.broadcast_to(other, small.shape).astype(np.float32), 0.0, 0.5)
        wanted = flat(levels((small[0, 0] + other) / 2, matrix, False))
        assert np.abs(made.astype(int) - wanted).max() <= 1
        assert np.abs(frames.small(made, written=True) - (rgb + other) / 2).max() < 0.01


def test_colours_lie_where_zimg_puts_them() -> None:
    for matrix in MATRICES:
        planes = as_planes(calm(), matrix)
        seen = PlaneFrames(*SIZE, SIZE, matrix, False).small(planes)
        assert np.abs(seen * 255 - as_rgb(planes, matrix)).max() <= 0.51
        # And back: what nothing changed is what it was.
        made = PlaneFrames(*SIZE, SIZE, matrix, False).restored(planes, seen, seen, 0.0, 1.0)
        again = as_planes(as_rgb(planes, matrix), matrix)
        assert np.abs(made.astype(int) - again).max() <= 1


@pytest.mark.parametrize("shape", [(48, 72), (40, 61), SIZE])
def test_a_result_is_that_of_rgb_at_full_size(shape: tuple[int, int]) -> None:
    planes = as_planes(calm())
    pixels = as_rgb(planes)
    frames = PlaneFrames(*SIZE, shape, "bt709", False)
    small, usual = frames.small(planes), resample.to_float01(reduced(pixels, shape))
    assert np.abs(small - usual).max() * 255 <= 1.01  # which was rounded twice
    result: Floats = np.clip(cv2.GaussianBlur(1 - small, (0, 0), 1.0), 0.2, 0.8)
    for detail, strength in ((0.5, 1.0), (0.2, 0.6)):
        if shape == SIZE:
            wanted = np.empty_like(pixels)
            resample.blended(pixels, result, strength, wanted)
        else:
            wanted = resample.restored(pixels, usual, result, detail, strength)
        apart = np.abs(frames.restored(planes, small, result, detail, strength).astype(int) - as_planes(wanted))
        assert apart.max() <= 2
        assert (apart <= 1).mean() > 0.999


def test_levels_of_a_full_range_source_become_those_of_results() -> None:
    frame = flat(np.array([255, 128, 128]))
    frames = PlaneFrames(*SIZE, (32, 48), "bt709", True)
    assert np.array_equal(frames.unchanged(frame), flat(np.array([235, 128, 128])))
    limited = PlaneFrames(*SIZE, (32, 48), "bt709", False)
    assert limited.unchanged(frame) is frame
    # What exceeds a byte is clipped, not wrapped around.
    bright = np.full((32, 48, 3), 1.3, np.float32)
    assert limited.restored(frame, bright, bright, 0.0, 1.0)[: SIZE[0]].min() == 255
    assert limited.restored(frame, bright, -bright, 0.0, 1.0)[: SIZE[0]].max() == 0


@pytest.mark.parametrize("kind", ["yuv420p", "yuvj420p", "nv12"])
def test_planes_that_are_read_show_what_is_read_as_rgb(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "film.mkv"
    codec = ("-c:v", "rawvideo") if kind == "nv12" else ("-c:v", "libx264", "-preset", "ultrafast")
    tags = ("-color_range", "pc" if kind == "yuvj420p" else "tv", "-colorspace", "bt709")
    make("-f", "lavfi", "-i", "testsrc2=s=144x96:r=5:d=0.6", "-pix_fmt", kind, *codec, *tags, path)
    clip = probe_video(path)
    stored = stored_planes(clip, clip.width, clip.height)
    assert stored is not None
    assert stored.full == (kind == "yuvj420p")
    frames = PlaneFrames(*SIZE, SIZE, *stored)
    with FrameReader(clip) as usual, FrameReader(clip, planes=True) as planes:
        for rgb, stays in zip(usual, planes, strict=True):
            assert (rgb.time, rgb.number) == (stays.time, stays.number)
            assert np.abs(frames.small(stays.frame) * 255 - rgb.frame).max() <= 0.51
