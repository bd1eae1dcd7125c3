"""AVIF image sequences: timing from their boxes (ISO/IEC 14496-12), and writing; libavif codes the pixels."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import IO, Any

import numpy as np
from PIL import Image

from imgcycle.errors import OutputError
from imgcycle.media.animation.canvas import split_alpha, with_alpha
from imgcycle.media.animation.timing import AVIF_GRID, Grid, Ticks
from imgcycle.media.codecs.heif import boxes
from imgcycle.media.headers import Metadata
from imgcycle.media.image.pixels import Pixels, eight_bit
from imgcycle.media.image.still import Still

_FOR_EVER = 2**64 - 1
_REPEATS = 1
_MOST_TICKS = 2**31 - 1
_PICTURES = b"pict"


@dataclass(frozen=True)
class AvifSequence:
    """Delay of each frame in seconds, and the number of plays (0: for ever)."""

    delays: tuple[Fraction, ...]
    plays: int


def parse_avif(data: bytes) -> AvifSequence | None:
    """Timing of the sequence in the picture track; None for a still.

    A track without an edit list states no repetition, and viewers repeat it for ever.
    """
    for track in _all(data, [range(len(data))], b"moov", b"trak"):
        if not any(data[at.start + 8 : at.start + 12] == _PICTURES for at in _all(data, [track], b"mdia", b"hdlr")):
            continue
        delays: list[Fraction] = []
        for header in _all(data, [track], b"mdia", b"mdhd"):
            (scale,) = struct.unpack_from(">I", data, header.start + (20 if data[header.start] else 12))
            for table in _all(data, [track], b"mdia", b"minf", b"stbl", b"stts"):
                for at in range(table.start + 8, table.stop - 7, 8):
                    count, ticks = struct.unpack_from(">II", data, at)
                    delays += [Fraction(ticks, scale)] * min(count, len(data))
        return AvifSequence(tuple(delays), _plays(data, track))
    return None


def _plays(data: bytes, track: range) -> int:
    for edits in _all(data, [track], b"edts", b"elst"):
        if not data[edits.start + 3] & _REPEATS:
            return 1
        for header in _all(data, [track], b"tkhd"):
            whole = _long(data, header.start, 28, 20)
            once = _long(data, edits.start, 8, 8)
            unending = 2**64 - 1 if data[header.start] else 2**32 - 1
            return 0 if whole == unending or not once else max(1, -(-whole // once))
    return 0


def _long(data: bytes, box: int, wide: int, narrow: int) -> int:
    """An integer field: 64 bits at offset `wide` in version 1 of a box, 32 bits at `narrow` in version 0."""
    kind, at = (">Q", wide) if data[box] else (">I", narrow)
    return int(struct.unpack_from(kind, data, box + at)[0])


def _all(data: bytes, within: list[range], *path: bytes) -> list[range]:
    """Contents of all boxes at a path of box types."""
    for name in path:
        within = [inner for outer in within for kind, inner in boxes(data, outer.start, outer.stop) if kind == name]
    return within


def compose_avif(image: Image.Image, count: int) -> Iterator[tuple[Pixels, Pixels | None]]:
    """Yield pixels (H, W, 3) and alpha (H, W) or None of each frame."""
    for number in range(count):
        image.seek(number)
        yield split_alpha(np.asarray(image.convert("RGBA")))


class AvifWriter:
    """Collects frames in order and writes the file when it is finished; see `animation_writer`.

    `delays` are those of all frames to come: where one clock rate fits all of them, timing is exact. `options` are
    Pillow's.
    """

    def __init__(
        self,
        file: IO[bytes],
        size: tuple[int, int],
        plays: int,
        metadata: Metadata,
        alpha: bool,
        delays: tuple[Fraction, ...],
        options: dict[str, Any],
    ) -> None:
        # Pillow writes sequences too, but wants all frames in memory first.
        from PIL import _avif

        self._file, self._size, self._plays, self._alpha = file, size, plays, alpha
        parts = lcm(*(delay.denominator for delay in delays))
        fits = parts <= _MOST_TICKS and max(delays) * parts <= _MOST_TICKS
        self._scale = max(parts, 1000 // parts * parts) if fits else 1000
        grid = Grid(Fraction(1, self._scale), _MOST_TICKS, AVIF_GRID.words)
        self._ticks, self._sum, self._least = Ticks(grid), 0, True
        codec, advanced = options.get("codec", "auto"), tuple(options.get("advanced", {}).items()) or None
        if codec == "aom":
            # Frames of a sequence are predicted from each other, and a rate would be honoured rather than the level.
            advanced = (*(advanced or ()), ("alpha:end-usage", "q"))
        coded = (options["subsampling"], options["quality"], options["speed"], 1, codec, "full", 0, 0, False, True)
        blocks = (metadata.icc, b"Exif\0\0" + metadata.exif if metadata.exif else b"", 1, metadata.xmp)
        self._encoder = _avif.AvifEncoder(size, *coded, *blocks, advanced)

    def add(self, still: Still, delay: Fraction) -> None:
        """Append a frame shown for `delay` seconds; a delay of 0 becomes the shortest possible."""
        values: Pixels = eight_bit(still.pixels)
        if self._alpha:
            values = with_alpha(values, None if still.alpha is None else eight_bit(still.alpha))
        ticks = max(1, self._ticks.of(delay))
        self._least &= delay > 0
        self._sum += ticks
        self._encoder.add(values.tobytes(), ticks, self._size, "RGBA" if self._alpha else "RGB", False)

    def finish(self) -> None:
        """Write the file, with the time scale and the edit list that libavif does not write."""
        made = self._encoder.finish()
        if made is None:
            raise OutputError("libavif could not write this AVIF")
        data = bytearray(made)
        for movie in _all(made, [range(len(made))], b"moov"):
            for header in _all(made, [movie], b"mvhd"):
                struct.pack_into(">IQ", data, header.start + 20, self._scale, self._whole)
            for track in _all(made, [movie], b"trak"):
                for header in _all(made, [track], b"tkhd"):
                    struct.pack_into(">Q", data, header.start + 28, self._whole)
                for header in _all(made, [track], b"mdia", b"mdhd"):
                    struct.pack_into(">I", data, header.start + 20, self._scale)
                for edits in _all(made, [track], b"edts", b"elst"):
                    data[edits.start + 3] = self._plays != 1
        self._file.write(data)

    @property
    def _whole(self) -> int:
        return self._sum * self._plays if self._plays else _FOR_EVER

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each thing that the format could not store so far."""
        none = None if self._least else "AVIF has no frames without a delay: they are given the shortest"
        return tuple(note for note in (self._ticks.note, none) if note)
