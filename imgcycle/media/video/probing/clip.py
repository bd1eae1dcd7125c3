"""Properties of a clip known before a frame is decoded: streams, picture format, and frame times."""

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
"""ffmpeg's value for an unknown time (AV_NOPTS_VALUE)."""
_HD_LINES = 720


@dataclass(frozen=True)
class Stream:
    """One stream of a clip as declared by its container.

    `index` is its number in the file, `codec` ffmpeg's name ("none" if unknown to ffmpeg), `tag` the container's four
    letters. `language` is as written ("" for none and "und"). `details` is the rest of ffmpeg's line.
    """

    index: int
    kind: StreamKind
    codec: str
    tag: str = ""
    language: str = ""
    title: str = ""
    default: bool = False
    cover: bool = False
    """A still image that belongs to the file (cover art, thumbnail), not video."""
    details: str = ""
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        known = self.codec if self.codec != "none" else self.tag or "unknown"
        name = self.metadata.get("filename", known) if self.kind == "attachment" else known
        return f"{self.kind} stream {self.index} ({name}{', ' if self.language else ''}{self.language})"


@dataclass(frozen=True)
class Chapter:
    """A named section of a clip; seconds from the clip's start."""

    start: Fraction
    end: Fraction
    title: str


@dataclass(frozen=True)
class Colour:
    """Colour description of a clip, in ffmpeg's words; unspecified values are filled in as players do.

    `matrix` is never "unknown": untagged video of 720 lines or more is taken for bt709, smaller for smpte170m, an RGB
    format is "gbr". `primaries` and `transfer` may be "unknown".
    """

    matrix: str
    range: Literal["tv", "pc"]
    primaries: str
    transfer: str
    peak: int | None = None
    """Peak luminance in cd/m², if an HDR clip states it."""

    @property
    def is_hdr(self) -> bool:
        """True if the transfer function is PQ or HLG, which needs tone mapping to SDR."""
        return self.transfer in ("smpte2084", "arib-std-b67")


def usual_matrix(lines: int) -> str:
    """The matrix of untagged video: players go by its lines."""
    return "bt709" if lines >= _HD_LINES else "smpte170m"


@dataclass(frozen=True, eq=False)
class Clip:
    """A probed clip. Times are seconds from the start of the file (the earliest of all its streams).

    `pts` and `durations` (int64, ticks of `time_base`) list every frame of `video` in display order. `pts` are the
    container's own: a frame is shown at pts × time_base − origin, which is what `time` returns. `width`, `height` and
    `sar` (width ÷ height of a pixel) are those of the upright picture.
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
    """Degrees clockwise by which the coded picture has to be rotated: 0, 90, 180 or 270."""
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
    """Time of the container's clock at the start of the file, in seconds."""
    pts: Ticks
    durations: Ticks
    keyframes: Ticks
    """pts of the frames at which decoding can begin, ascending."""
    seekable: bool
    """True if packets carry their own times, so that frame times are known after seeking."""
    frame_rate: Fraction
    """Frames a second: the constant rate, or the mean of a variable one."""
    chapters: tuple[Chapter, ...]
    metadata: Mapping[str, str]
    carries: tuple[str, ...] = ()
    """Data carried by frames that is lost by re-encoding (captions, HDR10+), in the user's words."""
    own_colours: bool = False
    """True for Dolby Vision profile 5, whose colours come out wrong without Dolby's decoder."""
    clock: tuple[str, ...] = ()
    """ffmpeg's input arguments that make a jumping clock continuous; all times here are read with them."""
    jumps: tuple[Fraction, ...] = ()
    """Times of the jumps, in seconds from the start."""

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.pts)

    @property
    def is_hdr(self) -> bool:
        """True if the reader tone-maps it to SDR."""
        return self.colour.is_hdr

    @property
    def start(self) -> Fraction:
        """Time of the first frame."""
        return self.time(0)

    @property
    def end(self) -> Fraction:
        """End of the last frame."""
        return self.time(-1) + self.length(-1)

    @property
    def duration(self) -> Fraction:
        """Seconds from the start of the first frame to the end of the last."""
        return self.end - self.start

    def time(self, frame: int) -> Fraction:
        """Time of frame number `frame` (0-based, negative from the end), in seconds."""
        return int(self.pts[frame]) * self.time_base - self.origin

    def length(self, frame: int) -> Fraction:
        """Duration of frame number `frame`, in seconds."""
        return int(self.durations[frame]) * self.time_base

    def span(self, start: Fraction | None = None, end: Fraction | None = None) -> range:
        """Numbers of the frames that appear at or after `start` and before `end` (seconds; None: no limit)."""
        first = 0 if start is None else self._at(start)
        last = self.frames if end is None else self._at(end)
        return range(first, max(first, last))

    def _at(self, seconds: Fraction) -> int:
        return bisect_left(self.pts, math.ceil((seconds + self.origin) / self.time_base))
