"""From frames to a closed segment: an MP4 whose every timestamp is the one given."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from imgcycle.media.pixels import Pixels

VideoCodec = Literal["h264", "hevc", "av1", "ffv1"]
Chroma = Literal["420", "444"]


@dataclass(frozen=True)
class Coding:
    """How frames are to be coded, settled: ffmpeg's encoder, pixel format and its options, for one size.

    Two segments of one video must have equal codings; it is plain data and fit for a digest (`dataclasses.asdict`).
    """

    codec: VideoCodec
    encoder: str
    pixel_format: str
    width: int
    height: int
    sar: Fraction
    options: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """One line for each thing that is not as usual: 4:4:4 because the size is odd."""


def plan_coding(
    width: int,
    height: int,
    codec: VideoCodec = "h264",
    *,
    crf: int | None = None,
    preset: str | None = None,
    deep: bool = False,
    chroma: Chroma | None = None,
    sar: Fraction = Fraction(1),
    hardware: bool = False,
) -> Coding:
    """Settle an encoder. UsageError in one line for a crf or preset it does not know, or hardware that is not there.

    `crf` None is a sensible one for the codec; `chroma` None is 4:2:0, or 4:4:4 for ffv1 and where a side is odd;
    10 bits for hevc, av1 and ffv1 when `deep`. `hardware` asks for the machine's own encoder, tried with one frame.
    """
    raise NotImplementedError


class FrameWriter:
    """Frames into one MP4 segment, which appears under `path` only when closed well; a context manager.

    Leaving the `with` block by an exception throws the segment away and ends the encoder. Frames are queued, a few
    at a time, and written by a thread; OutputError from `write` or `close` when the encoder has failed.
    """

    frames: int
    """How many were written."""
    start: Fraction
    """The first frame's time, as given: the segment's own times begin at 0."""
    end: Fraction
    """Time plus duration of the last frame written."""

    def __init__(self, path: Path, coding: Coding) -> None:
        raise NotImplementedError

    def write(self, frame: Pixels, time: Fraction, duration: Fraction) -> None:
        """Add a frame: (H, W, 3) RGB uint8 or uint16 (either, whatever the coding); seconds, strictly ascending."""
        raise NotImplementedError

    def close(self) -> None:
        """Finish the segment and give it its name; safe to call twice."""
        raise NotImplementedError

    def abort(self) -> None:
        """End the encoder and leave nothing behind."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()
