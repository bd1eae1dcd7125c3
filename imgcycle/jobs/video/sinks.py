"""Sinks of finished frames: segments joined to a clip, numbered images, an animation."""

from __future__ import annotations

import contextlib
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from imgcycle._version import __version__
from imgcycle.engine.smoothing import State, TemporalSmoother
from imgcycle.engine.translator import Translator
from imgcycle.errors import OutputError, reported
from imgcycle.jobs.images.plan import counted
from imgcycle.jobs.tasks import ClipTask
from imgcycle.jobs.video.checkpoint import SegmentRecord, SegmentStore
from imgcycle.jobs.video.pipeline import FramePipeline
from imgcycle.jobs.video.plan import metadata_for
from imgcycle.jobs.video.sources import FrameSource
from imgcycle.media import formats
from imgcycle.media.animation.writer import AnimationWriter
from imgcycle.media.files import atomic_write
from imgcycle.media.image.pixels import Pixels, side_by_side
from imgcycle.media.image.read import Still
from imgcycle.media.paths import shown
from imgcycle.media.video.decoder import TimedFrame
from imgcycle.media.video.encoder import FrameWriter, plan_coding
from imgcycle.media.video.mux import finish
from imgcycle.media.video.probing.probe import probe_video
from imgcycle.media.video.sequences import SequenceWriter, picture_numbers
from imgcycle.media.video.streams import container_for, plan_streams


class FrameSink(Protocol):
    """Sink of frames, active inside its context, where it resumes an earlier attempt.

    `notes` are lines for the user before any work, `size` is width and height of the result.
    """

    notes: tuple[str, ...]
    size: tuple[int, int]

    @property
    def frames(self) -> int:
        """Frames done, including those of an earlier attempt."""
        ...

    @property
    def failed(self) -> int:
        """Frames among them for which the previous result is repeated."""
        ...

    @property
    def last(self) -> int | None:
        """Number of the last frame done; None at the beginning."""
        ...

    @property
    def problems(self) -> tuple[str, ...] | None:
        """Problems of the source, after its last frame; None before."""
        ...

    def state(self) -> State:
        """State of the smoother after the last frame."""
        ...

    def recording(self) -> AbstractContextManager[None]:
        """Context around the frames: files are closed at the end, or discarded after an error."""
        ...

    def write(self, frame: TimedFrame, pixels: Pixels, stands_in: bool) -> None:
        """Write a frame: its source and time, its result, and whether that is the previous frame's."""
        ...

    def close_segment(self, state: State) -> None:
        """End a segment; `state` is the smoother's."""
        ...

    def complete(self, problems: Sequence[str]) -> None:
        """All frames are done; `problems` are those of the source."""
        ...

    def finish(self) -> tuple[str, ...]:
        """Make the result appear; return lines on what it does not hold, or on files beside it."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...


def open_sink(
    task: ClipTask, source: FrameSource, net: Translator, recipe: dict[str, Any], segment: Fraction, resume: bool
) -> FrameSink:
    """Sink of a task; `recipe` and `net`'s precision decide whether earlier segments can be used.

    UsageError or OutputError if the result cannot be written that way.
    """
    if task.output_kind == "animation":
        return AnimationSink(task, source, net, recipe | {"input": source.digest})
    making = {
        "input": source.digest,
        "recipe": recipe,
        "precision": str(net.dtype),
        "segment": str(segment),
        "version": __version__,
    }
    made = SequenceSink if task.output_kind == "sequence" else ClipSink
    return made(task, source, making, resume)


class _SegmentedSink(ABC):
    """Common base of clips and numbered images: a store of segments, and the frames of the open one."""

    def __init__(
        self, task: ClipTask, source: FrameSource, making: dict[str, Any], coding: dict[str, Any], resume: bool
    ) -> None:
        self.task, self.source = task, source
        self.beside = task.options.preview is not None
        self.size = _size(source, self.beside)
        self.notes: tuple[str, ...] = ()
        self._recipe = making["recipe"] | {"input": source.digest}
        root, output = Path(task.root), Path(task.output)
        self.store = SegmentStore(root, output, making | {"coding": coding}, resume, self._is_there)
        self._frames = self._failed = 0
        self._start = self._end = Fraction(0)
        self._last = 0

    @property
    def frames(self) -> int:
        return self.store.frames

    @property
    def failed(self) -> int:
        return self.store.failed

    @property
    def last(self) -> int | None:
        return self.store.last

    @property
    def problems(self) -> tuple[str, ...] | None:
        return self.store.problems

    def state(self) -> State:
        return self.store.memory()

    def complete(self, problems: Sequence[str]) -> None:
        self.store.complete(problems)

    def __enter__(self) -> Self:
        self.store.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.store.__exit__(kind, error, at)

    @contextmanager
    def recording(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._give_up()
            raise
        if self._frames:
            # Fewer frames than expected: those that came are kept.
            self.close_segment({})

    @abstractmethod
    def close_segment(self, state: State) -> None:
        """End a segment."""

    def _give_up(self) -> None:
        """Discard the open segment after an error."""
        self._frames = self._failed = 0

    def _is_there(self, closed: Sequence[SegmentRecord]) -> bool:
        """True if the outputs of these segments outside the store still exist."""
        del closed
        return True

    def _count(self, frame: TimedFrame, stands_in: bool) -> None:
        if not self._frames:
            self._start = frame.time
        self._frames += 1
        self._failed += stands_in
        self._end, self._last = frame.time + frame.duration, frame.number

    def _note(self, state: State) -> None:
        self.store.add(SegmentRecord(self._frames, self._start, self._end, self._last, self._failed), state)
        self._frames = self._failed = 0


class ClipSink(_SegmentedSink):
    """Segments by `FrameWriter`, joined with the source's other streams."""

    def __init__(self, task: ClipTask, source: FrameSource, making: dict[str, Any], resume: bool = True) -> None:
        options, clip = task.options, source.clip
        self.coding = plan_coding(
            *_size(source, options.preview is not None),
            options.codec,
            crf=options.crf,
            preset=options.preset,
            deep=source.deep,
            chroma="444" if clip is not None and clip.chroma == "444" else None,
            sar=source.sar,
            rate=source.rate,
            hardware=options.hardware,
        )
        coding = dataclasses.asdict(self.coding) | {"sar": str(source.sar), "rate": str(source.rate)}
        super().__init__(task, source, making, coding, resume)
        self.notes = self.coding.notes
        self.container = container_for(clip, options.codec, Path(task.output).suffix)
        if clip is not None:
            self.plan = plan_streams(clip, self.container, audio=options.audio)
            self.notes += self.plan.notes
        self._writer: FrameWriter | None = None

    def write(self, frame: TimedFrame, pixels: Pixels, stands_in: bool) -> None:
        if self._writer is None:
            self._writer = FrameWriter(self.store.next_path, self.coding)
        self._count(frame, stands_in)
        self._writer.write(side_by_side(frame.frame, pixels) if self.beside else pixels, frame.time, frame.duration)

    def close_segment(self, state: State) -> None:
        """Close the file, then record it."""
        assert self._writer is not None
        self._writer.close()
        self._writer = None
        self._note(state)

    def _give_up(self) -> None:
        super()._give_up()
        if self._writer is not None:
            self._writer.abort()
            self._writer = None

    def finish(self) -> tuple[str, ...]:
        """Join the segments; the source's other streams are copied."""
        segments = self.store.segments()
        clip = self.source.clip
        start, end = self.source.start, self.source.end
        if clip is None:
            # Image sequences have no other streams: the first segment is used in place of a clip.
            clip, start, end = probe_video(segments[0].path), None, None
            plan = plan_streams(clip, self.container)
        else:
            plan = self.plan
        metadata = metadata_for(self._recipe, self.container, dict(clip.metadata))
        finish(segments, clip, plan, Path(self.task.output), start=start, end=end, metadata=metadata)
        return ()


class SequenceSink(_SegmentedSink):
    """Numbered images, written one by one, without joining. Those of images keep their numbers."""

    def __init__(self, task: ClipTask, source: FrameSource, making: dict[str, Any], resume: bool = True) -> None:
        pattern = Path(task.output)
        self.writer = SequenceWriter(pattern, number=0)
        super().__init__(task, source, making, {"pattern": pattern.name}, resume)
        if source.clip is not None and len(source.clip.streams) > 1:
            self.notes = ("pictures hold nothing but frames: sound and other streams are left out",)

    def _is_there(self, closed: Sequence[SegmentRecord]) -> bool:
        if not closed:
            return True
        done = range(self.source.span.start, closed[-1].last + 1)
        found = sum(self.writer.path(self.source.name_of(n)).exists() for n in done)
        return found >= sum(segment.frames for segment in closed)

    def write(self, frame: TimedFrame, pixels: Pixels, stands_in: bool) -> None:
        if not (self._frames or self.store.closed):
            self.store.begin()
        self._count(frame, stands_in)
        alpha = None
        if frame.alpha is not None:
            alpha = side_by_side(frame.alpha, frame.alpha) if self.beside else frame.alpha
        pixels = side_by_side(frame.frame, pixels) if self.beside else pixels
        self.writer.frames = self.source.name_of(frame.number)
        self.writer.write(pixels, frame.time, frame.duration, alpha)

    def close_segment(self, state: State) -> None:
        self._note(state)

    def finish(self) -> tuple[str, ...]:
        """All images are written already, and hold no recipe; a longer earlier result leaves more of them."""
        ours = {self.source.name_of(n) for n in self.source.span}
        others = [n for n in picture_numbers(self.writer.pattern) if n not in ours]
        if not others:
            return ()
        called = shown(self.writer.path(others[0]).name)
        more = f" and {counted(len(others) - 1, 'other')}" if len(others) > 1 else ""
        return (f"{called}{more} stood there before, and {'are' if more else 'is'} not of this result",)


class AnimationSink:
    """One animated image, of which one frame at a time is in memory; an earlier attempt is not resumed.

    InputError for the default image of an APNG that cannot be translated; OutputError as in `AnimationWriter`.
    """

    def __init__(self, task: ClipTask, source: FrameSource, net: Translator, recipe: dict[str, Any]) -> None:
        assert source.animation is not None
        self.task, self.source, self.net = task, source, net
        self.beside = task.options.preview is not None
        self.size = _size(source, self.beside)
        self.notes: tuple[str, ...] = ()
        self.frames = self.failed = 0
        self.last: int | None = None
        self.problems: tuple[str, ...] | None = None
        self._animation, self._recipe = source.animation, recipe
        self._stack = ExitStack()

    def state(self) -> State:
        return {}

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

    def close_segment(self, state: State) -> None:
        del state

    def complete(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)

    def finish(self) -> tuple[str, ...]:
        """Write the end of the file, and let it appear."""
        with reported(OutputError, "cannot be written"):
            self._writer.finish()
            self._stack.close()
        return self._writer.notes

    def _still(self, frame: TimedFrame, pixels: Pixels) -> Still:
        alpha = frame.alpha
        if self.beside:
            pixels = side_by_side(frame.frame, pixels)
            alpha = None if alpha is None else side_by_side(alpha, alpha)
        return replace(self._animation.like, pixels=pixels, alpha=alpha)

    def _cover(self) -> Still | None:
        """Result for a default image that is not a frame; without smoothing, since no frame precedes it."""
        still = self._animation.cover
        if still is None:
            return None
        result = _Last()
        options, _ = self.task.frames.of_height(self.source.height)
        film = FramePipeline(TemporalSmoother(self.net, "off"), options, result, lambda _: False, lambda _: None)
        frame = TimedFrame(Fraction(0), still.pixels, Fraction(0), 0, still.alpha)
        film.run([frame])
        return self._still(frame, result.pixels)


class _Last:
    """Sink that keeps one result."""

    pixels: Pixels

    def write(self, frame: TimedFrame, pixels: Pixels, stands_in: bool) -> None:
        del frame, stands_in
        self.pixels = pixels

    def close_segment(self, state: State) -> None:
        del state


def _size(source: FrameSource, beside: bool) -> tuple[int, int]:
    """Width and height of the result, with its source beside it or alone."""
    return source.width * (2 if beside else 1), source.height
