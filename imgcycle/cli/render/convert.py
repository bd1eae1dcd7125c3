"""Messages of conversions, of images and of clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imgcycle.cli.render.console import duration
from imgcycle.cli.render.reporter import Bar, Reporter, reporting
from imgcycle.jobs import events as e
from imgcycle.media.paths import shown

if TYPE_CHECKING:
    from imgcycle.jobs.tasks import Row, Summary


@contextmanager
def listening(
    *, quiet: bool = False, verbose: bool = False, json_lines: bool = False
) -> Iterator[Callable[[e.Event], None]]:
    """A listener for a conversion's events that suits the options and the kind of stderr."""
    with reporting(quiet=quiet, verbose=verbose, json_lines=json_lines) as reporter:
        yield ConversionTeller(reporter)


class ConversionTeller:
    """Passes every event of a conversion to a reporter, in order."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self._share = 0.0
        self._position = self._total = 0
        self._visible = False
        self._clip = ""
        self._rates = ""

    def __call__(self, event: e.Event) -> None:
        """Report one event."""
        out = self.reporter
        match event:
            case e.Planned():
                self._total, self._visible = event.total, event.convert > 0
                self._share, self._position = 0.0, 0  # with --watch there is a plan for each round
                out.aside({"total": event.total, "convert": event.convert, "notes": list(event.notes)})
                self._bar()
            case e.Progressed():
                out.aside(
                    {"input": event.input, "share": round(event.share, 4), "whole": round(event.whole, 4)}, often=True
                )
                out.line(f"{shown(event.input)}: {event.share:.0%}", often=True)
                self._bar(event.whole)
            case e.FrameProgress():
                self._clip_progress(event)
            case e.RowFinished():
                self._row(event)
            case e.WorkerRates():
                out.aside({"workers": {n: round(r, 2) for n, r in event.per_second.items()}}, often=True)
                self._rates = ", ".join(f"{shown(n)} {r:.1f}/s" for n, r in event.per_second.items())
            case e.Note():
                out.aside({"note": event.text})
            case e.Estimate():
                out.aside({"seconds_left": round(event.seconds, 1), "fps": round(event.frames_per_second, 2)})
            case e.Estimated():
                out.aside({"seconds_left": round(event.seconds, 1)})
            case e.PageWritten():
                out.data({event.kind: event.path, "pictures": event.pictures, "bytes": event.size})
            case e.RoundEnded():
                out.aside({"round": event.summary.to_dict()})
                self._visible = False
                self._bar()
            case e.Ended():
                out.data({"summary": event.summary.to_dict()})
                self._visible = False
                self._bar()
        for text in event_lines(event):
            out.say(text)

    def _row(self, event: e.RowFinished) -> None:
        out, row = self.reporter, event.row
        if out.heeds_data:
            values = row.to_dict()
            out.data({name: value for name, value in values.items() if value or name not in ("notes", "worker")})
        out.aside({"position": event.position, "total": event.total, "share": round(event.share, 4)})
        out.no_bar(self._clip)
        self._clip, self._position = "", event.position
        self._bar(event.share)
        if row.status == "failed" or out.verbose:
            out.say(row_line(row), "red" if row.status == "failed" else "", always=True)
        else:
            out.line(f"{event.position} of {event.total}" + (f" ({self._rates})" if self._rates else ""), often=True)

    def _clip_progress(self, event: e.FrameProgress) -> None:
        """The current clip has a bar of its own; a single one needs no other."""
        out, name = self.reporter, shown(event.input.rpartition("/")[2])
        seconds = event.seconds_left
        values = {
            "input": event.input,
            "frame": event.frame,
            "frames": event.frames or None,
            "fps": round(event.per_second, 2),
            "seconds_left": None if seconds is None else round(seconds, 1),
            "stage": event.stage,
        }
        out.aside(values, often=True)
        out.line(f"{shown(event.input)}: {filmed_line(event)}", often=True)
        if self._clip != name:
            out.no_bar(self._clip)
            self._clip, self._visible = name, self._total > 1
            self._bar()
        said, left = event.stage, ""
        if event.stage == "converting":
            of = f"/{event.frames}" if event.frames else ""
            said = f"frame {event.frame}{of}" + (f"  {event.per_second:.1f} fps" if event.per_second else "")
            left = "" if seconds is None else f"{duration(seconds)} left"
        out.bar(Bar(name, event.frame, event.frames or None, said, left=left))

    def _bar(self, share: float = 0.0) -> None:
        # Never backwards: the net is ahead of what is written.
        self._share = max(self._share, share)
        said = f"{self._position}/{self._total}  {self._share:.0%}" + (f"  {self._rates}" if self._rates else "")
        self.reporter.bar(Bar("converting", self._share, 1.0, said, visible=self._visible))


def event_lines(event: e.Event) -> list[str]:
    """Lines for an event that does not concern one image."""
    if isinstance(event, e.Planned):
        return list(event.notes)
    if isinstance(event, e.Note):
        return [event.text]
    if isinstance(event, e.Estimate):
        left = f"about {duration(event.seconds)} to go, at {event.frames_per_second:.1f} frames a second"
        text = f"{shown(event.input)}: {left}"
        return ["; ".join([text, *(f"{option} would take about {duration(s)}" for option, s in event.savings)])]
    if isinstance(event, e.Estimated):
        return [f"about {duration(event.seconds)} to go, at {event.megapixels_per_second:.1f} megapixels a second"]
    if isinstance(event, e.PageWritten):
        return [showed_line(event)]
    return [summary_line(event.summary)] if isinstance(event, e.RoundEnded | e.Ended) else []


def showed_line(event: e.PageWritten) -> str:
    """Line on a report page and its size."""
    count = f"{event.pictures} picture" + ("" if event.pictures == 1 else "s")
    return f"{event.kind}: {shown(event.path)}, {count}, {event.size / 1e6:.1f} MB"


def filmed_line(event: e.FrameProgress) -> str:
    """Line on a clip's progress."""
    parts = [f"frame {event.frame}" + (f" of {event.frames}" if event.frames else "")]
    if event.stage != "converting":
        return f"{parts[0]}, {event.stage}"
    if event.per_second:
        parts.append(f"{event.per_second:.1f} a second")
    if event.seconds_left is not None:
        parts.append(f"{duration(event.seconds_left)} left")
    return ", ".join(parts)


def row_line(row: Row) -> str:
    """Line on one image."""
    if row.status == "failed" or not row.output:
        return f"{shown(row.input)}: {row.error}"
    if row.status == "done":
        return f"{shown(row.input)} → {shown(row.output)} ({row.width}×{row.height}, {row.seconds:.2f} s)"
    return f"{shown(row.output)} {row.status}" + (f": {row.error}" if row.error else "")


def summary_line(summary: Summary) -> str:
    """Line on the whole conversion."""
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
