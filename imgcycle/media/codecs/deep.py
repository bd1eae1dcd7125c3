"""PNG, PNM and JPEG 2000, of which some have 16 bits a channel, which Pillow silently reduces to 8.

These are read by OpenCV, once Pillow has found them valid; PNM is parsed here.
"""

from __future__ import annotations

import io
import re
import struct
from abc import ABC, abstractmethod
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from imgcycle.errors import InputError
from imgcycle.media.codecs.encoded import Chunks, EncodedImage
from imgcycle.media.codecs.plain import raw_missing
from imgcycle.media.files import Data
from imgcycle.media.image import icc_profiles
from imgcycle.media.image.pixels import Pixels
from imgcycle.media.image.still import Still
from imgcycle.media.metadata import png
from imgcycle.media.metadata.survey import Survey

_BAND = 256
_HEAD = 2**16
"""Largest size of a header in bytes."""
_PNM = re.compile(rb"P([2356])(?:\s+|#[^\n]*\n)+" + rb"(\d+)(?:\s|#[^\n]*\n)+" * 2 + rb"(\d+)(?:#[^\n]*\n)?\s")
_CODESTREAM = b"\xff\x4f\xff\x51"
Wide = npt.NDArray[np.uint16]


class DeepImage(EncodedImage, ABC):
    """A format of 8 or 16 bits a channel."""

    def decode(self, draft: int) -> Still:
        """All bits that it has; InputError if not all of it can be decoded."""
        if not self.deep:
            return super().decode(draft)
        data = bytes(self.data)
        try:
            return self._decode_deep(data)
        except Exception:  # metadata may have been too much for a library: try once more without
            bare = self.without_metadata()
            if bare == data:
                raise
            return self._decode_deep(bare)

    def _decode_deep(self, data: bytes) -> Still:
        planes = self.samples(data)
        width, height = self.size
        if planes.dtype != np.uint16 or planes.shape[:2] != (height, width):
            raise InputError("its 16 bits a channel are stored in a way that cannot be decoded")
        channels = planes.shape[2]
        grey = channels < 3 or self.image.mode in ("L", "LA", "I", "I;16")
        pixels = np.repeat(planes[..., :1], 3, 2) if channels < 3 else np.ascontiguousarray(planes[..., :3])
        alpha = np.ascontiguousarray(planes[..., channels - 1]) if channels in (2, 4) else self.keyed(pixels)
        return Still(pixels, alpha, grey)

    @abstractmethod
    def samples(self, data: bytes) -> Wide:
        """Samples (H, W, C) of 16 bits."""

    def keyed(self, pixels: Pixels) -> Wide | None:  # noqa: ARG002 - PNG has it
        """Alpha (H, W) where one colour stands for transparency."""
        return None


class EncodedPng(DeepImage):
    """A PNG, animated or not."""

    @staticmethod
    def survey(data: Data) -> Survey:
        return png.survey_png(data)

    @property
    def deep(self) -> bool:
        """True for a bit depth of 16."""
        return self.data[24] == 16

    def samples(self, data: bytes) -> Wide:
        return _by_opencv(data, "PNG")

    def keyed(self, pixels: Pixels) -> Wide | None:
        """Alpha of a PNG that declares one colour transparent (tRNS)."""
        key = self.image.info.get("transparency")
        if key is None:
            return None
        return np.where((pixels == np.asarray(key, np.uint16)).all(2), 0, 65535).astype(np.uint16)

    def colour(self, icc: bytes, grey: bool) -> tuple[bytes, Chunks]:
        """The profile that its colour chunks state, in the order in which they count, and those chunks."""
        chunks = tuple(self.surveyed().colour)
        if icc:
            chunks = tuple(chunk for chunk in chunks if chunk[0] == b"cICP")
        stated = icc_profiles.profile_of_chunks(dict(chunks), grey)
        return icc if stated is None else stated, chunks


class EncodedPnm(DeepImage):
    """A PBM, PGM or PPM (netpbm's pbm(5), pgm(5), ppm(5))."""

    @property
    def deep(self) -> bool:
        """True for a maximum above 255."""
        header = _PNM.match(self.data[:_HEAD])
        return header is not None and int(header[4]) > 255

    def missing_share(self) -> float:
        return raw_missing(self.image, len(self.data))

    def samples(self, data: bytes) -> Wide:
        """Scaled from its maximum to 65535."""
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


class EncodedJpeg2000(DeepImage):
    """A JPEG 2000, in its container or bare."""

    @property
    def deep(self) -> bool:
        """True if OpenCV returns its samples unchanged: 16 bits, no subsampling, RGB or grey."""
        components = _components(self.data)
        head = self.data[:_HEAD]
        at = head.find(b"colr")
        stated = head[at + 4 : at + 11] if at >= 0 else b""
        luma = stated[:1] == b"\1" and stated[3:7] == struct.pack(">I", 18)
        plain = len(components) in (1, 3, 4) and set(components) == {(16, False, 1, 1)}
        return plain and not luma and self.image.mode in ("I;16", "RGB", "RGBA")

    def samples(self, data: bytes) -> Wide:
        return _by_opencv(data, "JPEG2000")

    def notes(self) -> tuple[str, ...]:
        """Bits above 8 that are lost."""
        bits = 0 if self.deep else max((depth for depth, *_ in _components(self.data)), default=0)
        return (f"{bits} bits a channel became 8",) if bits > 8 else ()


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


def _by_opencv(data: bytes, name: str) -> Wide:
    # Pillow decides: it raises on damaged data. The image is opened anew, so that its pixels are freed before the next
    # are allocated.
    Image.open(io.BytesIO(data), formats=(name,)).load()
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
