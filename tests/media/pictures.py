"""Pictures made for tests: their values are known, so that results can be asserted on."""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms


def scene(height: int = 40, width: int = 56, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Smooth colours with a little texture, (H, W, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [128 + 90 * np.sin(x / 9 + k) * np.cos(y / 7 - k) for k in range(3)]
    return np.clip(np.stack(planes, -1) + rng.normal(0, 4, (height, width, 3)), 0, 255).astype(np.uint8)


def encoded(pixels: npt.NDArray[Any], format_: str = "JPEG", **options: Any) -> bytes:
    out = io.BytesIO()
    if format_ == "JPEG":
        options = {"quality": 95, "subsampling": 0} | options
    Image.fromarray(pixels).save(out, format_, **options)
    return out.getvalue()


def decoded(data: bytes) -> npt.NDArray[Any]:
    return np.asarray(Image.open(io.BytesIO(data)))


def exif_block(orientation: int = 1, gps: bool = True, thumbnail: bool = False, width: int = 56) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    exif[0x0132] = "2024:05:06 07:08:09"
    inner = exif.get_ifd(0x8769)
    inner[0x829A] = 0.004
    inner[0xA002] = width
    inner[0xA003] = 40
    inner[0x927C] = b"MAKERNOTE" * 4
    if gps:
        place = exif.get_ifd(0x8825)
        place[1] = "N"
        place[2] = (48.0, 12.0, 30.0)
    data = exif.tobytes()
    if thumbnail:
        data = with_thumbnail(data)
    return data


def with_thumbnail(exif: bytes) -> bytes:
    """Append a second directory with a JPEG thumbnail, as cameras do."""
    import struct

    body = bytearray(exif.removeprefix(b"Exif\0\0"))
    order = "<" if body[:2] == b"II" else ">"
    first = struct.unpack_from(order + "I", body, 4)[0]
    count = struct.unpack_from(order + "H", body, first)[0]
    thumb = encoded(scene(16, 24))
    second = len(body)
    struct.pack_into(order + "I", body, first + 2 + 12 * count, second)
    start = second + 2 + 24 + 4
    body += struct.pack(order + "H", 2)
    body += struct.pack(order + "HHII", 0x0201, 4, 1, start) + struct.pack(order + "HHII", 0x0202, 4, 1, len(thumb))
    body += struct.pack(order + "I", 0) + thumb
    return b"Exif\0\0" + bytes(body)


def wide_profile() -> bytes:
    """A sound ICC profile that is not sRGB: LittleCMS's own sRGB with another name would be taken for sRGB."""
    from tests.media.profiles import matrix_profile

    return matrix_profile()


@functools.lru_cache
def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
