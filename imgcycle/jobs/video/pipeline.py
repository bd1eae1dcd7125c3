"""Frame pipeline: downscale, measure motion, translate, blend, restore and write.

All stages run concurrently, a few frames apart at most: one thread reads, the net runs in workers, the caller's thread
brings frames in order and blends them, and one thread restores and writes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np

from imgcycle.concurrency import Consumer, Prefetched
from imgcycle.engine import resample
from imgcycle.engine.clips.planes import PlaneFrames
from imgcycle.engine.smoothing import At, State, TemporalSmoother, motion_between
from imgcycle.errors import ImgcycleError
from imgcycle.jobs.images.colour_rows import coloured
from imgcycle.jobs.pools.threads import WorkerPool
from imgcycle.jobs.recipe import ResolvedOptions
from imgcycle.jobs.strokes import stroked_frame
from imgcycle.jobs.video.ranges.places import SegmentRule, work_frame
from imgcycle.media.image.masks import Mask
from imgcycle.media.image.pixels import Floats, Pixels
from imgcycle.media.image.reduction import reduced
from imgcycle.media.video.decoder import TimedFrame
from imgcycle.motion.flow import Motion

_AHEAD = 3
_SAME_FAILURES = 20
"""Failed frames in a row after which the conversion stops."""


@dataclass(eq=False)
class InputFrame:
    """A frame before the net: (h, w, 3) in [0, 1] at work size, and its motion from the previous one."""

    timed: TimedFrame
    pixels: Pixels
    small: Floats
    motion: Motion | None
    at: At = (0, 0)
    """Offset on the net's grid, once aligned."""
    mask: Mask | None = None


@dataclass(eq=False)
class OutputFrame:
    """A frame after the net; `result` None if it failed. `memory` is set at the end of a segment, `begins` at the start
    of one that is no other's end by time.
    """

    seen: InputFrame
    result: Floats | None
    memory: State | None
    begins: bool = False


Watcher = Callable[[Floats, "Motion | None", Floats, Callable[[Floats], Floats]], None]
"""Sees each downscaled frame, its motion, what is written of it, downscaled, and what would be written of any result
of the net.
"""


class Sink(Protocol):
    """Receives finished frames in order."""

    def write(self, frame: TimedFrame, pixels: Pixels, stands_in: bool) -> None:
        """Write one frame: its source and time, its result, and whether that is the previous frame's."""
        ...

    def close_segment(self, memory: State) -> None:
        """End a segment; `memory` is the smoother's state."""
        ...


class FramePipeline:
    """One run of frames through a net.

    `rule` says where segments end. `listener` is called with the number of frames written so far, `watcher` with each
    frame that is written. `workers` frames are in the net at once. `masks` gives each frame's mask, called in order.
    `planes` are set where frames, read and written, are no RGB.
    """

    def __init__(
        self,
        smoother: TemporalSmoother,
        options: ResolvedOptions,
        sink: Sink,
        rule: SegmentRule,
        listener: Callable[[int], None],
        watcher: Watcher | None = None,
        workers: int = 1,
        masks: Callable[[TimedFrame], Mask | None] = lambda _: None,
        planes: PlaneFrames | None = None,
    ) -> None:
        self.smoother, self.options, self.sink = smoother, options, sink
        self.rule, self.listener, self.watcher = rule, listener, watcher
        self.workers, self.masks, self.planes = workers, masks, planes
        self.fine = smoother.translator.strokes
        self._nets = FailedFrames("translated")
        self._strokes = FailedFrames("finished")
        self.net_seconds = 0.0
        """Seconds that the net took, without waiting for other stages."""
        self._counting = threading.Lock()
        self._before: Pixels | None = None

    @property
    def failures(self) -> list[str]:
        """Messages on frames that a net failed on."""
        return [*self._nets.said, *self._strokes.said]

    def run(
        self,
        frames: Iterable[TimedFrame],
        stop: Callable[[], None] = lambda: None,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        """Process all frames; exceptions of the reader or the sink are raised here, frames in flight are lost.

        No thread is left running; `stop` ends a wait for a frame that is no longer needed (the first one of a long clip
        may take minutes), `release` a write that waits for its reader. ImgcycleError if a net fails with one frame
        after another.
        """
        last = cast("Floats | None", self.smoother.state().get("before"))
        net = WorkerPool(self._translated, self.workers)
        with (
            Prefetched(self._reduced(frames, last), _AHEAD, "imgcycle-frames", stop) as seen,
            # The net may be waiting for a frame that nobody can take any more.
            Consumer(self._write, _AHEAD, "imgcycle-restore", failed=seen.cancel) as behind,
            _after_errors(release),
            closing(net),
        ):
            for frame, fresh in net(map(self._placed, seen)):
                begins = self.rule.ends_before(frame.motion is None)
                result = self._blended(frame, fresh)
                memory = self.smoother.state() if self.rule.ends_after(frame.timed.number) else None
                if not behind.put(OutputFrame(frame, result, memory, begins)):
                    break
            behind.finish()

    def _reduced(self, frames: Iterable[TimedFrame], before: Floats | None) -> Iterator[InputFrame]:
        for timed in frames:
            pixels, small = work_frame(timed, self.options, self.planes)
            motion = motion_between(before, small) if self.smoother.smoothing or self.watcher else None
            before = small
            yield InputFrame(timed, pixels, small, motion, mask=self.masks(timed))

    def _small(self, written: Pixels) -> Floats:
        """What is written of a frame, at work size."""
        if self.planes is not None:
            return self.planes.small(written, written=True)
        return resample.to_float01(reduced(written, self.options.work_shape(*written.shape[:2])))

    def _placed(self, seen: InputFrame) -> InputFrame:
        seen.at = self.smoother.align_to_grid(seen.motion)
        return seen

    def _translated(self, seen: InputFrame) -> Floats:
        if self.options.strength == 0:
            return seen.small
        begun = time.perf_counter()
        result = self.smoother.translated(seen.small, seen.at)
        with self._counting:
            self.net_seconds += (time.perf_counter() - begun) / self.workers
        return result

    def _blended(self, seen: InputFrame, fresh: Floats | Exception) -> Floats | None:
        """Result of the next frame, in order; None if it failed, which must not end the clip."""
        try:
            if isinstance(fresh, Exception):
                raise fresh
            still = self.options.strength == 0
            result = fresh if still else self.smoother.blend(seen.small, fresh, seen.motion, seen.at)
        except Exception as error:
            self.smoother.skip_frame(seen.small, seen.at)
            self._nets.add(seen.timed.number, error)
            return None
        self._nets.in_a_row = 0
        return result

    def _write(self, made: Iterator[OutputFrame]) -> None:
        # Without strokes one thread is enough for restoring.
        restore = WorkerPool(self._restored, self.workers if self.fine is not None and self.options.strokes != 0 else 1)
        with closing(restore):
            for count, (item, restored) in enumerate(restore(made), 1):
                pixels = self._finished(item, restored)
                failed = pixels is None
                if pixels is None:
                    pixels = self._repeated(item.seen)
                if item.begins:
                    self.sink.close_segment({})  # the smoother remembers nothing here
                if self.watcher is not None:
                    self._watch(item.seen, pixels)
                self.sink.write(item.seen.timed, pixels, failed)
                self._before = pixels
                if item.memory is not None:
                    self.sink.close_segment(item.memory)
                self.listener(count)

    def _finished(self, made: OutputFrame, restored: Pixels | Exception | None) -> Pixels | None:
        """A frame at full size; None if a net failed on it, which must not end the clip."""
        if isinstance(restored, Exception):
            self._strokes.add(made.seen.timed.number, restored)
            return None
        if restored is not None:
            self._strokes.in_a_row = 0
        return restored

    def _repeated(self, seen: InputFrame) -> Pixels:
        """The result of the frame before, in place of one that failed; outside its mask the frame itself."""
        if self._before is None:
            return seen.pixels if self.planes is None else self.planes.unchanged(seen.pixels)
        if seen.mask is None:
            return self._before
        pixels = self._before.copy()
        seen.mask.lay(seen.timed.frame, pixels)
        return pixels

    def _watch(self, seen: InputFrame, pixels: Pixels) -> None:
        assert self.watcher is not None

        def finished(result: Floats) -> Floats:
            return self._small(self._at_full_size(seen, result))

        self.watcher(seen.small, seen.motion, self._small(pixels), finished)

    def _restored(self, made: OutputFrame) -> Pixels | None:
        """A frame's result at full size; None if the net failed on it."""
        return None if made.result is None else self._at_full_size(made.seen, made.result)

    def _at_full_size(self, source: InputFrame, result: Floats) -> Pixels:
        """What is written of a net's result."""
        options = self.options
        if options.strength == 0:
            return source.timed.frame
        result = coloured(source.small, result, options)
        if self.planes is not None:
            return self.planes.restored(source.pixels, source.small, result, options.detail, options.strength)
        if self.fine is not None and options.strokes_share(*source.pixels.shape[:2]):
            out = stroked_frame(source.pixels, source.small, result, options, self.fine)
        elif source.small.shape == source.pixels.shape:
            out = np.empty_like(source.pixels)
            resample.blended(source.pixels, result, options.strength, out)
        else:
            out = resample.restored(source.pixels, source.small, result, options.detail, options.strength)
        if source.timed.alpha is not None:
            hidden = source.timed.alpha == 0
            out[hidden] = source.timed.frame[hidden]
        if source.mask is not None:
            source.mask.lay(source.timed.frame, out)
        return out


@contextmanager
def _after_errors(act: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        act()
        raise


class FailedFrames:
    """Frames on which one stage failed; `in_a_row` counts those since the last that did not."""

    def __init__(self, done: str) -> None:
        self.done = done
        self.said: list[str] = []
        self.in_a_row = 0

    def add(self, number: int, error: Exception) -> None:
        """Note one; ImgcycleError after too many in a row: the cause is then not in the frames."""
        why = " ".join(str(error).split()) or type(error).__name__
        self.said.append(f"frame {number + 1}: {why}")
        self.in_a_row += 1
        if self.in_a_row == _SAME_FAILURES:
            raise ImgcycleError(f"{_SAME_FAILURES} frames in a row could not be {self.done}: {why}") from error


def repeated_frames(count: int, said: Sequence[str]) -> str:
    """Message on frames for which the previous result is repeated; "" without any."""
    if not count:
        return ""
    words = "1 frame" if count == 1 else f"{count} frames"
    why = f": {said[0]}" if said else ""
    return f"{words} could not be translated, the result before stands in{why}"
