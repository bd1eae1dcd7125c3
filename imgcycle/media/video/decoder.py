"""Decode a clip: frames with exact times, upright, in full-range RGB as a screen shows it."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from imgcycle.concurrency import ClosableQueue, Prefetched
from imgcycle.errors import InputError, counted
from imgcycle.media.image.pixels import Pixels
from imgcycle.media.video.ffmpeg import Running, frames_ahead, reason, source
from imgcycle.media.video.filters import to_planes, to_rgb
from imgcycle.media.video.probing.clip import NO_TIME, Clip

_MANY = 1 << 40
_MARK = "imgcycle-frame"
_TIMED = re.compile(_MARK + r" (-?\d+) (-?\d+) ")
_DAMAGED = "corrupt decoded frame"
_OUT_OF_ORDER = "monotonically increasing dts to muxer"
"""Of times at a joint of clips that overlap, which `problems` counts: no frame is lost by it."""
_KEYS_BACK = 2
"""Key frames to go back before the nearest one when seeking. Frames before an open GOP's key frame refer to the GOP
before, and with intra refresh a frame is complete only a full cycle after its nominal key frame.
"""


class TimedFrame(NamedTuple):
    """A frame with its time (seconds from the file's start), duration (seconds) and number in the clip.

    `frame` is (H, W, 3) RGB, uint8 or uint16, full range, writable; from a reader of planes (3 H ÷ 2, W), luma above
    half-size colour as it is stored. `alpha` (H, W) exists for image sequences only.
    """

    time: Fraction
    frame: Pixels
    duration: Fraction
    number: int
    alpha: Pixels | None = None


def scaled_size(clip: Clip, height: int | None) -> tuple[int, int]:
    """Width and height of a clip's frames under `--max-height`, see `within_height`."""
    return within_height(clip.width, clip.height, height)


def within_height(width: int, height: int, most: int | None) -> tuple[int, int]:
    """Width and height scaled down to at most `most` lines; even if scaled; aspect ratio kept."""
    if most is None or height <= most:
        return width, height
    lines = max(2, most // 2 * 2)
    return max(2, round(Fraction(width * lines, height) / 2) * 2), lines


class FrameReader:
    """The frames of a clip, in order; a context manager and an iterator of TimedFrame.

    `start` and `end` (seconds) choose exactly the frames of `clip.span(start, end)`; the `first` frames of that span
    are skipped (for resuming), and those from its `stop`th on are left out.
    `height` limits the lines of a frame. `deep` gives uint16. HDR is tone-mapped to bt709.
    `planes` gives frames as they are stored, where `filters.stored_planes` knows how.
    A thread decodes a few frames ahead. Raises InputError if nothing can be decoded; other damage is listed in
    `problems`.
    """

    width: int
    height: int
    sar: Fraction
    deep: bool
    expected: int
    """Number of frames to come."""
    frames: int
    """Number of frames so far."""

    def __init__(
        self,
        clip: Clip,
        *,
        start: Fraction | None = None,
        end: Fraction | None = None,
        first: int = 0,
        stop: int | None = None,
        height: int | None = None,
        deep: bool = False,
        planes: bool = False,
    ) -> None:
        self.clip = clip
        self._planes = planes
        self.width, self.height = scaled_size(clip, height)
        self.sar = clip.sar
        self.deep = deep
        self._span = clip.span(start, end)[first:stop]
        self.expected = len(self._span)
        self.frames = 0
        self._begun = False
        self._damaged = 0
        self._said: list[str] = []
        self._late = 0
        self._last: int | None = None
        self._over = False
        self._ended = False
        self._whole = False
        self._seeks = True
        self._run: Running | None = None
        self._times: ClosableQueue[int] = ClosableQueue(_MANY)
        self._decoded: Prefetched[tuple[int, Pixels]] | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each problem so far: damaged frames, fewer than expected (with the number).

        Fewer frames than packets are not a loss if the decoder reached the end without errors: some packets repeat a
        frame, or hold half of one.
        """
        told = []
        if self._damaged:
            told.append(f"{counted(self._damaged, 'frame')} damaged in the file and shown as well as the decoder could")
        elif self._said:
            told.append(f"the decoder met damage in the file: {self._said[0]}")
        if self._ended and self.frames != self.expected and not (self._whole and self.frames < self.expected):
            told.append(f"{counted(self.expected, 'frame')} expected, {self.frames} could be decoded")
        if self._late:
            told.append(f"{counted(self._late, 'frame')} out of order in time, shown as soon as possible")
        return tuple(told)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> TimedFrame:
        if not self.expected or self._over:
            raise StopIteration
        decoded = self._decoded or self._begin(seek=True)
        found = next(decoded, None)
        if self._over:
            raise StopIteration
        if self.frames == 0 and self._seeks and (found is None or found[0] != self._wanted):
            # The container's seek went past the frame: decode from the start after all.
            self._halt()
            found = next(self._begin(seek=False), None)
        if found is None:
            self._finish()
            raise StopIteration
        return self._timed(*found)

    def close(self) -> None:
        """Stop the decoder; safe to call twice, and from another thread, which ends a wait for a frame."""
        self._over = True
        self._halt()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _wanted(self) -> int:
        """Timestamp (ticks) of the next frame."""
        return int(self.clip.pts[self._span.start])

    def _begin(self, *, seek: bool) -> Prefetched[tuple[int, Pixels]]:
        place = self._place() if seek else None
        self._seeks = place is not None
        clip, last = self.clip, self._span[-1]
        whole = len(self._span) == clip.frames
        size = self.width, self.height
        chain = to_planes(*size) if self._planes else to_rgb(clip, *size, deep=self.deep)
        if clip.seekable or not whole:
            ending = "" if last == clip.frames - 1 else f":end_pts={int(clip.pts[last]) + 1}"
            chain = f"trim=start_pts={self._wanted}{ending},{chain}"
        before = () if place is None else ("-noaccurate_seek", "-ss", place)
        self._times = ClosableQueue(_MANY)
        self._damaged, self._said, self._begun = 0, [], False
        try:
            self._run = Running(
                [
                    *("-copyts", *source(clip.path, *clip.clock, *before), "-map", f"0:{clip.video.index}"),
                    *("-vf", chain, "-fps_mode", "passthrough", "-enc_time_base", "demux"),
                    # A line before each frame: the only way to learn a raw frame's time.
                    *("-stats_enc_pre", "pipe:2", "-stats_enc_pre_fmt", _MARK + " {ptsi} {pts} {tbi}"),
                    *("-f", "rawvideo", "pipe:1"),
                ],
                stdout=True,
                on_line=self._hear,
                on_end=self._times.finish,
            )
        except (OSError, ValueError) as error:
            raise InputError(f"ffmpeg cannot be started: {error}") from error
        self._decoded = Prefetched(self._read(self._run), frames_ahead(self._blank().nbytes), "frames", self._run.close)
        return self._decoded

    def _place(self) -> str | None:
        """Time (seconds) to seek to; None to decode from the start."""
        if not self.clip.seekable:
            return None
        behind = bisect_right(self.clip.keyframes, self._wanted) - 1 - _KEYS_BACK
        if behind <= 0:
            return None
        seconds = int(self.clip.keyframes[behind]) * self.clip.time_base - self.clip.origin
        return f"{math.floor(seconds * 1_000_000)}us" if seconds > 0 else None

    def _hear(self, level: str, text: str) -> None:
        match = _TIMED.search(text)
        if match:
            self._begun = True
            decoded, passed = int(match[1]), int(match[2])
            self._times.put(passed if decoded == NO_TIME else decoded)
        elif self._seeks and not self._begun:
            pass  # frames before the first wanted one are dropped
        elif _DAMAGED in text:
            self._damaged += 1
        elif level in ("error", "fatal") and _OUT_OF_ORDER not in text:
            self._said.append(text)

    def _read(self, run: Running) -> Iterator[tuple[int, Pixels]]:
        """Yield frames from the pipe with their timestamps (ticks)."""
        while True:
            frame = self._blank()
            if not run.fill(frame.reshape(-1).view(np.uint8).data):
                return
            if (ticks := self._times.get()) is None:
                return
            yield ticks, frame

    def _blank(self) -> Pixels:
        if self._planes:
            return np.empty((self.height * 3 // 2, self.width), np.uint8)
        shape = (self.height, self.width, 3)
        return np.empty(shape, np.uint16) if self.deep else np.empty(shape, np.uint8)

    def _timed(self, ticks: int, frame: Pixels) -> TimedFrame:
        clip = self.clip
        if self._last is not None and ticks <= self._last:
            ticks = self._last + 1
            self._late += 1
        self._last = ticks
        number = min(bisect_left(clip.pts, ticks), clip.frames - 1)
        self.frames += 1
        return TimedFrame(ticks * clip.time_base - clip.origin, frame, clip.length(number), number)

    def _finish(self) -> None:
        run = self._run
        assert run is not None
        status = run.wait()
        self._over = self._ended = True
        self._whole = status == 0 and not self._damaged and not self._said
        self._halt()
        if self.frames == 0:
            raise InputError(f"no frame of {self.clip.video} can be decoded: {reason(run.log)}")

    def _halt(self) -> None:
        if self._decoded is not None:
            self._decoded.close()
        if self._run is not None:
            self._run.close()
