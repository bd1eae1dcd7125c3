"""Image sequences, `frames/%05d.png`: numbered pictures as a clip, and a clip as numbered pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from imgcycle.media.formats import Format
from imgcycle.media.pixels import Pixels
from imgcycle.media.video.decode import TimedFrame


def is_pattern(name: str | Path) -> bool:
    """Whether a name holds exactly one number to be counted up: `%d`, `%05d`."""
    raise NotImplementedError


@dataclass(frozen=True)
class Sequence:
    """Pictures whose names differ by a number, ascending, shown at a constant rate."""

    pattern: Path
    numbers: tuple[int, ...]
    width: int
    height: int
    deep: bool
    has_alpha: bool
    rate: Fraction
    """Frames a second."""

    @property
    def gaps(self) -> tuple[str, ...]:
        """The numbers that are missing, as "7" or "12-15"."""
        raise NotImplementedError

    def path(self, frame: int) -> Path:
        """The file of frame number `frame` (0-based)."""
        raise NotImplementedError


def find_sequence(pattern: Path, rate: Fraction) -> Sequence:
    """The pictures a pattern names; InputError when there is none, or the first cannot be read."""
    raise NotImplementedError


def read_sequence(
    sequence: Sequence, *, start: Fraction | None = None, end: Fraction | None = None, first: int = 0
) -> Iterator[TimedFrame]:
    """The pictures as timed frames, with alpha; `start`, `end` and `first` as for FrameReader.

    InputError names a picture that cannot be read or has another size than the first.
    """
    raise NotImplementedError


class SequenceWriter:
    """Frames as numbered pictures, each whole under its name at once; the counterpart of FrameWriter."""

    frames: int

    def __init__(self, pattern: Path, *, number: int = 1, target: Format | None = None) -> None:
        raise NotImplementedError

    def path(self, frame: int) -> Path:
        """Where frame number `frame` (0-based) goes."""
        raise NotImplementedError

    def write(self, frame: Pixels, time: Fraction, duration: Fraction, alpha: Pixels | None = None) -> None:
        """Write the next picture: (H, W, 3) RGB uint8 or uint16, alpha (H, W) of the same type or None."""
        raise NotImplementedError
