from __future__ import annotations

import io
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from imgcycle.errors import InputError, MissingExtra, OutputError
from imgcycle.media.containers import png_chunk
from imgcycle.media.image.read import read_still
from imgcycle.media.image.row_reader import RowReader, open_rows
from imgcycle.media.image.row_writer import Outline
from imgcycle.media.image.still import Still, oriented
from tests.media.pictures import encoded, exif_block, scene, wide_profile


def deep(height: int = 90, width: int = 70) -> npt.NDArray[np.uint16]:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint16)
    return np.asarray(scene(height, width).astype(np.uint16) * 256 + noise, np.uint16)


def tiff(pixels: npt.NDArray[Any], **options: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack", **options)
    return out.getvalue()


def png(pixels: npt.NDArray[Any]) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def jpeg(**options: Any) -> bytes:
    about = {"exif": exif_block(gps=True), "icc_profile": wide_profile(), "dpi": (300, 300), "xmp": b"<x:xmpmeta/>"}
    return encoded(scene(90, 70), **(about | options))


TAKEN = {
    "jpeg 420": jpeg(subsampling=2, quality=91),
    "jpeg 422": jpeg(subsampling=1),
    "jpeg 444": jpeg(subsampling=0),
    "jpeg progressive": jpeg(progressive=True),
    "jpeg grey": encoded(scene(90, 70)[..., 0]),
    "png": encoded(scene(90, 70), "PNG", exif=exif_block(), icc_profile=wide_profile(), dpi=(200, 200)),
    "png grey": encoded(scene(90, 70)[..., 0], "PNG"),
    "png 16": png(deep()),
    "png 16 grey": png(deep()[..., 0]),
    "tiff tiles": tiff(scene(90, 70), tile=(32, 48)),
    "tiff 16 tiles": tiff(deep(), tile=(32, 48), compression="zlib", predictor=True),
    "tiff strips": tiff(scene(90, 70), rowsperstrip=7, compression="zlib"),
    "tiff 16 one strip": tiff(deep(), rowsperstrip=90),
    "tiff 16 big end": tiff(deep(), byteorder=">", rowsperstrip=16),
    "tiff grey": tiff(scene(90, 70)[..., 0], rowsperstrip=5),
    "tiff with metadata": encoded(scene(90, 70), "TIFF", compression="tiff_lzw", icc_profile=wide_profile()),
    "one pixel": encoded(scene(1, 1), "PNG"),
}


def everything(reader: RowReader, step: int = 13) -> npt.NDArray[Any]:
    tops = range(0, reader.height, step)
    return np.concatenate([reader.rows(top, min(top + step, reader.height)) for top in tops])


@pytest.mark.parametrize("name", TAKEN)
def test_rows_are_those_of_the_ordinary_reader(tmp_path: Path, name: str) -> None:
    path = tmp_path / "-a [page=1] 'ü\n"
    path.write_bytes(TAKEN[name])
    still = read_still(TAKEN[name])
    for source in (path, TAKEN[name]):
        reader = open_rows(source)
        assert reader is not None
        with reader:
            single = np.zeros((1, 1, 3), still.pixels.dtype)
            about = (still.grey, still.format, still.metadata, still.coding, still.lossless, *still.size)
            found, wanted = reader.outline, Outline(single, None, *about)
            assert replace(found, pixels=single).__dict__ == wanted.__dict__
            assert found.pixels.dtype == still.pixels.dtype
            assert (reader.width, reader.height) == still.size
            assert np.array_equal(everything(reader), still.pixels)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "tiff", "tiff 16"])
def test_a_turned_picture_is_laid_upright(tmp_path: Path, kind: str, turn: int) -> None:
    # More rows than are turned at a time.
    pixels = deep(300, 40) if kind == "tiff 16" else scene(300, 40)
    if kind == "jpeg":
        data = encoded(pixels, exif=exif_block(turn))
        pixels = read_still(encoded(pixels)).pixels
    else:
        data = tiff(pixels, rowsperstrip=16, extratags=[(274, 3, 1, turn, True)])
    wanted = oriented(Still(pixels), turn).pixels
    reader = open_rows(data, folder=tmp_path)
    assert reader is not None
    with reader:
        assert reader.turn == turn
        assert not list(tmp_path.iterdir()) or os.name != "posix"
        assert reader.outline.size == (wanted.shape[1], wanted.shape[0])
        for step in (7, 300):
            assert np.array_equal(everything(reader, step), wanted)
    if kind != "tiff 16":
        still = read_still(data)
        assert np.array_equal(still.pixels, wanted)
        assert reader.outline.metadata == still.metadata


@pytest.mark.parametrize("kind", ["jpeg", "png", "tiff"])
def test_a_pass_can_begin_anew_at_any_time(kind: str) -> None:
    # Taller than what libvips remembers of a sequence.
    tall = scene(3000, 16)
    data = {"jpeg": encoded(tall), "png": png(tall), "tiff": tiff(tall, tile=(16, 16))}[kind]
    wanted = read_still(data).pixels
    reader = open_rows(data)
    assert reader is not None
    with reader:
        assert np.array_equal(reader.rows(0, 40), wanted[:40])
        assert np.array_equal(reader.rows(10, 2990), wanted[10:2990])
        assert np.array_equal(reader.rows(0, 40), wanted[:40])
        reader.begin()
        assert np.array_equal(everything(reader, 130), wanted)
        assert np.array_equal(everything(reader, 131), wanted)


def palette() -> bytes:
    out = io.BytesIO()
    Image.fromarray(scene()).quantize(16).save(out, "PNG")
    return out.getvalue()


def with_late_exif() -> bytes:
    data = encoded(scene(), "PNG")
    return data[:-12] + png_chunk(b"eXIf", exif_block().removeprefix(b"Exif\0\0")) + data[-12:]


def cmyk() -> bytes:
    out = io.BytesIO()
    Image.fromarray(scene()).convert("CMYK").save(out, "JPEG")
    return out.getvalue()


LEFT = {
    "alpha": encoded(np.dstack([scene(), scene()[..., 0]]), "PNG"),
    "alpha in a tiff": tiff(np.dstack([deep(), deep()[..., 0]]), extrasamples=["unassalpha"]),
    "one colour transparent": encoded(scene(), "PNG", transparency=(1, 2, 3)),
    "palette": palette(),
    "bilevel": encoded(scene()[..., 0] > 128, "PNG"),
    "metadata behind the pixels": with_late_exif(),
    "cmyk": cmyk(),
    "separate planes": tiff(np.moveaxis(deep(), -1, 0), planarconfig="separate"),
    "jpeg in a tiff": encoded(scene(), "TIFF", compression="jpeg"),
    "floats": tiff(scene()[..., 0].astype(np.float32)),
    "webp": encoded(scene(), "WEBP"),
    "no picture": b"nothing of the kind",
    "nothing": b"",
    "half a header": TAKEN["png"][:30],
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_rare_is_left_to_the_ordinary_reader(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(LEFT[name])
    assert open_rows(path) is None
    assert open_rows(LEFT[name]) is None


def test_too_many_pixels_and_no_file_are_for_the_ordinary_reader_to_say(tmp_path: Path) -> None:
    assert open_rows(TAKEN["png"], max_pixels=100) is None
    assert open_rows(tmp_path / "none.jpg") is None


@pytest.mark.parametrize("name", ["jpeg 444", "png 16", "tiff strips"])
def test_damage_is_one_line(name: str) -> None:
    data = TAKEN[name]
    middle, few = len(data) // 2, 10 if name.startswith("png") else 1000
    cut = data[:middle] if name.startswith("jpeg") else data[: middle - few] + bytes(2 * few) + data[middle + few :]
    reader = open_rows(cut)
    assert reader is not None
    with reader, pytest.raises(InputError, match=r"^(cannot be decoded|cut off): [^\n]+$"):
        everything(reader)


def test_no_room_to_turn_a_picture_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(scene(), exif=exif_block(6))
    reader = open_rows(data, folder=tmp_path / "none")
    assert reader is not None
    with reader, pytest.raises(OutputError, match=r"^no temporary file can be made in .*none: .*TMPDIR"):
        reader.rows(0, 1)

    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    reader = open_rows(data, folder=tmp_path)
    assert reader is not None
    with reader, pytest.raises(OutputError, match="No space left on device"):
        reader.rows(0, 1)
    assert not list(tmp_path.iterdir())


def test_without_the_package_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvips", None)
    with pytest.raises(MissingExtra, match=r"pip install 'imgcycle\[huge\]'"):
        open_rows(TAKEN["png"])
