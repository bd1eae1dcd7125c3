"""A reporter in three variants: bars on a terminal, plain lines elsewhere, JSON lines on request.

A command reports the same things to each; each variant shows what suits it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcycle.cli.render.console import SCHEMA, emit_json, on_terminal, printable, say
from imgcycle.cli.render.terminal_images import escaped_picture, protocol_of
from imgcycle.errors import InputError

if TYPE_CHECKING:
    from rich.progress import TaskID

PLAIN_EVERY, JSON_EVERY = 10.0, 1.0
"""Minimum seconds between two progress lines, for people and as JSON."""


@dataclass(frozen=True)
class Bar:
    """Progress of something with a name."""

    name: str
    done: float
    total: float | None
    """None if unknown."""
    said: str = ""
    """Text beside the bar."""
    left: str | Callable[[], str] | None = field(default=None, kw_only=True)
    """Remaining time, if the work itself estimates it; a callable is called whenever the bar is drawn."""
    visible: bool = field(default=True, kw_only=True)
    figures: Mapping[str, float] | None = field(default=None, kw_only=True)
    """Figures below all bars."""


class Reporter:
    """Base of all reporters, which ignores everything; variants override what they show."""

    heeds_data = False
    """True if `data` prints anything; a row's values are not made for nothing."""

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet, self.verbose = quiet, verbose

    def say(self, text: str, style: str = "", *, always: bool = False) -> None:
        """Print a line for people; `always` also with --quiet."""

    def line(self, text: str, *, often: bool = False) -> None:
        """Print a line for people if there are no bars; at most one in ten seconds if `often`."""

    def bar(self, bar: Bar) -> None:
        """Update a bar, created on first use."""

    def no_bar(self, name: str) -> None:
        """Remove a bar, if there is one."""

    def picture(self, path: Path) -> None:
        """Display an image file, if the terminal can."""

    def data(self, values: Mapping[str, Any]) -> None:
        """Print a JSON line to stdout."""

    def aside(self, values: Mapping[str, Any], *, often: bool = False) -> None:
        """Print a JSON line to stderr with --verbose; at most one a second if `often`."""


class JsonReporter(Reporter):
    """JSON lines: data on stdout, progress on stderr."""

    heeds_data = True

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        super().__init__(quiet, verbose)
        self._due = _Due(JSON_EVERY)

    def data(self, values: Mapping[str, Any]) -> None:
        emit_json({"schema": SCHEMA, **values})

    def aside(self, values: Mapping[str, Any], *, often: bool = False) -> None:
        if self.verbose and (not often or self._due()):
            say(json.dumps({"schema": SCHEMA, "progress": values}))


class PlainReporter(Reporter):
    """Lines on stderr."""

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        super().__init__(quiet, verbose)
        self._due = _Due(PLAIN_EVERY)

    def say(self, text: str, style: str = "", *, always: bool = False) -> None:
        del style
        if always or not self.quiet:
            say(text)

    def line(self, text: str, *, often: bool = False) -> None:
        if not self.quiet and (not often or self._due()):
            say(text)


class BarReporter(Reporter):
    """Progress bars with the remaining time, and lines above them; a context manager."""

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        from rich.console import Console, RenderableType
        from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
        from rich.table import Table
        from rich.text import Text

        super().__init__(quiet, verbose)
        figures = self._figures = dict[str, float]()

        class TimeLeft(TimeRemainingColumn):
            """The work's own estimate if there is one: of a resumed clip the bar itself cannot know."""

            def render(self, task: Task) -> Text:
                said: str | Callable[[], str] | None = task.fields["left"]
                if said is None:
                    return super().render(task)
                return Text(said if isinstance(said, str) else said(), style="progress.remaining")

        class Bars(Progress):
            """Bars with figures below."""

            def get_renderables(self) -> Iterator[RenderableType]:
                yield from super().get_renderables()
                if figures:
                    grid = Table.grid(*figures, padding=(0, 2))
                    grid.add_row(*(Text(name, style="dim") for name in figures))
                    grid.add_row(*(f"{value:.3f}" for value in figures.values()))
                    yield grid

        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.progress = Bars(
            TextColumn("{task.description}", markup=False),  # brackets in a clip's name are not markup
            BarColumn(),
            TextColumn("{task.fields[said]}", markup=False),
            TimeLeft(compact=True),
            console=self.console,
            transient=True,
        )
        self._bars: dict[str, TaskID] = {}
        self._said_blind = False

    def __enter__(self) -> BarReporter:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def say(self, text: str, style: str = "", *, always: bool = False) -> None:
        from rich.text import Text

        del always
        self.console.print(Text(printable(text), style=style))

    def bar(self, bar: Bar) -> None:
        if bar.name not in self._bars:
            name = printable(bar.name)
            self._bars[bar.name] = self.progress.add_task(name, total=bar.total, said=bar.said, left=bar.left)
        if bar.figures is not None:
            self._figures.clear()
            self._figures.update(bar.figures)
        self.progress.update(
            self._bars[bar.name],
            completed=bar.done,
            total=bar.total,
            visible=bar.visible,
            said=bar.said,
            left=bar.left,
        )

    def no_bar(self, name: str) -> None:
        if name in self._bars:
            self.progress.remove_task(self._bars.pop(name))

    def picture(self, path: Path) -> None:
        """Display by the terminal's own protocol, above the bars; without one, a note is printed once."""
        protocol = protocol_of(os.environ)
        if protocol is None:
            if not self._said_blind:
                self.say("this terminal is not known to show pictures; those of the run are on its page, index.html")
            self._said_blind = True
            return
        try:
            text = escaped_picture(path, protocol, self.console.width)
        except InputError:  # reported by the code that needs it
            return
        # The bars would be drawn over it.
        self.progress.stop()
        self.console.file.write(text)
        self.console.file.flush()
        self.progress.start()


class _Due:
    """Returns True at most once per interval, and not at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._said = seconds, time.monotonic()

    def __call__(self) -> bool:
        now = time.monotonic()
        if now - self._said < self._seconds:
            return False
        self._said = now
        return True


@contextmanager
def reporting(*, quiet: bool = False, verbose: bool = False, json_lines: bool = False) -> Iterator[Reporter]:
    """The reporter that suits the options and the kind of stderr."""
    if json_lines:
        yield JsonReporter(quiet, verbose)
    elif on_terminal() and not quiet:
        with BarReporter(quiet, verbose) as reporter:
            yield reporter
    else:
        yield PlainReporter(quiet, verbose)


def fields_of(event: Any) -> dict[str, Any]:
    """Fields of an event for JSON, its kind first."""
    values = {name: str(v) if isinstance(v, Path) else v for name, v in dataclasses.asdict(event).items()}
    return {"event": type(event).__name__.lower(), **values}
