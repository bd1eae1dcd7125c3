"""A stream of y4m as a sink of frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import numpy as np

from imgcycle.jobs.tasks import ClipTask
from imgcycle.jobs.video.sinks.before_after import BeforeAfter
from imgcycle.jobs.video.sinks.sink import DirectSink
from imgcycle.jobs.video.sources import FrameSource
from imgcycle.media.image.pixels import Pixels
from imgcycle.media.video.decoder import TimedFrame
from imgcycle.media.video.probing.clip import Clip
from imgcycle.media.video.y4m import DEPTHS, Y4mFormat, tag_for
from imgcycle.media.video.y4m_pipes import Pipes, Y4mWriter

_DEEP = 10
"""Bits a channel of what was 16-bit images."""


class StreamSink(DirectSink):
    """Frames as y4m on a pipe, each as soon as it is made: stored as they came in a stream, or as a clip has them."""

    def __init__(self, task: ClipTask, source: FrameSource, pipes: Pipes) -> None:
        super().__init__(BeforeAfter.of(task, source))
        assert pipes.write is not None
        self.writer = Y4mWriter(pipes.write, _format(source, *self.size))
        self.notes = _notes(source)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.writer.abort()

    @contextmanager
    def recording(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.writer.abort()
            raise
        self.writer.close()

    def write(self, frame: TimedFrame, pixels: Pixels, stands_in: bool) -> None:
        self.writer.put(self.view.shown(frame, pixels))
        self.frames += 1
        self.failed += stands_in

    def stop(self) -> None:
        self.writer.abort()

    def finish(self) -> tuple[str, ...]:
        return ()


def _format(source: FrameSource, width: int, height: int) -> Y4mFormat:
    """How frames are stored: as in the source, as far as the format can say it."""
    if source.stream is not None:
        of = source.stream.coloured()
        return Y4mFormat(width, height, of.rate, of.tag, of.sar, of.range, of.order)
    clip = source.clip
    if clip is None:
        return Y4mFormat(width, height, source.rate, tag_for("444", _DEEP if source.deep else 8), source.sar)
    depth = (clip.depth if clip.depth in DEPTHS else _DEEP) if source.deep else 8
    return Y4mFormat(width, height, source.rate, tag_for(clip.chroma, depth), source.sar)


def _notes(source: FrameSource) -> tuple[str, ...]:
    if source.stream is not None:
        return ("grey frames become colour (4:2:0)",) if source.stream.grey else ()
    clip = source.clip
    if clip is None:
        return ()
    notes = []
    if len(clip.streams) > 1:
        notes.append("y4m holds nothing but frames: sound and other streams are left out")
    if not _even(clip, source.span):
        rate = f"{float(source.rate):.3f}".rstrip("0").rstrip(".")
        notes.append(f"its frames come at uneven times, and y4m has them at one rate: {rate} a second")
    return tuple(notes)


def _even(clip: Clip, span: range) -> bool:
    """True if no frame is shown more than half a frame away from its place at a constant rate."""
    shown = clip.pts[span.start : span.stop].astype(np.float64) * float(clip.time_base)
    drift = shown - shown[0] - np.arange(len(shown)) / float(clip.frame_rate)
    return bool(np.abs(drift).max(initial=0) <= 0.5 / float(clip.frame_rate))
