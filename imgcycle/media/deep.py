"""PNG with 16 bits a channel, which Pillow silently makes 8: by OpenCV, once Pillow has found it sound."""

from __future__ import annotations

import io
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from imgcycle.errors import InputError
from imgcycle.media.files import Data
from imgcycle.media.headers import stored_size
from imgcycle.media.pixels import Pixels

_BAND = 256
Wide = npt.NDArray[np.uint16]


def is_deep_png(image: Image.Image, data: Data) -> bool:
    """Whether a picture is a PNG of 16 bits a channel."""
    return image.format == "PNG" and data[24] == 16


def read_deep_png(image: Image.Image, data: bytes) -> tuple[Pixels, Pixels | None, bool]:
    """Pixels (H, W, 3) as stored, straight alpha or None, and whether it is grey; all uint16.

    InputError when it cannot be decoded whole.
    """
    # Pillow decides: it raises on what is damaged. A view of its own, whose pixels are gone before the next are made.
    Image.open(io.BytesIO(data), formats=("PNG",)).load()
    planes = _by_opencv(data)
    width, height = stored_size(image)
    if planes.dtype != np.uint16 or planes.shape[:2] != (height, width):
        raise InputError("its 16 bits a channel are stored in a way that cannot be decoded")
    channels = planes.shape[2]
    grey = channels < 3 or image.mode in ("L", "LA", "I", "I;16")
    pixels = np.repeat(planes[..., :1], 3, 2) if channels < 3 else np.ascontiguousarray(planes[..., :3])
    alpha = np.ascontiguousarray(planes[..., channels - 1]) if channels in (2, 4) else _keyed(image, pixels)
    return pixels, alpha, grey


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
    """The alpha of a PNG that declares one colour transparent."""
    key = image.info.get("transparency")
    if key is None:
        return None
    return np.where((pixels == np.asarray(key, np.uint16)).all(2), 0, 65535).astype(np.uint16)
