"""From a clip to its frames: each at its own time, upright, in full-range RGB as a screen shows it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import NamedTuple, Self

from imgcycle.media.pixels import Pixels
from imgcycle.media.video.clip import Clip


class TimedFrame(NamedTuple):
    """A frame and when it is shown: seconds from the file's start, seconds long, its number in the clip.

    `frame` is (H, W, 3) RGB, uint8 or uint16, full range, writable; `alpha` (H, W) is there for image sequences only.
    """

    time: Fraction
    frame: Pixels
    duration: Fraction
    number: int
    alpha: Pixels | None = None


def scaled_size(clip: Clip, height: int | None) -> tuple[int, int]:
    """Width and height of the frames for a `--max-height`: never enlarged; even when scaled; aspect kept."""
    raise NotImplementedError


class FrameReader:
    """The frames of a clip, in order; a context manager and an iterator of TimedFrame.

    `start` and `end` (seconds) choose what `clip.span(start, end)` names, exactly; `first` frames of that span are
    passed over (where resumed work goes on). `height` is the most lines a frame may have. `deep` gives uint16.
    HDR is tone-mapped to bt709. Frames are decoded ahead in a thread, a few at a time. Raises InputError when
    nothing can be decoded; what else goes wrong is told in `problems`.
    """

    width: int
    height: int
    sar: Fraction
    deep: bool
    expected: int
    """How many frames should come."""
    frames: int
    """How many have come so far."""

    def __init__(
        self,
        clip: Clip,
        *,
        start: Fraction | None = None,
        end: Fraction | None = None,
        first: int = 0,
        height: int | None = None,
        deep: bool = False,
    ) -> None:
        raise NotImplementedError

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each thing that went wrong so far: damaged frames, fewer than expected (with how many)."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[TimedFrame]:
        raise NotImplementedError

    def __next__(self) -> TimedFrame:
        raise NotImplementedError

    def close(self) -> None:
        """End the decoder; safe to call twice."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
