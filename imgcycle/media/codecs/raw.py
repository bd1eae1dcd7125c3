"""RAW files of cameras, through the optional rawpy (LibRaw): the embedded preview, or the sensor data developed."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np

from imgcycle.errors import InputError, MissingExtra
from imgcycle.media import formats
from imgcycle.media.image.read import read_still
from imgcycle.media.image.still import Still


def read_raw(data: bytes, how: Literal["preview", "develop"], max_pixels: int) -> Still:
    """Read a RAW file as a picture that will be written as JPEG.

    `preview` takes the embedded JPEG with its metadata; `develop` demosaics the sensor data with the camera's white
    balance, 16 bits, sRGB. InputError if LibRaw cannot read the file, MissingExtra without rawpy.
    """
    try:
        import rawpy
    except ImportError as error:
        raise MissingExtra("raw", "reading RAW files") from error
    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            sizes = raw.sizes
            if sizes.width * sizes.height > max_pixels:
                raise InputError(
                    f"{sizes.width}×{sizes.height} sensor pixels, more than the limit",
                    f"raise --max-pixels {max_pixels}",
                )
            if how == "preview":
                thumb = raw.extract_thumb()
                if thumb.format == rawpy.ThumbFormat.JPEG:
                    return read_still(bytes(thumb.data), max_pixels)
                return Still(np.ascontiguousarray(thumb.data), format=formats.JPEG, lossless=False)
            pixels = raw.postprocess(use_camera_wb=True, output_bps=16)
    except rawpy.LibRawError as error:
        text = " ".join(str(error).split()).strip("b'\"")
        raise InputError(f"cannot be read as RAW: {text or type(error).__name__}") from error
    return Still(np.ascontiguousarray(pixels), format=formats.JPEG, lossless=False)
