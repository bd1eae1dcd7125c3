from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgcycle.errors import OutputError
from imgcycle.media import formats
from imgcycle.media.formats import Format
from imgcycle.media.headers import JpegCoding, Metadata
from imgcycle.media.image.read import read_still
from imgcycle.media.image.row_writer import Outline, ScanlineWriter
from imgcycle.media.image.still import Still
from imgcycle.media.image.write import encode_still
from imgcycle.media.metadata.xmp import recipe_in
from tests.media.pictures import exif_block, scene, wide_profile

RECIPE = {"style": "tiny"}
METADATA = Metadata(exif_block(6).removeprefix(b"Exif\0\0"), wide_profile(), dpi=300)


def still_of(pixels: npt.NDArray[Any], format_: Format = formats.PNG, **more: Any) -> Still:
    return Still(pixels, format=format_, metadata=METADATA, **more)


def outline(still: Still) -> Outline:
    """The same facts without the pixels."""
    single = np.zeros((1, 1, 3), still.pixels.dtype)
    about = (still.format, still.metadata, still.coding, still.lossless, *still.size)
    return Outline(single, None, still.grey, *about)


def by_rows(path: Path, still: Still, target: Format, step: int = 7, **options: Any) -> bytes:
    with ScanlineWriter(path, outline(still), target, recipe=RECIPE, **options) as writer:
        for top in range(0, still.size[1], step):
            writer.write(top, still.pixels[top : top + step])
        writer.finish()
    return path.read_bytes()


def deep(height: int = 150, width: int = 50) -> npt.NDArray[np.uint16]:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint16)
    return np.asarray(scene(height, width).astype(np.uint16) * 256 + noise, np.uint16)


@pytest.mark.parametrize("sampling", ["420", "422", "440", "411", "444"])
@pytest.mark.parametrize("size", [(1, 1), (64, 33), (65, 40), (200, 71)])
def test_a_jpeg_by_rows_has_the_pixels_of_one_made_whole(tmp_path: Path, sampling: str, size: tuple[int, int]) -> None:
    still = still_of(scene(*size), formats.JPEG, coding=JpegCoding(95, sampling))
    whole = encode_still(still, formats.JPEG, recipe=RECIPE)
    data = by_rows(tmp_path / "a.jpg", still, formats.JPEG)
    wanted, found = read_still(whole), read_still(data)
    assert np.array_equal(found.pixels, wanted.pixels)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), np.asarray(Image.open(io.BytesIO(whole))))
    assert found.coding == wanted.coding
    assert found.metadata == wanted.metadata
    assert recipe_in(data) == RECIPE


@pytest.mark.parametrize("target", [formats.PNG, formats.TIFF], ids=lambda f: f.name)
@pytest.mark.parametrize("pixels", [scene(150, 50), deep(), scene(1, 1)], ids=["8 bits", "16 bits", "one pixel"])
def test_lossless_rows_come_back_with_all_that_is_known(
    tmp_path: Path, target: Format, pixels: npt.NDArray[Any]
) -> None:
    still = still_of(pixels)
    whole = read_still(encode_still(still, target, recipe=RECIPE, strip="gps"))
    data = by_rows(tmp_path / "a", still, target, strip="gps")
    found = read_still(data)
    assert found.pixels.dtype == pixels.dtype
    assert np.array_equal(found.pixels, pixels)
    assert found.metadata == whole.metadata
    assert recipe_in(data) == RECIPE
    # Readers of their own, beside the ones that read_still happens to use.
    seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    assert seen is not None
    assert np.array_equal(seen[..., ::-1], pixels)
    Image.open(io.BytesIO(data)).load()


def test_sixteen_bits_are_rounded_for_jpeg_and_quality_can_be_chosen(tmp_path: Path) -> None:
    still = still_of(deep())
    data = by_rows(tmp_path / "a.jpg", still, formats.JPEG, quality=50)
    wanted = read_still(encode_still(still, formats.JPEG, 50, RECIPE))
    assert np.array_equal(read_still(data).pixels, wanted.pixels)
    assert read_still(data).coding == JpegCoding(50, "444")


def test_grey_sources_come_out_in_three_channels_without_their_profile(tmp_path: Path) -> None:
    grey = np.repeat(scene()[..., :1], 3, 2)
    still = Still(grey, grey=True, metadata=Metadata(icc=wide_profile()[:16] + b"GRAY" + wide_profile()[20:]))
    found = read_still(by_rows(tmp_path / "a.png", still, formats.PNG))
    assert np.array_equal(found.pixels, grey)
    assert not found.grey
    assert found.metadata.icc == b""


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        by_rows(tmp_path / "a.jpg", still_of(scene()), formats.JPEG)
    assert not list(tmp_path.iterdir())


@given(st.integers(1, 140), st.integers(1, 40), st.lists(st.integers(1, 90), min_size=1), st.integers(0, 2))
@settings(max_examples=20)
def test_rows_come_in_any_portions(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, portions: list[int], kind: int
) -> None:
    target = (formats.JPEG, formats.PNG, formats.TIFF)[kind]
    still = Still(scene(height, width), coding=JpegCoding(92, "420"))
    path = tmp_path_factory.mktemp("rows") / "a"
    with ScanlineWriter(path, outline(still), target) as writer:
        top = 0
        while top < height:
            portion = still.pixels[top : top + portions[top % len(portions)]]
            writer.write(top, portion)
            top += len(portion)
        writer.finish()
    wanted = read_still(encode_still(still, target)).pixels
    assert np.array_equal(read_still(path.read_bytes()).pixels, wanted)


def test_times_are_the_file_s_when_it_appears(tmp_path: Path) -> None:
    still = still_of(scene())
    with ScanlineWriter(tmp_path / "a.png", outline(still), formats.PNG, times=(5 * 10**9, 7 * 10**9)) as writer:
        writer.write(0, still.pixels)
        assert not (tmp_path / "a.png").exists()
        writer.finish()
    assert (tmp_path / "a.png").stat().st_mtime_ns == 7 * 10**9
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("target", [formats.JPEG, formats.PNG, formats.TIFF], ids=lambda f: f.name)
def test_what_is_not_finished_is_not_there(tmp_path: Path, target: Format) -> None:
    still = still_of(scene(100, 30))
    with ScanlineWriter(tmp_path / "a", outline(still), target) as writer:
        writer.write(0, still.pixels[:80])
        with pytest.raises(ValueError, match="80 of 100 rows"):
            writer.finish()
        with pytest.raises(ValueError, match="rows 90 to 100 of 100 after 80"):
            writer.write(90, still.pixels[90:])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("target", [formats.JPEG, formats.PNG, formats.TIFF], ids=lambda f: f.name)
def test_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: Format
) -> None:
    still = still_of(np.random.default_rng(0).integers(0, 256, (400, 300, 3), np.uint8))

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        by_rows(tmp_path / "a", still, target)
    assert not list(tmp_path.iterdir())
    if Path("/dev/full").exists():
        monkeypatch.undo()
        writer = ScanlineWriter(tmp_path / "a", outline(still), target)
        with Path("/dev/full").open("r+b", buffering=0) as full_disk:
            os.dup2(full_disk.fileno(), writer._file.fileno())
        with pytest.raises(OutputError, match="cannot be written: No space left on device"):
            writer.write(0, still.pixels)
        assert not list(tmp_path.iterdir())


def test_what_a_format_cannot_hold_is_refused_at_once(tmp_path: Path) -> None:
    wide = Outline(np.zeros((1, 1, 3), np.uint8), width=70000, height=2)
    with pytest.raises(OutputError, match=r"70000×2 is more than JPEG can hold, 65500 pixels a side"):
        ScanlineWriter(tmp_path / "a.jpg", wide, formats.JPEG)
    with pytest.raises(ValueError, match="WEBP is not written by rows"):
        ScanlineWriter(tmp_path / "a.webp", wide, formats.WEBP)
    assert not list(tmp_path.iterdir())
