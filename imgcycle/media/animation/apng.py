"""Animated PNG: reading and writing of chunks, frames composed as viewers do (PNG Specification, third edition)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import IO

import cv2
import numpy as np

from imgcycle.errors import InputError, OutputError
from imgcycle.media.animation.canvas import Box, Canvas, box_of, with_alpha
from imgcycle.media.animation.timing import png_delay, png_loop
from imgcycle.media.containers import png_chunk, png_with
from imgcycle.media.headers import Metadata
from imgcycle.media.image.pixels import Pixels
from imgcycle.media.image.read import read_still
from imgcycle.media.image.still import Still
from imgcycle.media.metadata.png import SIGNATURE

_WITHOUT_DELAY = 100
"""Denominator used where a frame's delay has denominator 0 (PNG Specification, fcTL)."""
_BACKGROUND, _PREVIOUS = 1, 2
_OVER = 1
_CONTROL = ">IIIIIHHBB"


@dataclass
class PngFrame:
    """One frame: box on the canvas, delay (seconds), disposal and blending, and its compressed rows as stored."""

    box: Box
    delay: Fraction
    disposal: int
    blend: int
    rows: list[bytes] = field(default_factory=list)
    sound: bool = True

    def add(self, rows: bytes, sound: bool) -> None:
        """Append compressed rows; `sound` tells whether their checksum was right."""
        self.rows.append(rows)
        self.sound &= sound


@dataclass(frozen=True)
class Apng:
    """The chunks of an animated PNG: header, palette and transparency, number of plays (0: for ever), frames.

    `promised` is the number of frames that acTL states; `cover` is True if the default image is not a frame.
    """

    header: bytes
    colours: bytes
    plays: int
    promised: int
    frames: tuple[PngFrame, ...]
    cover: bool

    @property
    def deep(self) -> bool:
        """True for 16 bits a channel."""
        return self.header[8] == 16

    @property
    def may_be_clear(self) -> bool:
        """True if any frame can have transparent pixels."""
        first = self.frames[0]
        taken = any(frame.disposal == _BACKGROUND for frame in self.frames) or first.disposal == _PREVIOUS
        covered = first.box == Box(0, 0, *struct.unpack_from(">II", self.header))
        return self.header[9] in (4, 6) or b"tRNS" in self.colours or taken or not covered


def parse_apng(data: bytes) -> Apng | None:
    """Read the chunks; None for a PNG without animation. A truncated file is read as far as it goes.

    InputError for frames out of order or outside the canvas.
    """
    header, colours, about = b"", b"", None
    frames: list[PngFrame] = []
    before_pixels, cover, sequence = True, False, 0
    for kind, body, sound in _chunks(data):
        if kind == b"IHDR":
            header = body
        elif kind in (b"PLTE", b"tRNS") and before_pixels:
            colours += png_chunk(kind, body)
        elif kind == b"acTL" and before_pixels and len(body) >= 8:
            about = struct.unpack_from(">II", body)
        elif kind in (b"fcTL", b"fdAT") and about is not None and len(frames) <= about[0]:
            if len(body) < (26 if kind == b"fcTL" else 4):
                break
            if int.from_bytes(body[:4], "big") != sequence:
                raise InputError(f"cannot be decoded: its frames are out of order after {len(frames)}")
            sequence += 1
            if kind == b"fcTL":
                frames.append(_frame(body, sound))
            elif frames:
                frames[-1].add(body[4:], sound and not before_pixels)
        elif kind == b"IDAT":
            before_pixels, cover = False, cover or not frames
            if len(frames) == 1 and not cover:
                frames[0].add(body, sound)
    if about is None or not about[0] or not frames or len(header) != 13:
        return None
    return Apng(header, colours, about[1], about[0], tuple(frames[: about[0]]), cover)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield type, content and checksum validity of each chunk."""
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        yield kind, body, data[at + 8 + size : at + 12 + size] == struct.pack(">I", zlib.crc32(kind + body))
        if kind == b"IEND":
            return
        at += 12 + size


def _frame(body: bytes, sound: bool) -> PngFrame:
    _, width, height, left, top, length, parts, disposal, blend = struct.unpack_from(_CONTROL, body)
    delay = Fraction(length, parts or _WITHOUT_DELAY)
    return PngFrame(Box(left, top, width, height), delay, disposal, blend, sound=sound)


def compose_apng(found: Apng, width: int, height: int) -> Iterator[tuple[Pixels, Pixels | None]]:
    """Yield pixels (H, W, 3) and alpha (H, W) or None of each composed frame; InputError for a damaged one."""
    canvas = Canvas(width, height, found.deep)
    for number, frame in enumerate(found.frames):
        box, disposal = frame.box, frame.disposal
        if not frame.sound or not frame.rows:
            raise InputError("it is damaged, or the file ends in the middle of it")
        if not box.width or not box.height or box.within(width, height) != box:
            raise InputError("it does not lie within the picture")
        if number == 0 and disposal == _PREVIOUS:
            disposal = _BACKGROUND
        if disposal == _PREVIOUS:
            canvas.save(box)
        still = read_still(_alone(found, frame))
        both = with_alpha(still.pixels, still.alpha)
        if frame.blend == _OVER and still.alpha is not None:
            canvas.composite(box, both)
        else:
            canvas.values[box.place] = both
        yield canvas.shown
        if disposal == _BACKGROUND:
            canvas.clear(box)
        elif disposal == _PREVIOUS:
            canvas.restore(box)


def _alone(found: Apng, frame: PngFrame) -> bytes:
    """A frame as a PNG file of its own."""
    header = struct.pack(">II", frame.box.width, frame.box.height) + found.header[8:]
    rows = b"".join(png_chunk(b"IDAT", part) for part in frame.rows)
    return SIGNATURE + png_chunk(b"IHDR", header) + found.colours + rows + png_chunk(b"IEND", b"")


class ApngWriter:
    """Writes frames in order to a seekable file: pixels exactly, delays as exactly as 16 bits allow; see
    `animation_writer`.

    `cover` is the default image, shown by programs without APNG support; it is not a frame.
    """

    def __init__(
        self,
        file: IO[bytes],
        size: tuple[int, int],
        plays: int,
        metadata: Metadata,
        alpha: bool,
        deep: bool,
        cover: Still | None,
    ) -> None:
        self._file, self._alpha, self._deep = file, alpha, deep
        self._sequence = self._frames = 0
        self._exact = True
        self._last: Pixels | None = None
        self._plays = png_loop(plays)
        header = struct.pack(">IIBBBBB", *size, 16 if deep else 8, 6 if alpha else 2, 0, 0, 0)
        file.write(png_with(SIGNATURE + png_chunk(b"IHDR", header), metadata))
        self._control = file.tell()
        file.write(png_chunk(b"acTL", struct.pack(">II", 0, self._plays)))
        if cover is not None:
            for rows in self._rows(self._values(cover)):
                file.write(png_chunk(b"IDAT", rows))
        self._covered = cover is not None

    def add(self, still: Still, delay: Fraction) -> None:
        """Append a frame shown for `delay` seconds. Only the part that changed is written."""
        values = self._values(still)
        box = Box(0, 0, still.size[0], still.size[1])
        if self._last is not None:
            box = box_of((values != self._last).any(2))
        length, parts = png_delay(delay)
        self._exact &= Fraction(length, parts) == delay
        control = struct.pack(_CONTROL, self._next(), box.width, box.height, box.left, box.top, length, parts, 0, 0)
        self._file.write(png_chunk(b"fcTL", control))
        for rows in self._rows(values[box.place]):
            if self._frames or self._covered:
                self._file.write(png_chunk(b"fdAT", struct.pack(">I", self._next()) + rows))
            else:
                self._file.write(png_chunk(b"IDAT", rows))
        self._last = values
        self._frames += 1

    def finish(self) -> None:
        """End the file and write the number of frames into its header."""
        self._file.write(png_chunk(b"IEND", b""))
        self._file.seek(self._control)
        self._file.write(png_chunk(b"acTL", struct.pack(">II", self._frames, self._plays)))
        self._file.seek(0, 2)

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each thing that the format could not store so far."""
        return () if self._exact else ("delays are rounded to fractions of 16 bits, which is what the format holds",)

    def _values(self, still: Still) -> Pixels:
        pixels = with_alpha(still.pixels, still.alpha) if self._alpha else still.pixels
        if self._deep and pixels.dtype == np.uint8:
            return pixels.astype(np.uint16) * np.uint16(257)
        return pixels

    def _rows(self, values: Pixels) -> list[bytes]:
        """Compressed rows of an image, as the contents of IDAT or fdAT chunks."""
        order = cv2.COLOR_RGBA2BGRA if self._alpha else cv2.COLOR_RGB2BGR
        flags = [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
        done, data = cv2.imencode(".png", cv2.cvtColor(np.ascontiguousarray(values), order), flags)
        if not done:
            raise OutputError("OpenCV could not write this PNG")
        whole, at, found = data.tobytes(), len(SIGNATURE), []
        while at < len(whole):
            size, kind = struct.unpack_from(">I4s", whole, at)
            if kind == b"IDAT":
                found.append(whole[at + 8 : at + 8 + size])
            at += 12 + size
        return found

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence - 1
