"""Animated images as sinks of frames."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from imgcycle.engine.smoothing import State, TemporalSmoother
from imgcycle.engine.translator import Translator
from imgcycle.errors import OutputError, reported
from imgcycle.jobs.tasks import ClipTask
from imgcycle.jobs.video.pipeline import FramePipeline
from imgcycle.jobs.video.ranges.places import SegmentRule
from imgcycle.jobs.video.sinks.before_after import BeforeAfter
from imgcycle.jobs.video.sinks.sink import DirectSink
from imgcycle.jobs.video.sources import FrameSource
from imgcycle.media import formats
from imgcycle.media.animation.writer import AnimationWriter
from imgcycle.media.files import atomic_write
from imgcycle.media.image.pixels import Pixels
from imgcycle.media.image.still import Still
from imgcycle.media.video.decoder import TimedFrame


class AnimationSink(DirectSink):
    """One animated image, of which one frame at a time is in memory; an earlier attempt is not resumed.

    InputError for the default image of an APNG that cannot be translated; OutputError as in `AnimationWriter`.
    """

    def __init__(self, task: ClipTask, source: FrameSource, net: Translator, recipe: dict[str, Any]) -> None:
        assert source.animation is not None
        super().__init__(BeforeAfter.of(task, source))
        self.task, self.source, self.net = task, source, net
        self._animation, self._recipe = source.animation, recipe
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        target = formats.by_suffix(self.task.output)
        assert target is not None
        with reported(OutputError, "cannot be written"):
            file = self._stack.enter_context(atomic_write(Path(self.task.output)))
            cover = self._cover() if target is formats.PNG else None
            self._writer = AnimationWriter(file, self._animation, target, None, self._recipe, "none", cover)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with reported(OutputError, "cannot be written"):
            self._stack.__exit__(kind, error, at)

    def recording(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def write(self, frame: TimedFrame, pixels: Pixels, stands_in: bool) -> None:
        with reported(OutputError, "cannot be written"):
            self._writer.add(self._still(frame, pixels), self._animation.delays[frame.number])
        self.frames += 1
        self.failed += stands_in

    def finish(self) -> tuple[str, ...]:
        """Write the end of the file, and let it appear."""
        with reported(OutputError, "cannot be written"):
            self._writer.finish()
            self._stack.close()
        return self._writer.notes

    def _still(self, frame: TimedFrame, pixels: Pixels) -> Still:
        shown = self.view.shown(frame, pixels)
        return replace(self._animation.like, pixels=shown, alpha=self.view.alpha(frame))

    def _cover(self) -> Still | None:
        """Result for a default image that is not a frame; without smoothing, since no frame precedes it."""
        still = self._animation.cover
        if still is None:
            return None
        result = _Last()
        stages = FramePipeline(
            TemporalSmoother(self.net, "off"), self.task.frames, result, SegmentRule(lambda _: False), lambda _: None
        )
        frame = TimedFrame(Fraction(0), still.pixels, Fraction(0), 0, still.alpha)
        stages.run([frame])
        return self._still(frame, result.pixels)


class _Last:
    """Sink that keeps one result."""

    pixels: Pixels

    def write(self, frame: TimedFrame, pixels: Pixels, stands_in: bool) -> None:
        del frame, stands_in
        self.pixels = pixels

    def close_segment(self, state: State) -> None:
        del state
