"""JPEG: its coding, its decoders, the end of the coded data and whether the picture is complete (ITU T.81, annex B)."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from imgcycle.media import containers
from imgcycle.media.codecs import mpo
from imgcycle.media.codecs.encoded import EncodedImage, cut_off, decoded_by_pillow
from imgcycle.media.files import Data
from imgcycle.media.headers import JpegCoding
from imgcycle.media.image.pixels import Pixels
from imgcycle.media.image.still import Still
from imgcycle.media.metadata import exif
from imgcycle.media.metadata import jpeg as segments
from imgcycle.media.metadata.survey import Survey

_END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""End of entropy-coded data: any marker but a restart; 0xFF 0x00 is a coded byte, and 0xFF may be repeated."""
_SCAN = 0xDA
_BETWEEN = frozenset({0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)})
"""Markers that may stand between two scans."""
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_PIECE = 64
_FEW = 2
"""Zero bytes that valid coded data may end in."""
_STRANGE = (b"\xb6\x6d\xdb" * 32, b"\x49\x92\x24" * 32)
"""Coded data without meaning, that differs from zeros and from each other in the first bits."""

_BAND = 256
_DRAFTS = (8, 4, 2)
_SPARE = 2
"""It is decoded at no less than so many times the size it gets: then the result differs from that of a full decoding by
less than a level (RMS), at 1 by two to three.
"""
_FLAGS = {
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
"""OpenCV's flags for decoding at a part of the size; colours are asked for apart."""


class EncodedJpeg(EncodedImage):
    """A JPEG, of one picture or of several."""

    @staticmethod
    def survey(data: Data) -> Survey:
        return segments.survey_jpeg(data)

    @property
    def progressive(self) -> bool:
        """True if it is coded in several scans over all of the picture."""
        return bool(self.image.info.get("progressive"))

    @property
    def coding(self) -> JpegCoding | None:
        """Quality and subsampling; None if its tables do not tell."""
        tables = getattr(self.image, "quantization", None)
        layers = getattr(self.image, "layer", None)
        if not tables or 0 not in tables or not layers:
            return None
        total = sum(tables[0])
        quality = min(range(1, 101), key=lambda q: (abs(_table_sum(q) - total), -q))
        subsampling = "444"
        if len(layers) >= 3:
            (h, v), (ch, cv) = layers[0][1:3], layers[1][1:3]
            ratio = (h // max(ch, 1), v // max(cv, 1))
            subsampling = {(2, 2): "420", (2, 1): "422", (1, 2): "440", (4, 1): "411"}.get(ratio, "444")
        return JpegCoding(quality, subsampling)

    @cached_property
    def completed(self) -> bytes | None:
        """The file with the end marker that it lacks, and without other metadata; None if it has an end marker."""
        if closed(self.data) is None:
            return None
        # Metadata may have misled the search for the end of the data.
        bare = self.without_metadata()
        return closed(bare) or bare

    def draft(self, max_side: int | None) -> int:
        """Divisor of both sides at which it is decoded to become no larger than `max_side`: 1, 2, 4 or 8.

        Its coding allows these (ITU T.81, section A.3.3: the inverse transform of a block's lowest frequencies), which
        take less time and memory. Above 1 it divides both sides, so that proportions are exact and all decoders agree.
        """
        if max_side is None or self.image.mode not in ("RGB", "L"):
            return 1
        longest = max(self.size)
        enough = (n for n in _DRAFTS if longest >= n * _SPARE * max_side)
        return next((n for n in enough if all(side % n == 0 for side in self.size)), 1)

    def decode(self, draft: int) -> Still:
        """Pixels by OpenCV, which is faster, or by Pillow; InputError with the missing share if it is cut off."""
        image, coded = self.image, self.data
        if self.completed is not None:
            check_whole(self.completed, image.width, _bands)
            coded = self.completed
            image = _open(coded)
            image.info |= self.image.info
        if image.mode in ("RGB", "L") and containers.ends_jpeg(coded):
            fast = decoded_quickly(coded, (image.height, image.width), draft)
            if fast is not None:
                return Still(fast, grey=image.mode == "L")
        return decoded_by_pillow(image)

    def notes(self) -> tuple[str, ...]:
        """Further pictures in it that are views of their own."""
        return mpo.notes_in(self.data)

    def density(self, found: Survey) -> int:
        """Dots per inch by its own header, else by EXIF."""
        if "dpi" not in self.image.info and found.exif:
            return exif.density(found.exif)
        return super().density(found)


def decoded_quickly(data: Data, size: tuple[int, int], draft: int = 1) -> Pixels | None:
    """RGB of a JPEG of `size` (height, width), both divided by `draft` (1, 2, 4 or 8), as OpenCV decodes it; None where
    that gives anything else.
    """
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION | _FLAGS[draft]
    found = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if found is None or found.shape[:2] != (size[0] // draft, size[1] // draft):
        return None
    return cast(Pixels, found)


def closed(data: Data) -> bytes | None:
    """A JPEG with an end marker added after its last scan and the rest cut off; None if it has an end marker.

    It does not tell whether the picture is complete: `check_whole` does.
    """
    end, finished, _ = _extent(data)
    return None if finished else bytes(data[:end]) + _END


def check_whole(data: bytes, width: int, decoded: Callable[[bytes], Iterable[Pixels]]) -> None:
    """Raise InputError, with the missing share, if part of a `closed` picture is missing.

    `decoded` yields bands of rows, `width` pixels each, of a stream. Bytes after the coded data of a complete picture
    are ignored by decoders; where data are missing, they are decoded in their place. So the stream is decoded with
    different endings, and the pixels that depend on these are missing.
    """
    _, _, complete = _extent(data)
    begin = _without_padding(data[: -len(_END)])
    missing = 1.0
    if complete:
        one, *others = (_fingerprint(decoded(begin + end + _END), width) for end in _ends(begin))
        missing = max(_share(one, other, width) for other in others)
    if missing == 0:
        return
    raise cut_off(missing, "is without its full detail" if _is_progressive(data) else "is missing")


def _ends(coded: bytes) -> Iterator[bytes]:
    """Yield endings for a stream: none, which decoders take for zeros, and meaningless ones with all restart
    markers in order, from the one a decoder may be waiting for.
    """
    yield b""
    last = max((coded.rfind(bytes([0xFF, 0xD0 + n])), n) for n in range(8))
    first = last[1] + 1 if last[0] > coded.rfind(b"\xff\xda") else 0
    for part in _STRANGE:
        yield part + b"".join(bytes([0xFF, 0xD0 + (first + n) % 8]) + part for n in range(8))


def _without_padding(coded: bytes) -> bytes:
    """Coded data without padding at its end: many zeros, or the beginning of a marker."""
    whole = coded.rstrip(b"\xff")
    bare = whole.rstrip(b"\0")
    if len(whole) - len(bare) <= _FEW:
        return whole
    return bare + b"\0" if bare.endswith(b"\xff") else bare


def _fingerprint(bands: Iterable[Pixels], width: int) -> npt.NDArray[np.uint32]:
    """Hashes (height, pieces) of rows cut into pieces of 64 pixels."""
    sums = []
    for band in bands:
        flat = band.reshape(len(band), -1)
        step = _PIECE * (flat.shape[1] // width)
        weights = np.arange(1, 2 * flat.shape[1], 2).astype(np.uint32) * np.uint32(2654435761)
        sums.append(np.add.reduceat(flat * weights, np.arange(0, flat.shape[1], step), axis=1, dtype=np.uint32))
    return np.concatenate(sums)


def _share(one: npt.NDArray[np.uint32], other: npt.NDArray[np.uint32], width: int) -> float:
    """Share of a picture (0 to 1) from the first differing piece to the end, in the order of blocks."""
    differ = np.not_equal(one, other)
    rows = differ.any(1)
    if not rows.any():
        return 0.0
    height = len(one)
    top = int(rows.argmax()) // 8 * 8
    left = int(differ[top : top + 16].any(0).argmax()) * _PIECE
    return max(1.0 - (top * width + left * min(16, height - top)) / (height * width), 1e-6)


def _extent(data: Data) -> tuple[int, bool, bool]:
    """Offset of the end of the last scan, whether an end marker follows, and whether all scans are there."""
    at, end = 2, 0
    wanted: dict[int, npt.NDArray[np.int_]] = {}
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xD9:
            return at, True, True
        if end and marker not in _BETWEEN:
            break
        length = struct.unpack_from(">H", data, at + 2)[0]
        body = data[at + 4 : at + 2 + length]
        at += 2 + length
        if marker in _PROGRESSIVE:
            # Bits of every coefficient that are still missing; more than any picture has before its first scan.
            wanted = {body[6 + 3 * n]: np.full(64, 99) for n in range(body[5])}
        if marker != _SCAN:
            continue
        if at > len(data):
            break
        _take_scan(body, wanted)
        found = _MARKER.search(data, at)
        end = at = len(data) if found is None else found.start()
    finished = end > 0 and data[at : at + 2] == _END
    return end or len(data), finished, not any(bits.any() for bits in wanted.values())


def _take_scan(body: bytes, wanted: dict[int, npt.NDArray[np.int_]]) -> None:
    """Record which bits of which coefficients a progressive scan holds."""
    if not wanted:
        return
    count = body[0]
    first, last, bits = body[1 + 2 * count : 4 + 2 * count]
    for n in range(count):
        if (component := body[1 + 2 * n]) in wanted:
            wanted[component][first : last + 1] = bits & 15


def _is_progressive(data: bytes) -> bool:
    return bool(_open(data).info.get("progressive"))


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=("JPEG", "MPO"))


def _bands(data: bytes) -> Iterator[Pixels]:
    image = _open(data)
    image.load()
    for top in range(0, image.height, _BAND):
        yield np.asarray(image.crop((0, top, image.width, min(top + _BAND, image.height))))


_LUMINANCE = (
    "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62"
    " 18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"
)
_BASE = [int(n) for n in _LUMINANCE.split()]
"""ITU T.81, table K.1: the luminance table at quality 50."""


@cache
def _table_sum(quality: int) -> int:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(255, max(1, (value * scale + 50) // 100)) for value in _BASE)
