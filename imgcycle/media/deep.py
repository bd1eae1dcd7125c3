"""16 bits a channel, which Pillow silently makes 8: PNG by OpenCV, TIFF by tifffile, else OpenCV.

OpenCV alone would not do for TIFF: it reads separate planes as if they were interleaved, does not turn
white-is-zero pictures over, and makes grey with alpha 8-bit. tifffile alone would not do either, without the
optional package that decodes LZW.
"""

from __future__ import annotations

import io
import logging
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from imgcycle.errors import InputError
from imgcycle.media.files import Data
from imgcycle.media.headers import stored_size
from imgcycle.media.pixels import Pixels

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_ASSOCIATED = 1
_BAND = 256
Wide = npt.NDArray[np.uint16]


def is_deep(image: Image.Image, data: Data) -> bool:
    """Whether a PNG or TIFF holds 16 bits a channel in a colour space this module reads."""
    if image.format == "PNG":
        return data[24] == 16
    tags: Any = getattr(image, "tag_v2", {})
    return set(tags.get(258, (8,))) == {16} and tags.get(262, 1) in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)


def read_deep(image: Image.Image, data: bytes) -> tuple[Pixels, Pixels | None, bool]:
    """Pixels (H, W, 3) as stored, straight alpha or None, and whether it is grey; all uint16.

    InputError when neither library can decode the picture whole.
    """
    planes = _png(data) if image.format == "PNG" else _tiff(image, data)
    width, height = stored_size(image)
    if planes.dtype != np.uint16 or planes.shape[:2] != (height, width):
        raise InputError("its 16 bits a channel are stored in a way that cannot be decoded")
    channels = planes.shape[2]
    grey = channels < 3
    pixels = np.repeat(planes[..., :1], 3, 2) if grey else np.ascontiguousarray(planes[..., :3])
    alpha = np.ascontiguousarray(planes[..., channels - 1]) if channels in (2, 4) else None
    if image.format == "PNG":
        grey = grey or image.mode in ("L", "LA", "I", "I;16")
        alpha = _keyed(image, pixels) if alpha is None else alpha
    elif alpha is not None and _tag(image, 338) == _ASSOCIATED:
        pixels = _straight(pixels, alpha)
    return pixels, alpha, grey


def _png(data: bytes) -> Wide:
    # Pillow decides: it raises on what is damaged. A view of its own, whose pixels are gone before the next are made.
    Image.open(io.BytesIO(data), formats=("PNG",)).load()
    return _by_opencv(data)


def _tiff(image: Image.Image, data: bytes) -> Wide:
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    separate = _tag(image, 284) == 2
    try:
        # The stream is closed as well: TiffFile is a knot of references that would hold on to the file's bytes.
        with io.BytesIO(data) as stream, tifffile.TiffFile(stream) as file:
            planes = np.asarray(file.pages[0].asarray(maxworkers=1))
        if planes.ndim == 3 and separate:
            planes = np.moveaxis(planes, 0, -1)
        planes = planes[..., None] if planes.ndim == 2 else planes
    except Exception as error:  # a missing codec, or anything that damage leads to
        if separate:
            raise InputError("its 16 bits a channel are stored in a way that cannot be decoded") from error
        planes = _by_opencv(data)
    if _tag(image, 262) == _WHITE_IS_ZERO:
        planes = np.bitwise_not(planes)
    return cast(Wide, planes)


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


def _tag(image: Image.Image, tag: int) -> int:
    """The first value of a TIFF tag, 0 when it is not there."""
    value: Any = getattr(image, "tag_v2", {}).get(tag, 0)
    return int(value[0] if isinstance(value, tuple) and value else value or 0)


def _keyed(image: Image.Image, pixels: Pixels) -> Wide | None:
    """The alpha of a PNG that declares one colour transparent."""
    key = image.info.get("transparency")
    if key is None:
        return None
    return np.where((pixels == np.asarray(key, np.uint16)).all(2), 0, 65535).astype(np.uint16)


def _straight(pixels: Pixels, alpha: Pixels) -> Wide:
    """Colours divided by the alpha they were multiplied with."""
    share = np.maximum(alpha, 1).astype(np.float32)[..., None] / 65535
    return np.clip(np.rint(pixels / share), 0, 65535).astype(np.uint16)
