"""What is known of a clip before a frame is decoded: its streams, its picture, and when each frame is shown."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

StreamKind = Literal["video", "audio", "subtitle", "attachment", "data"]
Ticks = npt.NDArray[np.int64]
NO_TIME = -(1 << 63)
"""ffmpeg's number for a time that is not known."""


@dataclass(frozen=True)
class Stream:
    """One stream of a clip as its container declares it.

    `index` is its place in the file, `codec` ffmpeg's name ("none" for what ffmpeg does not know), `tag` the
    container's four letters. `language` is as written ("und" and none are ""). `details` is the rest of ffmpeg's line.
    """

    index: int
    kind: StreamKind
    codec: str
    tag: str = ""
    language: str = ""
    title: str = ""
    default: bool = False
    cover: bool = False
    """A still picture that belongs to the file (cover art, thumbnail), not a film."""
    details: str = ""
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        known = self.codec if self.codec != "none" else self.tag or "unknown"
        name = self.metadata.get("filename", known) if self.kind == "attachment" else known
        return f"{self.kind} stream {self.index} ({name}{', ' if self.language else ''}{self.language})"


@dataclass(frozen=True)
class Chapter:
    """A named stretch of a clip; seconds from the clip's start."""

    start: Fraction
    end: Fraction
    title: str


@dataclass(frozen=True)
class Colour:
    """How a clip's numbers mean colours, in ffmpeg's words; what the file leaves open is filled in as players do.

    `matrix` is never "unknown": an untagged picture of 720 lines or more is taken for bt709, a smaller one for
    smpte170m, an RGB format is "gbr". `primaries` and `transfer` may be "unknown".
    """

    matrix: str
    range: Literal["tv", "pc"]
    primaries: str
    transfer: str
    peak: int | None = None
    """The brightest light in it, in nits, where an HDR clip says so."""

    @property
    def is_hdr(self) -> bool:
        """Whether brightness follows PQ or HLG, and must be mapped to be shown as SDR."""
        return self.transfer in ("smpte2084", "arib-std-b67")


@dataclass(frozen=True, eq=False)
class Clip:
    """One clip, probed. Times are seconds from the start of the file (the earliest of all its streams).

    `pts` and `durations` (int64, ticks of `time_base`) name every frame of `video` in the order shown. `pts` are the
    container's own: a frame is shown at pts × time_base − origin, which is what `time` gives.
    `width`, `height` and `sar` (width ÷ height of a pixel) are those of the upright picture.
    """

    path: Path
    container: str
    """ffmpeg's name of the format, as in "mov,mp4,m4a,3gp,3g2,mj2"."""
    streams: tuple[Stream, ...]
    video: Stream
    width: int
    height: int
    coded_size: tuple[int, int]
    rotation: int
    """Degrees clockwise by which the coded picture is turned to stand upright: 0, 90, 180 or 270."""
    sar: Fraction
    pixel_format: str
    depth: int
    """Bits a channel."""
    chroma: Literal["420", "422", "444", "other"]
    has_alpha: bool
    interlaced: bool
    colour: Colour
    time_base: Fraction
    origin: Fraction
    """Where the container's own clock stands when the file begins, in seconds."""
    pts: Ticks
    durations: Ticks
    keyframes: Ticks
    """pts of the frames at which decoding can begin, ascending."""
    seekable: bool
    """Whether the packets name their own times, so that decoding can begin anywhere and still know where it is."""
    frame_rate: Fraction
    """Frames a second: the constant rate, or the mean of a variable one."""
    chapters: tuple[Chapter, ...]
    metadata: Mapping[str, str]
    carries: tuple[str, ...] = ()
    """What its frames carry beside the picture, and frames coded anew do not: captions, HDR10+, in a reader's words."""
    own_colours: bool = False
    """Whether its colours are Dolby Vision's own (profile 5), which come out wrong without its maker's decoder."""
    clock: tuple[str, ...] = ()
    """ffmpeg's arguments, before the input, that let the clock run on where it jumps; all times here are so read."""
    jumps: tuple[Fraction, ...] = ()
    """When it does, in seconds from the start."""

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self.pts)

    @property
    def is_hdr(self) -> bool:
        """Whether the reader tone-maps it to SDR."""
        return self.colour.is_hdr

    @property
    def start(self) -> Fraction:
        """When the first frame appears."""
        return self.time(0)

    @property
    def end(self) -> Fraction:
        """When the last frame has been shown."""
        return self.time(-1) + self.length(-1)

    @property
    def duration(self) -> Fraction:
        """Seconds from the first frame's appearance to the last one's end."""
        return self.end - self.start

    def time(self, frame: int) -> Fraction:
        """When frame number `frame` (0-based, negative from the end) appears."""
        return int(self.pts[frame]) * self.time_base - self.origin

    def length(self, frame: int) -> Fraction:
        """For how long frame number `frame` is shown."""
        return int(self.durations[frame]) * self.time_base

    def span(self, start: Fraction | None = None, end: Fraction | None = None) -> range:
        """The numbers of the frames that appear at or after `start` and before `end` (seconds; None: no limit)."""
        first = 0 if start is None else self._at(start)
        last = self.frames if end is None else self._at(end)
        return range(first, max(first, last))

    def _at(self, seconds: Fraction) -> int:
        return bisect_left(self.pts, math.ceil((seconds + self.origin) / self.time_base))
