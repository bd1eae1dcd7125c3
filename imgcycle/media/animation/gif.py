"""Animated GIF: reading and writing of blocks, frames composed as viewers do (GIF89a Specification)."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgcycle.errors import InputError
from imgcycle.media import containers
from imgcycle.media.animation.canvas import Box, Canvas, box_of
from imgcycle.media.animation.timing import GIF_GRID, Ticks, gif_loop
from imgcycle.media.headers import Metadata
from imgcycle.media.image.palettes import has_all_colours, indexed
from imgcycle.media.image.pixels import Pixels, eight_bit
from imgcycle.media.image.still import Still

_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_GREYS = bytes(level for level in range(256) for _ in range(3))
_KEEP, _CLEAR = 1, 2
_PREVIOUS = (3, 4)
"""Disposal 4 was written for 3 by some encoders, and viewers treat it alike."""
Indices = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class GifFrame:
    """One image of a GIF: its box, its own palette, its LZW data, and the fields of its graphic control extension."""

    box: Box
    interlaced: bool
    palette: bytes | None
    codes: bytes
    complete: bool
    delay: int = 0
    disposal: int = 0
    clear: int | None = None


@dataclass(frozen=True)
class Gif:
    """The blocks of a GIF: global palette, images in order, number of plays (0: for ever)."""

    palette: bytes | None
    frames: tuple[GifFrame, ...]
    plays: int
    cut: bool = False
    """True if the file ends within an image block."""

    @property
    def delays(self) -> tuple[Fraction, ...]:
        """Delay of each frame in seconds, as written."""
        return tuple(Fraction(frame.delay, 100) for frame in self.frames)


def parse_gif(data: bytes) -> Gif:
    """Read the blocks; of a truncated file as far as it goes, where the last frame is not `complete`.

    Repetitions n in a loop extension mean n + 1 plays, 0 for ever; without one it plays once.
    """
    colours = 3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0
    palette = data[13 : 13 + colours] if colours else None
    at, plays = 13 + colours, 1
    frames: list[GifFrame] = []
    nothing: tuple[int, int, int | None] = (0, 0, None)
    control, begun = nothing, False
    while at < len(data) and data[at] != 0x3B:
        kind, at = data[at], at + 1
        if kind == 0x21 and at < len(data):
            label, at = data[at], at + 1
            blocks, at, _ = _blocks(data, at)
            if label == 0xF9 and blocks and len(blocks[0]) >= 4:
                flags, delay, clear = struct.unpack_from("<BHB", blocks[0])
                control, begun = (delay, flags >> 2 & 7, clear if flags & 1 else None), True
            elif label == 0x01:
                control, begun = nothing, False
            elif label == 0xFF and blocks and blocks[0] in _LOOPS:
                for block in blocks[1:]:
                    if len(block) >= 3 and block[0] & 7 == 1:
                        count = int.from_bytes(block[1:3], "little")
                        plays = count + 1 if count else 0
        elif kind == 0x2C:
            if at + 9 > len(data):
                at = len(data)
                break
            *place, flags = struct.unpack_from("<HHHHB", data, at)
            own = 3 << (flags & 7) + 1 if flags & 0x80 else 0
            begins = at + 9 + own
            table = data[at + 9 : begins] if own else None
            _, at, complete = _blocks(data, begins + 1)
            frames.append(GifFrame(Box(*place), bool(flags & 0x40), table, data[begins:at], complete, *control))
            control, begun = nothing, False
        # Bytes outside any block are skipped, as other readers do.
    return Gif(palette, tuple(frames), plays, begun and at >= len(data))


def _blocks(data: bytes, at: int) -> tuple[list[bytes], int, bool]:
    """Contents of the sub-blocks up to the terminator, the offset after them, and whether the terminator was found."""
    found: list[bytes] = []
    while at < len(data):
        size = data[at]
        if size == 0:
            return found, at + 1, True
        found.append(data[at + 1 : at + 1 + size])
        at += 1 + size
    return found, len(data), False


def may_be_clear(gif: Gif, width: int, height: int) -> bool:
    """True if any frame can have transparent pixels."""
    covered = gif.frames[0].box.within(width, height) == Box(0, 0, width, height)
    return not covered or any(frame.clear is not None or frame.disposal == _CLEAR for frame in gif.frames)


def compose_gif(gif: Gif, width: int, height: int, max_pixels: int) -> Iterator[tuple[Pixels, Pixels | None]]:
    """Yield pixels (H, W, 3) and alpha (H, W) or None of each frame, on a canvas that is transparent at first.

    InputError for a frame that is truncated or larger than `max_pixels`; otherwise whatever the decoder raises.
    """
    canvas = Canvas(width, height)
    for number, frame in enumerate(gif.frames):
        if not frame.complete:
            raise InputError("the file ends in the middle of it")
        if frame.box.width * frame.box.height > max_pixels:
            raise InputError(
                f"{frame.box.width}×{frame.box.height} pixels, more than the limit", f"raise --max-pixels {max_pixels}"
            )
        box = frame.box.within(width, height)
        # There is nothing to restore before the first frame, and as in other readers an opaque one is left in place.
        goes_back = frame.disposal in _PREVIOUS and (number > 0 or frame.clear is not None)
        if goes_back:
            canvas.save(box)
        if box.width and box.height:
            _draw(canvas, box, frame, gif.palette)
        yield canvas.shown
        if frame.disposal == _CLEAR:
            canvas.clear(box)
        elif goes_back:
            canvas.restore(box)


def _draw(canvas: Canvas, box: Box, frame: GifFrame, shared: bytes | None) -> None:
    indices = _indices(frame)[: box.height, : box.width]
    table = np.frombuffer((frame.palette or shared or _GREYS).ljust(768, b"\0"), np.uint8).reshape(256, 3)
    target = canvas.values[box.place]
    drawn = np.ones(indices.shape, np.bool_) if frame.clear is None else indices != frame.clear
    target[drawn, :3] = table[indices[drawn]]
    target[drawn, 3] = 255


def _indices(frame: GifFrame) -> Indices:
    """Palette indices of a frame, decompressed by Pillow from a GIF of this image alone."""
    width, height = frame.box.width, frame.box.height
    head = struct.pack("<6sHHBBB", b"GIF89a", width, height, 0xF7, 0, 0) + _GREYS
    place = struct.pack("<BHHHHB", 0x2C, 0, 0, width, height, 0x40 if frame.interlaced else 0)
    image = Image.open(io.BytesIO(head + place + frame.codes + b";"), formats=("GIF",))
    return np.asarray(image)


def _codes(indices: Indices) -> bytes:
    out = io.BytesIO()
    Image.fromarray(indices).save(out, "GIF", optimize=False, interlace=0)
    return parse_gif(out.getvalue()).frames[0].codes


class GifWriter:
    """Writes frames in order to a seekable file, each with its own palette; see `animation_writer`."""

    def __init__(self, file: IO[bytes], width: int, height: int, plays: int, metadata: Metadata) -> None:
        self._file, self._ticks = file, Ticks(GIF_GRID)
        self._last: _Written | None = None
        self._halves = False
        head = struct.pack("<6sHHBBB", b"GIF89a", width, height, 0x70, 0, 0)
        file.write(containers.gif_with(head, metadata.xmp, metadata.comments))
        count = gif_loop(plays)
        if count is not None:
            file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", count) + b"\0")

    def add(self, still: Still, delay: Fraction) -> None:
        """Append a frame shown for `delay` seconds. Pixels that did not change are not written again."""
        pixels, visible = eight_bit(still.pixels), None
        if still.alpha is not None:
            alpha = eight_bit(still.alpha)
            self._halves |= bool(((alpha > 0) & (alpha < 255)).any())
            visible = alpha >= 128
        now = _Written(pixels, visible, self._file.tell(), self._ticks.of(delay))
        before = self._last
        if before is not None and before.vanishes(now):
            # A pixel becomes transparent only when the whole frame before it is disposed of.
            if not before.whole:
                self._file.seek(before.at)
                self._file.truncate()
                self._put(before, None, _CLEAR)
                now.at = self._file.tell()
            else:
                self._file.seek(before.at + 3)
                self._file.write(bytes([_CLEAR << 2 | before.spare]))
                self._file.seek(now.at)
            before = None
        self._put(now, before, _KEEP)
        self._last = now

    def _put(self, frame: _Written, before: _Written | None, disposal: int) -> None:
        drawn = frame.visible
        whole = box = Box(0, 0, frame.pixels.shape[1], frame.pixels.shape[0])
        if before is not None:
            drawn = frame.differs(before)
            box = box_of(drawn)
            if frame.fills(box) and has_all_colours(frame.pixels[box.place]):
                drawn = None  # no index is left for what stays, so that is drawn again
        elif drawn is not None:
            box = self._window(frame.pixels, drawn) or box
        frame.whole = before is None
        found = indexed(frame.pixels[box.place], None if drawn is None else drawn[box.place])
        # Some readers fill uncovered and disposed areas with the transparent index.
        frame.spare = found.clear is not None or len(found.palette) < 768
        clear = 255 if found.clear is None else found.clear
        flags = disposal << 2 | (frame.spare and (found.clear is not None or disposal == _CLEAR or box != whole))
        bits = max(1, (len(found.palette) // 3 - 1).bit_length()) - 1
        self._file.write(b"\x21\xf9\x04" + struct.pack("<BHB", flags, frame.ticks, clear) + b"\0")
        self._file.write(struct.pack("<BHHHHB", 0x2C, box.left, box.top, box.width, box.height, 0x80 | bits))
        self._file.write(found.palette.ljust(6 << bits, b"\0") + _codes(found.indices))

    @staticmethod
    def _window(pixels: npt.NDArray[np.uint8], drawn: npt.NDArray[np.bool_]) -> Box | None:
        """Bounding box of the drawn pixels, where they use 256 colours and no index is left for transparency; else
        None.
        """
        seen = box_of(drawn)
        return seen if bool(drawn[seen.place].all()) and has_all_colours(pixels[seen.place]) else None

    def finish(self) -> None:
        self._file.write(b";")

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each thing that the format could not store so far."""
        half = "GIF knows no half transparency: each pixel is opaque or clear" if self._halves else None
        return tuple(note for note in (self._ticks.note, half) if note)


@dataclass
class _Written:
    """A frame in the file: its pixels, its mask `visible` (None: all), its offset and its start time.

    `whole`: it draws everything that is visible; `spare`: its transparent index is not used for a colour.
    """

    pixels: npt.NDArray[np.uint8]
    visible: npt.NDArray[np.bool_] | None
    at: int
    ticks: int
    whole: bool = True
    spare: bool = True

    def vanishes(self, after: _Written) -> bool:
        """True if a visible pixel is transparent in the next frame."""
        if after.visible is None:
            return False
        return bool((~after.visible).any() if self.visible is None else (self.visible & ~after.visible).any())

    def fills(self, box: Box) -> bool:
        """True if every pixel in a box is visible."""
        return self.visible is None or bool(self.visible[box.place].all())

    def differs(self, before: _Written) -> npt.NDArray[np.bool_]:
        """Mask (H, W) of the visible pixels that differ from the frame before."""
        changed: npt.NDArray[np.bool_] = (self.pixels != before.pixels).any(2)
        if before.visible is not None:
            changed |= ~before.visible
        return changed if self.visible is None else changed & self.visible
