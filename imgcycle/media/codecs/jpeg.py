"""JPEG streams: end of the coded data, and whether the picture is complete (ITU T.81, annex B)."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from imgcycle.errors import InputError
from imgcycle.media.files import Data
from imgcycle.media.image.pixels import Pixels

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

_DRAFTS = {
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
"""OpenCV's flags for decoding at a part of the size; colours are asked for apart."""


def decoded_quickly(data: bytes, size: tuple[int, int], draft: int = 1) -> Pixels | None:
    """RGB of a JPEG of `size` (height, width), both divided by `draft` (1, 2, 4 or 8), as OpenCV decodes it; None where
    that gives anything else.
    """
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION | _DRAFTS[draft]
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


def cut_off(share: float, what: str = "is missing") -> InputError:
    """An InputError that a `share` (0 to 1) of a picture is missing."""
    # Rounded to whole percents, a truncated file might seem complete.
    return InputError(f"cut off: {f'{100 * share:.0f} %' if share >= 0.01 else 'less than 1 %'} of the picture {what}")


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
    return bool(Image.open(io.BytesIO(data), formats=("JPEG", "MPO")).info.get("progressive"))
