"""Image sequences, `frames/%05d.png`: reading numbered images as a clip, and writing them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import cast

import numpy as np

from imgcycle.errors import ImgcycleError, InputError, OutputError, UsageError, reported
from imgcycle.media.files import atomic_write, read_file
from imgcycle.media.formats import CHOICES, by_suffix
from imgcycle.media.image.pixels import Pixels, eight_bit
from imgcycle.media.image.read import read_still
from imgcycle.media.image.still import Still
from imgcycle.media.image.write import encode_still
from imgcycle.media.paths import kind_of, shown
from imgcycle.media.video.decoder import TimedFrame

_NUMBER = re.compile(r"%(?:0(\d+))?d")


def is_pattern(name: str | Path) -> bool:
    """True if a file name holds exactly one number placeholder, `%d` or `%05d`, and is not a clip's name."""
    path = Path(name)
    return len(_NUMBER.findall(path.name.replace("%%", ""))) == 1 and kind_of(path) != "clip"


@dataclass(frozen=True)
class ImageSequence:
    """Images whose names differ by a number, ascending, shown at a constant rate."""

    pattern: Path
    numbers: tuple[int, ...]
    width: int
    height: int
    deep: bool
    has_alpha: bool
    rate: Fraction
    """Frames a second."""

    @property
    def frames(self) -> int:
        """Number of images."""
        return len(self.numbers)

    @property
    def gaps(self) -> tuple[str, ...]:
        """Missing numbers between the first and the last, as "7" or "12-15"."""
        found = []
        for before, after in zip(self.numbers, self.numbers[1:], strict=False):
            if after > before + 1:
                found.append(f"{before + 1}" if after == before + 2 else f"{before + 1}-{after - 1}")
        return tuple(found)

    def path(self, frame: int) -> Path:
        """File of frame number `frame` (0-based)."""
        return picture_path(self.pattern, self.numbers[frame])

    def span(self, start: Fraction | None = None, end: Fraction | None = None) -> range:
        """Frames that appear at or after `start` and before `end` (seconds), as `Clip.span`."""
        first = 0 if start is None else ceil(start * self.rate)
        last = self.frames if end is None else min(self.frames, ceil(end * self.rate))
        return range(first, max(first, last))


def find_sequence(pattern: Path, rate: Fraction) -> ImageSequence:
    """The sequence of a pattern; InputError if there are no images, or the first cannot be read."""
    if not is_pattern(pattern):
        raise UsageError(f"{shown(pattern)} names no sequence", "put one number in it, as in frames/%05d.png")
    if rate <= 0:
        raise UsageError(f"a sequence at {rate} frames a second", "--fps takes a number above 0")
    with reported(InputError, shown(pattern.parent)):
        numbers = picture_numbers(pattern)
    if not numbers:
        raise InputError(f"no picture there has a name like {shown(pattern.name)}")
    first = _read(picture_path(pattern, numbers[0]))
    width, height = first.size
    deep = first.pixels.dtype == np.uint16
    return ImageSequence(pattern, numbers, width, height, deep, first.alpha is not None, rate)


def picture_numbers(pattern: Path) -> tuple[int, ...]:
    """Numbers of the images that match a pattern, ascending; OSError if the folder cannot be read."""
    names = {entry.name for entry in pattern.parent.iterdir()}
    before, after = (re.escape(_plain(part)) for part in _parts(pattern))
    form = re.compile(f"{before}(\\d+){after}", re.DOTALL | re.ASCII)
    told = (int(match[1]) for name in names if (match := form.fullmatch(name)))
    # 7.png does not match %05d, nor 007.png %d.
    return tuple(sorted({n for n in told if picture_path(pattern, n).name in names}))


def read_sequence(
    sequence: ImageSequence,
    *,
    start: Fraction | None = None,
    end: Fraction | None = None,
    first: int = 0,
    stop: int | None = None,
) -> Iterator[TimedFrame]:
    """The images as timed frames, with alpha; `start`, `end`, `first` and `stop` as for FrameReader.

    All have the sequence's bit depth. InputError names an image that cannot be read or differs in size.
    """
    for number in sequence.span(start, end)[first:stop]:
        path = sequence.path(number)
        still = _read(path)
        if still.size != (sequence.width, sequence.height):
            size = "{}×{}".format(*still.size)
            raise InputError(f"{shown(path)} is {size}, the first picture {sequence.width}×{sequence.height}")
        pixels = _as_deep(still.pixels, sequence.deep)
        alpha = None if still.alpha is None else _as_deep(still.alpha, sequence.deep)
        yield TimedFrame(number / sequence.rate, pixels, 1 / sequence.rate, number, alpha)


class SequenceWriter:
    """Writes frames as numbered images, each atomically; the counterpart of FrameWriter.

    The format is that of the pattern's suffix; 16 bits and alpha are written if it supports them.
    """

    frames: int

    def __init__(self, pattern: Path, *, number: int = 1) -> None:
        if not is_pattern(pattern):
            raise UsageError(f"{shown(pattern)} names no sequence", "put one number in it, as in frames/%05d.png")
        found = by_suffix(pattern)
        if found is None or not found.writable:
            raise UsageError(
                f"{shown(pattern)}: no format is written under that suffix", f"one of {', '.join(CHOICES)}"
            )
        self.pattern = pattern
        self.number = number
        self.target = found
        self.frames = 0

    def path(self, frame: int) -> Path:
        """Output file of frame number `frame` (0-based)."""
        return picture_path(self.pattern, self.number + frame)

    def write(self, frame: Pixels, time: Fraction, duration: Fraction, alpha: Pixels | None = None) -> None:
        """Write the next image: (H, W, 3) RGB uint8 or uint16, alpha (H, W) of the same dtype or None.

        Times are ignored; the parameters are those of FrameWriter.
        """
        del time, duration
        path = self.path(self.frames)
        try:
            data = encode_still(Still(frame, alpha), self.target)
        except OutputError as error:
            raise OutputError(f"{shown(path)} {error.message}", error.hint) from error
        with reported(OutputError, shown(path)), atomic_write(path) as file:
            file.write(data)
        self.frames += 1


def _parts(pattern: Path) -> tuple[str, str]:
    """File name before and after the number, with percent signs still doubled."""
    # A % that is itself preceded by a % does not begin a placeholder.
    match = next(m for m in _NUMBER.finditer(pattern.name) if _escapes(pattern.name[: m.start()]) % 2 == 0)
    return pattern.name[: match.start()], pattern.name[match.end() :]


def picture_path(pattern: Path, number: int) -> Path:
    """File of the image with a number."""
    before, after = _parts(pattern)
    match = _NUMBER.match(pattern.name, len(before))
    width = int(match[1] or 0) if match else 0
    return pattern.with_name(f"{_plain(before)}{number:0{width}d}{_plain(after)}")


def _plain(text: str) -> str:
    return text.replace("%%", "%")


def _escapes(text: str) -> int:
    return len(text) - len(text.rstrip("%"))


def _read(path: Path) -> Still:
    with reported(InputError, shown(path)):
        data = read_file(path)
    try:
        return read_still(data)
    except ImgcycleError as error:
        raise error.at(shown(path)) from error


def _as_deep(pixels: Pixels, deep: bool) -> Pixels:
    if not deep:
        return eight_bit(pixels)
    return pixels if pixels.dtype == np.uint16 else cast(Pixels, pixels.astype(np.uint16) * np.uint16(257))
