"""Where finished frames go: segments of a clip and the clip they are joined to, or numbered pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from imgcycle.engine.smoothing import State
from imgcycle.jobs.images.plan import counted
from imgcycle.jobs.tasks import ClipTask
from imgcycle.jobs.video.checkpoint import SegmentRecord, SegmentStore
from imgcycle.jobs.video.plan import metadata_for
from imgcycle.jobs.video.sources import FrameSource
from imgcycle.media.image.pixels import Pixels, side_by_side
from imgcycle.media.paths import shown
from imgcycle.media.video.decoder import TimedFrame
from imgcycle.media.video.encoder import FrameWriter, plan_coding
from imgcycle.media.video.mux import finish
from imgcycle.media.video.probing.probe import probe_video
from imgcycle.media.video.sequences import SequenceWriter, picture_numbers
from imgcycle.media.video.streams import container_for, plan_streams


class FrameSink(Protocol):
    """A sink of frames, in segments that are noted on a shelf; a context manager for what is open at the moment."""

    notes: tuple[str, ...]
    making: dict[str, Any]
    """What of it the bytes depend on."""
    size: tuple[int, int]

    def there(self, closed: Sequence[SegmentRecord]) -> bool:
        """Whether what these segments made is still where it was put, as far as that is not on the shelf."""
        ...

    def begin(self, shelf: SegmentStore) -> None:
        """Go on behind what is on the shelf."""
        ...

    def write(self, frame: TimedFrame, pixels: Pixels, stands_in: bool) -> None:
        """Take a frame."""
        ...

    def close_segment(self, memory: State) -> None:
        """End a segment."""
        ...

    def finish(self, shelf: SegmentStore, recipe: dict[str, Any]) -> tuple[str, ...]:
        """Make the result of the segments; lines on what is to be known of it."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...


class _Counting:
    """What both kinds share: the frames of the open segment, how many of them stand in, from when to when."""

    def __init__(self) -> None:
        self.shelf: SegmentStore | None = None
        self._frames = self._failed = 0
        self._start = self._end = Fraction(0)
        self._last = 0

    def there(self, closed: Sequence[SegmentRecord]) -> bool:
        """It is on the shelf."""
        del closed
        return True

    def begin(self, shelf: SegmentStore) -> None:
        """Go on behind what is on the shelf."""
        self.shelf = shelf

    def _count(self, frame: TimedFrame, stands_in: bool) -> None:
        if not self._frames:
            self._start = frame.time
        self._frames += 1
        self._failed += stands_in
        self._end, self._last = frame.time + frame.duration, frame.number

    def _note(self, memory: State) -> None:
        assert self.shelf is not None
        self.shelf.add(SegmentRecord(self._frames, self._start, self._end, self._last, self._failed), memory)
        self._frames = self._failed = 0


class ClipSink(_Counting):
    """Segments by `FrameWriter`, joined with the source's other streams."""

    def __init__(self, task: ClipTask, footage: FrameSource) -> None:
        super().__init__()
        options = task.options
        self.task, self.footage = task, footage
        self.beside = options.preview is not None
        self.size = (footage.width * (2 if self.beside else 1), footage.height)
        clip = footage.clip
        self.coding = plan_coding(
            *self.size,
            options.codec,
            crf=options.crf,
            preset=options.preset,
            deep=footage.deep,
            chroma="444" if clip is not None and clip.chroma == "444" else None,
            sar=footage.sar,
            rate=footage.rate,
            hardware=options.hardware,
        )
        self.making = dataclasses.asdict(self.coding) | {"sar": str(footage.sar), "rate": str(footage.rate)}
        self.notes = self.coding.notes
        self.container = container_for(clip, options.codec, Path(task.output).suffix)
        if clip is not None:
            self.plan = plan_streams(clip, self.container, audio=options.audio)
            self.notes += self.plan.notes
        self._writer: FrameWriter | None = None

    def write(self, frame: TimedFrame, pixels: Pixels, stands_in: bool) -> None:
        """Take a frame."""
        if self._writer is None:
            assert self.shelf is not None
            self._writer = FrameWriter(self.shelf.next_path, self.coding)
        self._count(frame, stands_in)
        self._writer.write(side_by_side(frame.frame, pixels) if self.beside else pixels, frame.time, frame.duration)

    def close_segment(self, memory: State) -> None:
        """Close the file, then note it."""
        assert self._writer is not None
        self._writer.close()
        self._writer = None
        self._note(memory)

    def finish(self, shelf: SegmentStore, recipe: dict[str, Any]) -> tuple[str, ...]:
        """Join the segments; the source's streams are copied beside them."""
        segments = shelf.segments()
        clip = self.footage.clip
        start, end = self.footage.start, self.footage.end
        if clip is None:
            # Numbered pictures bring no other streams: the first segment stands where a clip would.
            clip, start, end = probe_video(segments[0].path), None, None
            plan = plan_streams(clip, self.container)
        else:
            plan = self.plan
        metadata = metadata_for(recipe, self.container, dict(clip.metadata))
        finish(segments, clip, plan, Path(self.task.output), start=start, end=end, metadata=metadata)
        return ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer is None:
            return
        if kind is None:
            # Fewer frames than were promised: what came is kept.
            self.close_segment({})
        else:
            self._writer.abort()
            self._writer = None


class SequenceSink(_Counting):
    """Numbered pictures, whole one by one; there is nothing to join. Those of pictures keep the numbers they had."""

    def __init__(self, pattern: Path, footage: FrameSource, beside: bool) -> None:
        super().__init__()
        self.beside, self.footage = beside, footage
        self.writer = SequenceWriter(pattern, number=0)
        self.size = (footage.width * (2 if beside else 1), footage.height)
        self.notes: tuple[str, ...] = ()
        self.making: dict[str, Any] = {"pattern": pattern.name}
        if footage.clip is not None and len(footage.clip.streams) > 1:
            self.notes = ("pictures hold nothing but frames: sound and other streams are left out",)

    def there(self, closed: Sequence[SegmentRecord]) -> bool:
        """The pictures."""
        if not closed:
            return True
        done = range(self.footage.span.start, closed[-1].last + 1)
        found = sum(self.writer.path(self.footage.name_of(n)).exists() for n in done)
        return found >= sum(segment.frames for segment in closed)

    def write(self, frame: TimedFrame, pixels: Pixels, stands_in: bool) -> None:
        """Take a frame."""
        assert self.shelf is not None
        if not (self._frames or self.shelf.closed):
            self.shelf.begin()
        self._count(frame, stands_in)
        alpha = None
        if frame.alpha is not None:
            alpha = side_by_side(frame.alpha, frame.alpha) if self.beside else frame.alpha
        pixels = side_by_side(frame.frame, pixels) if self.beside else pixels
        self.writer.frames = self.footage.name_of(frame.number)
        self.writer.write(pixels, frame.time, frame.duration, alpha)

    def close_segment(self, memory: State) -> None:
        """Note how far it is."""
        self._note(memory)

    def finish(self, shelf: SegmentStore, recipe: dict[str, Any]) -> tuple[str, ...]:
        """Every picture is there already, and bears no recipe; a longer result of before leaves some more."""
        del shelf, recipe
        ours = {self.footage.name_of(n) for n in self.footage.span}
        others = [n for n in picture_numbers(self.writer.pattern) if n not in ours]
        if not others:
            return ()
        called = shown(self.writer.path(others[0]).name)
        more = f" and {counted(len(others) - 1, 'other')}" if len(others) > 1 else ""
        return (f"{called}{more} stood there before, and {'are' if more else 'is'} not of this result",)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None and self._frames:
            self._note({})
