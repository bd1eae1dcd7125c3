"""Animated WebP: timing from its chunks, and writing (RFC 9649); libwebp codes the pixels."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import IO

import numpy as np
from PIL import Image

from imgcycle.errors import InputError, OutputError
from imgcycle.media.animation.canvas import Box, box_of, split_alpha, with_alpha
from imgcycle.media.animation.timing import WEBP_GRID, Ticks, webp_loop
from imgcycle.media.headers import Metadata
from imgcycle.media.image.pixels import Pixels, eight_bit
from imgcycle.media.image.still import Still

MOST_SIDE = 16383
_MOST_BYTES = 2**32 - 10
_ICC, _ALPHA, _EXIF, _XMP, _MOVES = 0x20, 0x10, 0x08, 0x04, 0x02
_AS_IT_IS = 0x02
"""Blending method of a frame that replaces the canvas."""


def webp_delays(data: bytes) -> tuple[Fraction, ...]:
    """Delay of each frame in seconds, as written."""
    return tuple(
        Fraction(int.from_bytes(body[12:15], "little"), 1000)
        for kind, body in _chunks(data, 12)
        if kind == b"ANMF" and len(body) >= 16
    )


def compose_webp(image: Image.Image, count: int) -> Iterator[tuple[Pixels, Pixels | None]]:
    """Yield pixels and alpha of each frame; InputError where the decoder gives fewer than `count`."""
    for number in range(count):
        try:
            image.seek(number)
            values = np.asarray(image.convert("RGBA"))
        except EOFError as error:
            raise InputError("it is damaged, or the file ends in the middle of it") from error
        yield split_alpha(values)


def _chunks(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        yield kind, data[at + 8 : at + 8 + size]
        at += 8 + size + (size & 1)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) & 1)


class WebpWriter:
    """Writes frames in order to a seekable file; see `animation_writer`. `quality` None writes lossless."""

    def __init__(
        self, file: IO[bytes], size: tuple[int, int], plays: int, metadata: Metadata, quality: int | None
    ) -> None:
        if max(size) > MOST_SIDE:
            raise OutputError(f"{size[0]}×{size[1]} is more than WebP can hold", "use --format png")
        self._file, self._quality, self._metadata, self._size = file, quality, metadata, size
        self._ticks = Ticks(WEBP_GRID)
        self._last: Pixels | None = None
        self._alpha = False
        file.write(b"RIFF\0\0\0\0WEBP" + self._header())
        if metadata.icc:
            file.write(_chunk(b"ICCP", metadata.icc))
        file.write(_chunk(b"ANIM", struct.pack("<IH", 0, webp_loop(plays))))

    def add(self, still: Still, delay: Fraction) -> None:
        """Append a frame shown for `delay` seconds. Only the part that changed is written."""
        pixels = eight_bit(still.pixels)
        values = with_alpha(pixels, None if still.alpha is None else eight_bit(still.alpha))
        box = Box(0, 0, *self._size)
        if self._last is not None:
            # Offsets are stored halved.
            box = box_of((values != self._last).any(2), even=True)
        part = values[box.place]
        clear = bool((part[..., 3] < 255).any())
        self._alpha |= clear
        image = Image.fromarray(part) if clear else Image.fromarray(part[..., :3].copy())
        options = {"lossless": True, "exact": True} if self._quality is None else {"quality": self._quality}
        out = io.BytesIO()
        image.save(out, "WEBP", **options)
        rows = b"".join(
            _chunk(kind, body) for kind, body in _chunks(out.getvalue(), 12) if kind in (b"ALPH", b"VP8 ", b"VP8L")
        )
        place = (box.left // 2, box.top // 2, box.width - 1, box.height - 1, self._ticks.of(delay))
        head = b"".join(struct.pack("<I", value)[:3] for value in place) + bytes([_AS_IT_IS])
        self._file.write(_chunk(b"ANMF", head + rows))
        self._last = values

    def finish(self) -> None:
        """End the file and write its length and its alpha flag into the header."""
        known = self._metadata
        if known.exif:
            self._file.write(_chunk(b"EXIF", known.exif))
        if known.xmp:
            self._file.write(_chunk(b"XMP ", known.xmp))
        size = self._file.tell() - 8
        if size > _MOST_BYTES:
            raise OutputError("more than the 4 GB that WebP can hold", "use --format png")
        self._file.seek(4)
        self._file.write(struct.pack("<I", size) + b"WEBP" + self._header())
        self._file.seek(0, 2)

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each thing that the format could not store so far."""
        return () if self._ticks.note is None else (self._ticks.note,)

    def _header(self) -> bytes:
        known = self._metadata
        flags = _MOVES | (_ICC if known.icc else 0) | (_EXIF if known.exif else 0) | (_XMP if known.xmp else 0)
        flags |= _ALPHA if self._alpha else 0
        sides = b"".join(struct.pack("<I", side - 1)[:3] for side in self._size)
        return _chunk(b"VP8X", struct.pack("<I", flags) + sides)
