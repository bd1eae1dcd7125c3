"""16 bits stay 16, transparency stays, further pictures are said: PNM, JPEG 2000, BMP, HEIC, AVIF, MPO."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from imgcycle.config import ConvertOptions
from imgcycle.errors import InputError, OutputError
from imgcycle.jobs.images.run import convert_bytes
from imgcycle.media import formats
from imgcycle.media.image.read import measure, read_still
from imgcycle.media.image.still import Still
from imgcycle.media.image.write import encode_still, losses
from tests.media.heif import heic
from tests.media.pictures import encoded, scene
from tests.media.test_matrix import Faded

WIDE = scene().astype(np.uint16) * 256 + 37
AS_IS = ConvertOptions(strength=0)


def pnm(kind: int, pixels: npt.NDArray[Any], white: int, head: str = "P{0} {1} {2} {3}\n") -> bytes:
    height, width = pixels.shape[:2]
    start = head.format(kind, width, height, white).encode()
    if kind < 5:
        return start + b"\n".join(b" ".join(str(v).encode() for v in row.ravel()) for row in pixels)
    return start + pixels.astype(">u2" if white > 255 else "u1").tobytes()


@pytest.mark.parametrize("white", [65535, 4095, 1023, 300])
@pytest.mark.parametrize("kind", [2, 3, 5, 6])
def test_pnm_of_16_bits(kind: int, white: int) -> None:
    pixels = np.rint(WIDE / 65535 * white).astype(np.uint16)
    pixels = pixels if kind in (3, 6) else pixels[..., 0]
    for head in ("P{0} {1} {2} {3}\n", "P{0}\n# a comment\n{1} {2}\n# another\n{3}\n"):
        data = pnm(kind, pixels, white, head)
        assert measure(data).deep
        found = read_still(data)
        assert found.pixels.dtype == np.uint16
        assert found.grey == (kind in (2, 5))
        wanted = np.rint(pixels * (65535 / white)).astype(np.uint16)
        assert np.array_equal(found.pixels, wanted if kind in (3, 6) else wanted[..., None].repeat(3, 2))
        result = read_still(convert_bytes(data, Faded(), AS_IS))
        assert result.format is formats.PNG
        assert np.array_equal(result.pixels, found.pixels)
    with pytest.raises(InputError, match=r"^(cut off: \d+ % of the picture is missing|cannot be decoded: .*)$"):
        read_still(data[: len(data) // 2])


def test_pnm_of_8_bits_and_bilevel_stay_what_they_are() -> None:
    found = read_still(pnm(6, scene(), 255))
    assert found.pixels.dtype == np.uint8
    assert np.array_equal(found.pixels, scene())
    assert not measure(pnm(6, scene(), 255)).deep
    with pytest.raises(InputError, match="floating-point"):
        read_still(b"PF\n2 1\n-1.0\n" + struct.pack("<6f", *range(6)))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_jpeg_2000_of_16_bits(channels: int) -> None:
    planes = np.dstack([WIDE, WIDE[..., :1]])[..., :channels]
    order = [2, 1, 0, 3][:channels] if channels > 1 else [0]
    lossless = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
    data = cv2.imencode(".jp2", np.ascontiguousarray(planes[..., order]), lossless)[1].tobytes()
    assert measure(data).deep
    found = read_still(data)
    assert np.array_equal(found.pixels, WIDE if channels > 1 else WIDE[..., :1].repeat(3, 2))
    assert found.grey == (channels == 1)
    assert (found.alpha is not None) == (channels == 4)
    assert found.notes == ()
    result = read_still(convert_bytes(data, Faded(), AS_IS))
    assert np.array_equal(result.pixels, found.pixels)
    # Samples of another depth become 8 bits, which is said.
    at = data.index(b"\xff\x4f\xff\x51") + 42
    twelve = bytearray(data)
    for n in range(channels):
        twelve[at + 3 * n] = 11
    assert not measure(bytes(twelve)).deep or channels == 1
    if channels > 1:
        assert read_still(bytes(twelve)).notes == ("12 bits a channel became 8",)


def bmp(version: int) -> bytes:
    """A BMP of 32 bits, some of which its header calls transparency; 108 bytes are version 4 of it, 124 version 5."""
    bgra = np.dstack([scene()[..., ::-1], np.tile(np.arange(56, dtype=np.uint8) * 4, (40, 1))])[::-1].tobytes()
    head = struct.pack("<IiiHHIIiiII", version, 56, 40, 1, 32, 3, len(bgra), 0, 0, 0, 0)
    head += struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs"
    head = head.ljust(version, b"\0")
    return struct.pack("<2sIHHI", b"BM", 14 + len(head) + len(bgra), 0, 0, 14 + len(head)) + head + bgra


@pytest.mark.parametrize("version", [108, 124])
def test_the_transparency_of_a_bmp_stays(version: int) -> None:
    found = read_still(bmp(version))
    result = convert_bytes(bmp(version), Faded(), AS_IS)
    again = read_still(result)
    assert again.format is formats.BMP
    assert np.array_equal(again.pixels, scene())
    assert found.alpha is not None
    assert again.alpha is not None
    assert np.array_equal(again.alpha, np.tile(np.arange(56) * 4, (40, 1)))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(result))), np.asarray(Image.open(io.BytesIO(bmp(version)))))
    plain = read_still(convert_bytes(encoded(scene(), "BMP"), Faded(), AS_IS))
    assert plain.alpha is None
    # Without its file header it is a DIB.
    assert np.array_equal(read_still(encoded(scene(), "BMP")[14:]).pixels, scene())


def test_what_a_jpeg_cannot_hold_of_a_heic_is_said(tmp_path: Path) -> None:
    still = read_still(heic(scene(64, 64), tmp_path))
    assert still.notes == ()
    clear = Still(still.pixels, np.full((64, 64), 7, np.uint8), format=formats.HEIF)
    assert losses(clear, formats.JPEG) == ("what was transparent is laid on white: JPEG has no transparency",)
    with_bits = heic(scene(64, 64), tmp_path)
    at = with_bits.index(b"ispe") - 4
    pixi = struct.pack(">I4sIB3B", 16, b"pixi", 0, 3, 10, 10, 10)
    marked = with_bits[:at] + pixi + with_bits[at:]
    from imgcycle.media.codecs.heif import bits_of

    assert (bits_of(with_bits), bits_of(marked)) == (0, 10)


def test_pictures_beside_the_first_are_said() -> None:
    images = [Image.fromarray(scene(seed=n)) for n in range(3)]
    out = io.BytesIO()
    images[0].save(out, "MPO", save_all=True, append_images=images[1:])
    found = read_still(out.getvalue())
    assert found.notes == ("3 pictures, of which the first was taken",)
    assert np.abs(found.pixels.astype(int) - scene()).mean() < 4
    # A preview is no picture of its own, nor is a map of gains.
    out = io.BytesIO()
    images[0].save(out, "MPO", save_all=True, append_images=[images[1].resize((28, 20))])
    assert read_still(out.getvalue()).notes == ()
    out = io.BytesIO()
    gains = b"<x xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/' hdrgm:Version='1.0'/>"
    images[0].save(out, "MPO", save_all=True, append_images=images[1:2], xmp=gains)
    assert read_still(out.getvalue()).notes == ()


@pytest.mark.parametrize(
    ("target", "most"),
    [(formats.JPEG, 65500), (formats.WEBP, 16383), (formats.AVIF, 65536), (formats.GIF, 65535), (formats.PNG, 10**6)],
)
def test_what_is_too_long_for_a_format_is_one_line(target: formats.Format, most: int) -> None:
    for shape in ((1, most + 1, 3), (most + 1, 1, 3)):
        other = "tiff" if target is formats.PNG else "png"
        with pytest.raises(OutputError, match=rf"^\d+×\d+ is more than {target.name} can hold, .* --format {other}\)$"):
            encode_still(Still(np.zeros(shape, np.uint8)), target)
    if target not in (formats.AVIF, formats.PNG):
        assert encode_still(Still(np.zeros((1, most, 3), np.uint8)), target)


def test_an_encoder_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RuntimeError("Failed to encode image:\nInvalid argument")

    monkeypatch.setattr(Image.Image, "save", failing)
    with pytest.raises(OutputError) as caught:
        encode_still(Still(scene()), formats.AVIF)
    assert str(caught.value) == "cannot be written as AVIF: Failed to encode image: Invalid argument (use --format png)"
