"""What a sink of finished frames is, and what those share that are written in one go."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self

from imgcycle.engine.smoothing import State
from imgcycle.jobs.video.sinks.before_after import BeforeAfter
from imgcycle.media.image.pixels import Pixels
from imgcycle.media.video.decoder import TimedFrame


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

    def stop(self) -> None:
        """End a write that waits for its reader, from whatever thread."""
        return  # where files are written nobody waits

    def close_segment(self, state: State) -> None:
        """End a segment; `state` is the smoother's."""
        ...

    def gap(self, at: int, stop: int) -> range:
        """Frames to make next, from number `at` on and before `stop`, where others may have made some already."""
        ...

    def reach(self, number: int, problems: Sequence[str]) -> None:
        """What could be had before a frame is done; `problems` are those of the source until there."""
        ...

    def complete(self) -> None:
        """All frames are done."""
        ...

    def finish(self) -> tuple[str, ...]:
        """Make the result appear; return lines on what it does not hold, or on files beside it."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...


class DirectSink:
    """Base of sinks that are written in one go: an earlier attempt is not resumed."""

    def __init__(self, view: BeforeAfter) -> None:
        self.view, self.size = view, view.size
        self.notes: tuple[str, ...] = ()
        self.frames = self.failed = 0
        self.last: int | None = None
        self.problems: tuple[str, ...] | None = None
        self._met: tuple[str, ...] = ()

    def state(self) -> State:
        return {}

    def stop(self) -> None:
        return

    def close_segment(self, state: State) -> None:
        del state

    def gap(self, at: int, stop: int) -> range:
        return range(at, stop)

    def reach(self, number: int, problems: Sequence[str]) -> None:
        del number
        self._met = tuple(problems)

    def complete(self) -> None:
        self.problems = self._met
