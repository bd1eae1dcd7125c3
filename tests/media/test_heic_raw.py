from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle.config import ConvertOptions, ConvertRequest
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError
from imgcycle.jobs.images.batch import convert_all
from imgcycle.jobs.images.plan import plan
from imgcycle.jobs.images.run import convert_image
from imgcycle.media.image.read import read_still
from tests.media.heif import heic
from tests.media.pictures import exif_block
from tests.styles import tiny_net

AS_IS = ConvertOptions(strength=0)


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator(tiny_net(), torch.device("cpu"), style=Style("tiny", "d" * 64, 24, 0.5))


def smooth() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    y, x = np.mgrid[0:64, 0:96]
    return np.stack([x * 2, y * 3, 255 - x * 2], -1).astype(np.uint8)


def test_heic_comes_out_upright_as_jpeg_with_its_metadata(tmp_path: Path, translator: Translator) -> None:
    # Phones say the turn twice, by the container's property and by EXIF: it must be applied once.
    data = heic(smooth(), tmp_path, exif_block(6).removeprefix(b"Exif\0\0"), rotation=3)
    source = tmp_path / "in" / "IMG 1.HEIC"
    source.parent.mkdir()
    source.write_bytes(data)
    (task,) = plan(ConvertRequest((str(source.parent),), options=AS_IS), translator.style).tasks
    assert Path(task.output).name == "IMG 1.jpg"
    list(convert_all(plan(ConvertRequest((str(source.parent),), options=AS_IS), translator.style), translator))
    with Image.open(task.output) as image:
        assert image.format == "JPEG"
        assert image.size == (64, 96)
        assert np.abs(np.asarray(image).astype(int) - np.rot90(smooth(), -1)).mean() < 3
        assert image.getexif()[0x010F] == "Maker"
        assert image.getexif()[0x0112] == 1


def test_a_broken_heic_is_one_line(tmp_path: Path) -> None:
    data = heic(smooth(), tmp_path)
    for bad in (data[: len(data) // 2], data[:40], data[:16] + b"\xff" * 300):
        with pytest.raises(InputError) as caught:
            read_still(bad)
        assert "\n" not in str(caught.value)


def test_a_list_of_items_that_crashes_the_decoder_is_refused(tmp_path: Path) -> None:
    data = heic(smooth(), tmp_path, exif_block().removeprefix(b"Exif\0\0"))
    at = data.index(b"Exif")
    with pytest.raises(InputError, match="list of items"):
        read_still(data[: at + 3] + b"\xe2" + data[at + 4 :])


def dng(width: int = 64, height: int = 48) -> bytes:
    """A minimal linear-response Bayer DNG, 16 bits, uncompressed."""
    y, x = np.mgrid[0:height, 0:width]
    red, green, blue = (np.full((height, width), v, np.uint16) for v in (40000, 20000, 8000))
    mosaic = np.where((y % 2 == 0) & (x % 2 == 0), red, np.where((y % 2 == 1) & (x % 2 == 1), blue, green))
    body = mosaic.astype("<u2").tobytes()
    matrix = [int(v * 10000) for v in (3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.2040, 1.0570)]
    entries: dict[int, tuple[int, int, bytes]] = {
        254: (4, 1, struct.pack("<I", 0)),
        256: (4, 1, struct.pack("<I", width)),
        257: (4, 1, struct.pack("<I", height)),
        258: (3, 1, struct.pack("<HH", 16, 0)),
        259: (3, 1, struct.pack("<HH", 1, 0)),
        262: (3, 1, struct.pack("<HH", 32803, 0)),
        271: (2, 6, b"Maker\0"),
        272: (2, 6, b"Model\0"),
        277: (3, 1, struct.pack("<HH", 1, 0)),
        278: (4, 1, struct.pack("<I", height)),
        279: (4, 1, struct.pack("<I", len(body))),
        33421: (3, 2, struct.pack("<HH", 2, 2)),
        33422: (1, 4, bytes([0, 1, 1, 2])),
        50706: (1, 4, bytes([1, 4, 0, 0])),
        50708: (2, 12, b"Maker Model\0"),
        50717: (4, 1, struct.pack("<I", 65535)),
        50721: (10, 9, b"".join(struct.pack("<ii", v, 10000) for v in matrix)),
        50728: (5, 3, struct.pack("<6I", 1, 1, 1, 1, 1, 1)),
        50778: (3, 1, struct.pack("<HH", 21, 0)),
    }
    start = 8 + 2 + 12 * (len(entries) + 1) + 4
    extra, directory = b"", b""
    tags = sorted([*entries, 273])
    size = sum(len(e[2]) + len(e[2]) % 2 for e in entries.values() if len(e[2]) > 4)
    entries[273] = (4, 1, struct.pack("<I", start + size))
    for tag in tags:
        kind, count, data = entries[tag]
        if len(data) > 4:
            directory += struct.pack("<HHII", tag, kind, count, start + len(extra))
            extra += data + bytes(len(data) % 2)
        else:
            directory += struct.pack("<HHI", tag, kind, count) + data.ljust(4, b"\0")
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + directory + bytes(4) + extra + body


def test_raw_files_are_developed_when_asked_for(tmp_path: Path, translator: Translator) -> None:
    pytest.importorskip("rawpy")
    source = tmp_path / "a.DNG"
    source.write_bytes(dng())
    assert not plan(ConvertRequest((str(tmp_path),)), translator.style).tasks
    options = ConvertOptions(strength=0, raw="develop")
    (task,) = plan(ConvertRequest((str(tmp_path),), options=options), translator.style).tasks
    assert Path(task.output).name == "a.jpg"
    convert_image(source, task.output, translator, options)
    with Image.open(task.output) as image:
        assert image.size == (64, 48)
        red, green, blue = np.asarray(image).reshape(-1, 3).mean(0)
        assert red > green > blue
    with pytest.raises(InputError):
        convert_image(source, tmp_path / "b.jpg", translator, ConvertOptions(raw="preview"))
    source.write_bytes(b"II*\0" + bytes(100))
    with pytest.raises(InputError, match="RAW"):
        convert_image(source, tmp_path / "b.jpg", translator, options)


def test_16_bits_from_a_raw_reach_a_16_bit_format(tmp_path: Path, translator: Translator) -> None:
    pytest.importorskip("rawpy")
    source = tmp_path / "a.dng"
    source.write_bytes(dng())
    convert_image(source, tmp_path / "a.tif", translator, ConvertOptions(raw="develop"))
    assert read_still((tmp_path / "a.tif").read_bytes()).pixels.dtype == np.uint16
