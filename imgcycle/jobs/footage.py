"""Where frames come from: a clip, or numbered pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction

from imgcycle.errors import InputError
from imgcycle.jobs.ledger import file_digest
from imgcycle.media.video.clip import Clip
from imgcycle.media.video.decode import FrameReader, TimedFrame, scaled_size
from imgcycle.media.video.encode import VideoCodec
from imgcycle.media.video.sequences import Sequence as Pictures
from imgcycle.media.video.sequences import read_sequence

_DEEP_CODECS = ("hevc", "av1", "ffv1")


class ClipFootage:
    """A clip's frames between two moments, at most `height` lines high.

    `frames` are how many there are, `digest` is the SHA-256 of the file, `notes` are lines to say before any work,
    `problems` what turned out to be wrong while reading.
    """

    first_number = 1

    def __init__(
        self, clip: Clip, start: Fraction | None, end: Fraction | None, height: int | None, codec: VideoCodec
    ) -> None:
        self._clip, self.start, self.end = clip, start, end
        self._height = height
        self._span = clip.span(start, end)
        self.frames = len(self._span)
        if not self.frames:
            raise InputError(f"no frame lies there: the clip is {float(clip.end):.3f} s long")
        self.width, self.height = scaled_size(clip, height)
        self.sar, self.rate = clip.sar, clip.frame_rate
        self.deep = clip.depth > 8 and codec in _DEEP_CODECS
        self.digest = file_digest(clip.path)
        self.notes = _clip_notes(clip, self.deep, codec)
        self.problems: tuple[str, ...] = ()

    @property
    def clip(self) -> Clip:
        """The clip itself."""
        return self._clip

    @contextmanager
    def open(self, first: int) -> Iterator[Iterator[TimedFrame]]:
        """Frames decoded ahead."""
        reader = FrameReader(
            self._clip, start=self.start, end=self.end, first=first, height=self._height, deep=self.deep
        )
        with reader:
            yield reader
            self.problems = reader.problems

    def ends(self, first: int, seconds: Fraction) -> Callable[[int], bool]:
        """By the frames' own times."""
        origin = self._clip.time(self._span[0])
        return _ends([int((self._clip.time(n) - origin) / seconds) for n in self._span], first)


class SequenceFootage:
    """Numbered pictures at a constant rate; else as `ClipFootage`, with no clip behind it."""

    def __init__(self, pictures: Pictures, start: Fraction | None, end: Fraction | None) -> None:
        self._pictures, self.start, self.end = pictures, start, end
        self._span = pictures.span(start, end)
        self.frames = len(self._span)
        if not self.frames:
            raise InputError(
                f"no picture lies there: the sequence is {float(pictures.frames / pictures.rate):.3f} s long"
            )
        self.width, self.height, self.deep = pictures.width, pictures.height, pictures.deep
        self.sar, self.rate = Fraction(1), pictures.rate
        facts = [(str(path), (s := path.stat()).st_size, s.st_mtime_ns) for path in map(pictures.path, self._span)]
        self.digest = hashlib.sha256(repr(facts).encode("utf-8", "surrogateescape")).hexdigest()
        gaps = pictures.gaps
        self.notes: tuple[str, ...] = (
            (f"no pictures numbered {', '.join(gaps)}: the next ones follow at once",) if gaps else ()
        )
        self.problems: tuple[str, ...] = ()

    @property
    def clip(self) -> None:
        """There is none."""

    @property
    def first_number(self) -> int:
        """The number in the first picture's name."""
        return self._pictures.numbers[self._span[0]]

    @contextmanager
    def open(self, first: int) -> Iterator[Iterator[TimedFrame]]:
        """Pictures as they are needed."""
        yield read_sequence(self._pictures, start=self.start, end=self.end, first=first)

    def ends(self, first: int, seconds: Fraction) -> Callable[[int], bool]:
        """By number and rate."""
        return _ends([int(n / self.rate / seconds) for n in range(self.frames)], first)


def _ends(places: Sequence[int], first: int) -> Callable[[int], bool]:
    """A segment ends where the next frame lies in another stretch, and with the last frame."""

    def last(number: int) -> bool:
        at = first + number
        return at + 1 >= len(places) or places[at + 1] != places[at]

    return last


def _clip_notes(clip: Clip, deep: bool, codec: str) -> tuple[str, ...]:
    notes = []
    if clip.is_hdr:
        notes.append(f"HDR ({clip.colour.transfer}) becomes SDR (bt709), tone-mapped")
    elif clip.depth > 8 and not deep:
        notes.append(f"{clip.depth} bits a channel become 8, which is what {codec} keeps (--codec hevc keeps 10)")
    if clip.has_alpha:
        notes.append("transparency is left out: clips are written without")
    if clip.interlaced:
        notes.append("interlaced: both fields are converted as one picture")
    return tuple(notes)


Footage = ClipFootage | SequenceFootage
"""Frames to convert: how many, how large, and from which on they can be read."""
