"""One console with three listeners: bars on a terminal, plain lines elsewhere, JSON lines on request.

stdout carries data or JSON alone; everything for people goes to stderr.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from imgcycle.errors import OutputError, from_system
from imgcycle.jobs.events import (
    Ended,
    Estimate,
    Estimated,
    Event,
    FrameProgress,
    Note,
    PageWritten,
    Planned,
    Progressed,
    RowFinished,
)

if TYPE_CHECKING:
    from rich.progress import TaskID

    from imgcycle.jobs.tasks import Row, Summary

SCHEMA = 1
_PLAIN_EVERY = 10.0
"""Seconds between progress lines where no bar can be drawn."""
_JSON_EVERY = 1.0
"""Seconds between JSON lines on how far the net is with one picture."""


class Listener(Protocol):
    """Hears every event of a conversion, in order."""

    def __call__(self, event: Event) -> None:
        """Show one event."""


class ReaderGone(OutputError):
    """Whoever read stdout has closed it: so the work ends, as every filter's does, and nothing is said of it."""


@contextmanager
def listening(*, quiet: bool = False, verbose: bool = False, json_lines: bool = False) -> Iterator[Listener]:
    """The listener that fits the options and where stderr leads."""
    if json_lines:
        yield JsonListener(verbose)
    elif on_terminal() and not quiet:
        with BarListener(verbose) as listener:
            yield listener
    else:
        yield PlainListener(quiet, verbose)


def printable(text: str) -> str:
    """The text, but what a terminal would obey escaped: names, cards and what servers say are anyone's words."""
    from imgcycle.media.paths import shown

    return "\n".join(map(shown, text.split("\n")))


def on_terminal() -> bool:
    """Whether stderr is a terminal, where a bar can be drawn."""
    with contextlib.suppress(ValueError):  # it is closed
        return sys.stderr is not None and sys.stderr.isatty()
    return False


def say(text: str) -> None:
    """One line for a person, on stderr; where nobody can hear it, the work goes on all the same."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{printable(text)}\n")
            sys.stderr.flush()


def emit(text: str) -> None:
    """One line of data, on stdout; OutputError when it cannot be written."""
    with writing_out():
        sys.stdout.write(f"{printable(text)}\n")
        sys.stdout.flush()


@contextmanager
def writing_out() -> Iterator[None]:
    """Around what writes to stdout: its errors as an OutputError that says so, ReaderGone where nobody reads on."""
    if sys.stdout is None:
        raise OutputError("stdout is closed")
    try:
        yield
    except BrokenPipeError:
        raise ReaderGone("") from None
    except OSError as error:
        raise from_system(OutputError, error, "stdout cannot be written") from error
    except ValueError as error:  # of a stream that was closed
        raise OutputError(f"stdout cannot be written: {error}") from error


def emit_json(values: dict[str, Any]) -> None:
    """One JSON object on a line of its own; undecodable bytes of file names stay as escapes."""
    emit(json.dumps(values))


class JsonListener:
    """A JSON line per input on stdout, a summary last; with `verbose`, JSON progress lines on stderr."""

    def __init__(self, verbose: bool) -> None:
        self.verbose = verbose
        self._said = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, RowFinished):
            row = event.row.to_dict()
            if not row["notes"]:
                del row["notes"]
            emit_json({"schema": SCHEMA, **row})
            if self.verbose:
                self._progress({"position": event.position, "total": event.total, "share": round(event.share, 4)})
        elif isinstance(event, Ended):
            emit_json({"schema": SCHEMA, "summary": event.summary.to_dict()})
        elif isinstance(event, PageWritten):
            emit_json({"schema": SCHEMA, event.kind: event.path, "pictures": event.pictures, "bytes": event.size})
        elif self.verbose and isinstance(event, Progressed):
            self._now_and_then(input=event.input, share=round(event.share, 4), whole=round(event.whole, 4))
        elif self.verbose and isinstance(event, FrameProgress):
            left = None if event.seconds_left is None else round(event.seconds_left, 1)
            self._now_and_then(
                input=event.input,
                frame=event.frame,
                frames=event.frames,
                fps=round(event.per_second, 2),
                seconds_left=left,
                stage=event.stage,
            )
        elif self.verbose and isinstance(event, Estimate):
            self._progress({"seconds_left": round(event.seconds, 1), "fps": round(event.frames_per_second, 2)})
        elif self.verbose and isinstance(event, Estimated):
            self._progress({"seconds_left": round(event.seconds, 1)})
        elif self.verbose and isinstance(event, Note):
            self._progress({"note": event.text})
        elif self.verbose and isinstance(event, Planned):
            self._progress({"total": event.total, "convert": event.convert, "notes": list(event.notes)})

    def _now_and_then(self, **values: Any) -> None:
        now = time.monotonic()
        if now - self._said >= _JSON_EVERY:
            self._said = now
            self._progress(values)

    def _progress(self, values: dict[str, Any]) -> None:
        say(json.dumps({"schema": SCHEMA, "progress": values}))


class PlainListener:
    """Lines: what failed as it fails, how far it is every ten seconds, a summary last."""

    def __init__(self, quiet: bool, verbose: bool) -> None:
        self.quiet, self.verbose = quiet, verbose
        self._said = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        for line in self._lines(event):
            say(line)

    def _lines(self, event: Event) -> list[str]:
        if isinstance(event, RowFinished):
            if event.row.status == "failed" or self.verbose:
                return [row_line(event.row)]
            return [f"{event.position} of {event.total}"] if self._due() else []
        if isinstance(event, Progressed):
            from imgcycle.media.paths import shown

            return [f"{shown(event.input)}: {event.share:.0%}"] if self._due() else []
        if isinstance(event, FrameProgress):
            from imgcycle.media.paths import shown

            return [f"{shown(event.input)}: {filmed_line(event)}"] if self._due() else []
        return [] if self.quiet else event_lines(event)

    def _due(self) -> bool:
        """Whether it is time to say how far the work is."""
        now = time.monotonic()
        if self.quiet or now - self._said < _PLAIN_EVERY:
            return False
        self._said = now
        return True


class BarListener:
    """A bar with the time left, and lines above it."""

    def __init__(self, verbose: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
        from rich.text import Text

        class TimeLeft(TimeRemainingColumn):
            """As the job reckons it where it does: of a clip resumed half-way the bar itself knows nothing."""

            def render(self, task: Task) -> Text:
                said: str | None = task.fields.get("left")
                return super().render(task) if said is None else Text(said, style="progress.remaining")

        self.verbose = verbose
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),  # brackets in a clip's name are a name's
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            TimeLeft(compact=True),
            console=self.console,
            transient=True,
        )
        self._share = 0.0
        self._position = self._total = 0
        self._bar = self.progress.add_task("converting", total=1.0, visible=False, said="")
        self._clip: tuple[str, TaskID] | None = None

    def __enter__(self) -> BarListener:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, Planned):
            self._total = event.total
            self.progress.update(self._bar, visible=event.convert > 0, said=self._said())
        if isinstance(event, Progressed):
            self._advance(event.whole)
            return
        if isinstance(event, FrameProgress):
            self._film(event)
            return
        if isinstance(event, RowFinished):
            self._end_clip()
            self._advance(event.share)
            self._position = event.position
            self.progress.update(self._bar, said=self._said())
            if event.row.status == "failed":
                self._print(row_line(event.row), "red")
            elif self.verbose:
                self._print(row_line(event.row))
            return
        if isinstance(event, Ended):
            self.progress.update(self._bar, visible=False)
        for line in event_lines(event):
            self._print(line)

    def _film(self, event: FrameProgress) -> None:
        """The clip at hand has a bar of its own; a single one needs no other."""
        from imgcycle.media.paths import shown

        if self._clip is None or self._clip[0] != event.input:
            self._end_clip()
            name = shown(event.input.rpartition("/")[2])
            self._clip = (event.input, self.progress.add_task(name, total=event.frames, said="", left=""))
            self.progress.update(self._bar, visible=self._total > 1)
        said, left = event.stage, ""
        if event.stage == "converting":
            said = f"frame {event.frame}/{event.frames}" + (f"  {event.per_second:.1f} fps" if event.per_second else "")
            left = "" if event.seconds_left is None else f"{duration(event.seconds_left)} left"
        self.progress.update(self._clip[1], completed=event.frame, said=said, left=left)

    def _end_clip(self) -> None:
        if self._clip is not None:
            self.progress.remove_task(self._clip[1])
            self._clip = None

    def _advance(self, share: float) -> None:
        """Never back: the net is ahead of what is written."""
        self._share = max(self._share, share)
        self.progress.update(self._bar, completed=self._share, said=self._said())

    def _said(self) -> str:
        return f"{self._position}/{self._total}  {self._share:.0%}"

    def _print(self, line: str, style: str = "") -> None:
        from rich.text import Text

        self.console.print(Text(printable(line), style=style))


def event_lines(event: Event) -> list[str]:
    """What a person is told of an event that is not about one picture."""
    if isinstance(event, Planned):
        return list(event.notes)
    if isinstance(event, Note):
        return [event.text]
    if isinstance(event, Estimate):
        from imgcycle.media.paths import shown

        left = f"about {duration(event.seconds)} to go, at {event.frames_per_second:.1f} frames a second"
        text = f"{shown(event.input)}: {left}"
        return ["; ".join([text, *(f"{option} would take about {duration(s)}" for option, s in event.savings)])]
    if isinstance(event, Estimated):
        return [f"about {duration(event.seconds)} to go, at {event.megapixels_per_second:.1f} megapixels a second"]
    if isinstance(event, PageWritten):
        return [showed_line(event)]
    return [summary_line(event.summary)] if isinstance(event, Ended) else []


def showed_line(event: PageWritten) -> str:
    """A page, and what it weighs."""
    from imgcycle.media.paths import shown

    count = f"{event.pictures} picture" + ("" if event.pictures == 1 else "s")
    return f"{event.kind}: {shown(event.path)}, {count}, {event.size / 1e6:.1f} MB"


def filmed_line(event: FrameProgress) -> str:
    """How far one clip is."""
    parts = [f"frame {event.frame} of {event.frames}"]
    if event.stage != "converting":
        return f"{parts[0]}, {event.stage}"
    if event.per_second:
        parts.append(f"{event.per_second:.1f} a second")
    if event.seconds_left is not None:
        parts.append(f"{duration(event.seconds_left)} left")
    return ", ".join(parts)


def row_line(row: Row) -> str:
    """One picture on one line."""
    from imgcycle.media.paths import shown

    if row.status == "failed" or not row.output:
        return f"{shown(row.input)}: {row.error}"
    if row.status == "done":
        return f"{shown(row.input)} → {shown(row.output)} ({row.width}×{row.height}, {row.seconds:.2f} s)"
    return f"{shown(row.output)} {row.status}" + (f": {row.error}" if row.error else "")


def summary_line(summary: Summary) -> str:
    """What became of everything."""
    parts = [
        f"{count} {word}"
        for count, word in (
            (summary.done, "converted"),
            (summary.skipped, "converted before"),
            (summary.kept, "kept"),
            (summary.failed, "failed"),
        )
        if count
    ]
    if not parts:
        return "nothing to convert"
    return f"{', '.join(parts)} in {duration(summary.seconds)}"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
