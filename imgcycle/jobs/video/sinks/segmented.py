"""Clips, made of segments that are joined at the end, and numbered images; both resume an earlier attempt."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from imgcycle.engine.smoothing import State
from imgcycle.errors import counted
from imgcycle.jobs.tasks import ClipRange, ClipTask
from imgcycle.jobs.video.checkpoint import SegmentRecord, SegmentStore
from imgcycle.jobs.video.plan import metadata_for
from imgcycle.jobs.video.sinks.before_after import BeforeAfter
from imgcycle.jobs.video.sources import FrameSource
from imgcycle.media.image.pixels import Pixels
from imgcycle.media.paths import shown
from imgcycle.media.video.decoder import TimedFrame
from imgcycle.media.video.encoder import FrameWriter, plan_coding
from imgcycle.media.video.mux import mux_segments
from imgcycle.media.video.probing.probe import probe_video
from imgcycle.media.video.sequences import SequenceWriter, picture_numbers
from imgcycle.media.video.streams import container_for, plan_streams


class _SegmentedSink(ABC):
    """Common base of clips and numbered images: a store of segments, and the frames of the open one."""

    def __init__(
        self, task: ClipTask, source: FrameSource, making: dict[str, Any], coding: dict[str, Any], resume: bool
    ) -> None:
        self.task, self.source = task, source
        self.view = BeforeAfter.of(task, source)
        self.size = self.view.size
        self.notes: tuple[str, ...] = ()
        self._recipe = making["recipe"] | {"input": source.digest}
        root, output = Path(task.root), Path(task.output)
        # The first range is the beginning of the whole.
        first = task.first if isinstance(task, ClipRange) and task.first > source.span.start else None
        self.store = SegmentStore(root, output, making | {"coding": coding}, resume, self._is_there, first)
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

    def stop(self) -> None:
        return

    def gap(self, at: int, stop: int) -> range:
        return self.store.gap(at, stop)

    def reach(self, number: int, problems: Sequence[str]) -> None:
        self.store.reach(number, problems)

    def complete(self) -> None:
        self.store.complete()

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
            self._discard_segment()
            raise
        if self._frames:
            # Fewer frames than expected: those that came are kept.
            self.close_segment({})

    @abstractmethod
    def close_segment(self, state: State) -> None:
        """End a segment."""

    def _discard_segment(self) -> None:
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
        stored = clip or source.stream
        self.coding = plan_coding(
            *BeforeAfter.of(task, source).size,
            options.codec,
            crf=options.crf,
            preset=options.preset,
            deep=source.deep,
            chroma="444" if stored is not None and stored.chroma == "444" else None,
            sar=source.sar,
            rate=source.rate,
            hardware=options.hardware,
            planes=source.stored.matrix if source.planes and source.stored else None,
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
        self._writer.write(self.view.shown(frame, pixels), frame.time, frame.duration)

    def close_segment(self, state: State) -> None:
        """Close the file, then record it."""
        assert self._writer is not None
        self._writer.close()
        self._writer = None
        self._note(state)

    def _discard_segment(self) -> None:
        super()._discard_segment()
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
        mux_segments(segments, clip, plan, Path(self.task.output), start=start, end=end, metadata=metadata)
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
        self.writer.frames = self.source.name_of(frame.number)
        pixels, alpha = self.view.shown(frame, pixels), self.view.alpha(frame)
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
