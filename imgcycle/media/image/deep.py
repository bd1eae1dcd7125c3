"""16 bits a channel in PNG, PNM and JPEG 2000, which Pillow silently reduces to 8.

Read by OpenCV, once Pillow has found them valid; PNM is parsed here.
"""

from __future__ import annotations

import io
import re
import struct
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from imgcycle.errors import InputError
from imgcycle.media.files import Data
from imgcycle.media.headers import stored_size
from imgcycle.media.image.pixels import Pixels

_BAND = 256
_HEAD = 2**16
"""Largest size of a header in bytes."""
_PNM = re.compile(rb"P([2356])(?:\s+|#[^\n]*\n)+" + rb"(\d+)(?:\s|#[^\n]*\n)+" * 2 + rb"(\d+)(?:#[^\n]*\n)?\s")
_CODESTREAM = b"\xff\x4f\xff\x51"
Wide = npt.NDArray[np.uint16]


def holds_deep(image: Image.Image, data: Data) -> bool:
    """True if an image of one of these formats is read as 16 bits a channel."""
    if image.format == "PNG":
        return data[24] == 16
    if image.format == "PPM":
        header = _PNM.match(data[:_HEAD])
        return header is not None and int(header[4]) > 255
    return image.format == "JPEG2000" and _is_plain_jpeg2000(image, data)


def bits_lost(image: Image.Image, data: Data) -> int:
    """Bits a channel of a JPEG 2000 that is read as 8 bits although it has more; else 0."""
    if image.format != "JPEG2000" or holds_deep(image, data):
        return 0
    bits = max((depth for depth, *_ in _components(data)), default=0)
    return bits if bits > 8 else 0


def read_deep(image: Image.Image, data: bytes) -> tuple[Pixels, Pixels | None, bool]:
    """Pixels (H, W, 3), straight alpha or None, and whether it is grey; all uint16.

    InputError if it cannot be decoded completely.
    """
    if image.format == "PPM":
        planes = _pnm(data)
    else:
        # Pillow decides: it raises on damaged data. The image is opened anew, so that its pixels are freed before the
        # next are allocated.
        Image.open(io.BytesIO(data), formats=(str(image.format),)).load()
        planes = _by_opencv(data)
    width, height = stored_size(image)
    if planes.dtype != np.uint16 or planes.shape[:2] != (height, width):
        raise InputError("its 16 bits a channel are stored in a way that cannot be decoded")
    channels = planes.shape[2]
    grey = channels < 3 or image.mode in ("L", "LA", "I", "I;16")
    pixels = np.repeat(planes[..., :1], 3, 2) if channels < 3 else np.ascontiguousarray(planes[..., :3])
    alpha = np.ascontiguousarray(planes[..., channels - 1]) if channels in (2, 4) else None
    if image.format == "PNG" and alpha is None:
        alpha = _keyed(image, pixels)
    return pixels, alpha, grey


def _pnm(data: bytes) -> Wide:
    """Pixels (H, W, C) of a PGM or PPM, scaled from its maximum to 65535 (netpbm's pgm(5), ppm(5))."""
    header = _PNM.match(data[:_HEAD])
    assert header is not None
    kind, width, height, white = (int(part) for part in header.groups())
    count = width * height * (3 if kind in (3, 6) else 1)
    if kind < 5:
        words = re.sub(rb"#[^\n]*", b"", data[header.end() :]).split(None, count)[:count]
        if not all(word.isdigit() for word in words):
            raise InputError("damaged: a pixel is not a number")
        values = np.minimum(np.array(words, dtype="U20").astype(np.float64), white)
    else:
        values = np.frombuffer(data, ">u2", min(count, (len(data) - header.end()) // 2), header.end())
    if len(values) < count:
        raise InputError(f"cut off: {100 - 100 * len(values) // count} % of the picture is missing")
    if white == 65535:
        return values.astype(np.uint16).reshape(height, width, -1)
    out = np.empty(count, np.uint16)
    for at in range(0, count, _BAND * width):
        out[at : at + _BAND * width] = np.rint(np.minimum(values[at : at + _BAND * width], white) * (65535 / white))
    return out.reshape(height, width, -1)


def _components(data: Data) -> list[tuple[int, bool, int, int]]:
    """Bits, sign and subsampling steps (x, y) of each JPEG 2000 component (ISO/IEC 15444-1, section A.5.1)."""
    head = data[:_HEAD]
    at = head.find(_CODESTREAM)
    if at < 0 or at + 42 > len(head):
        return []
    count = struct.unpack_from(">H", head, at + 40)[0]
    body = head[at + 42 : at + 42 + 3 * count]
    sizes = zip(body[0::3], body[1::3], body[2::3], strict=False)
    return [((depth & 127) + 1, depth > 127, across, down) for depth, across, down in sizes]


def _is_plain_jpeg2000(image: Image.Image, data: Data) -> bool:
    """True if OpenCV returns the samples unchanged: 16 bits, no subsampling, RGB or grey."""
    components = _components(data)
    head = data[:_HEAD]
    at = head.find(b"colr")
    stated = head[at + 4 : at + 11] if at >= 0 else b""
    luma = stated[:1] == b"\1" and stated[3:7] == struct.pack(">I", 18)
    plain = len(components) in (1, 3, 4) and set(components) == {(16, False, 1, 1)}
    return plain and not luma and image.mode in ("I;16", "RGB", "RGBA")


def _by_opencv(data: bytes) -> Wide:
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if found is None:
        raise InputError("its 16 bits a channel are stored in a way that cannot be decoded")
    if found.ndim == 2:
        return cast(Wide, found[..., None])
    if found.shape[2] >= 3:
        order = [2, 1, 0, 3][: found.shape[2]]
        for top in range(0, len(found), _BAND):
            found[top : top + _BAND] = found[top : top + _BAND][..., order]
    return cast(Wide, found)


def _keyed(image: Image.Image, pixels: Pixels) -> Wide | None:
    """Alpha (H, W) of a PNG that declares one colour transparent (tRNS); None for others."""
    key = image.info.get("transparency")
    if key is None:
        return None
    return np.where((pixels == np.asarray(key, np.uint16)).all(2), 0, 65535).astype(np.uint16)
