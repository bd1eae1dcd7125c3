"""One reporter that says things in three ways: bars on a terminal, plain lines elsewhere, JSON lines on request.

A command tells it the same story each time, and each way takes from it what it has a use for.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcycle.cli.render.console import SCHEMA, emit_json, on_terminal, printable, say
from imgcycle.cli.render.pictures import escaped_picture, protocol_of
from imgcycle.errors import InputError

if TYPE_CHECKING:
    from rich.progress import TaskID

PLAIN_EVERY, JSON_EVERY = 10.0, 1.0
"""Seconds between two lines on how far the work is, for people and as JSON."""


@dataclass(frozen=True)
class Bar:
    """How far something is that has a name."""

    name: str
    done: float
    total: float | None
    """None where nobody knows."""
    said: str = ""
    """What stands beside it."""
    left: str | None = field(default=None, kw_only=True)
    """The time left, where the work itself reckons it."""
    visible: bool = field(default=True, kw_only=True)
    figures: Mapping[str, float] | None = field(default=None, kw_only=True)
    """What is shown below all bars."""


class Reporter:
    """Hears everything and says nothing; each way of saying overrides what it has a use for."""

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet, self.verbose = quiet, verbose

    def say(self, text: str, style: str = "", *, always: bool = False) -> None:
        """A line for a person; `always` for what is said with --quiet as well."""

    def line(self, text: str, *, often: bool = False) -> None:
        """A line for a person where no bar can be drawn, one in ten seconds where it comes `often`."""

    def bar(self, bar: Bar) -> None:
        """A bar, drawn anew; made the first time there is one of that name."""

    def no_bar(self, name: str) -> None:
        """Take a bar away, if there is one."""

    def picture(self, path: Path) -> None:
        """The picture of a file, where a terminal can show it."""

    def data(self, values: Mapping[str, Any]) -> None:
        """A JSON line on stdout."""

    def aside(self, values: Mapping[str, Any], *, often: bool = False) -> None:
        """A JSON line on stderr, with --verbose; one a second where it comes `often`."""


class JsonReporter(Reporter):
    """JSON lines: data on stdout, and how far the work is on stderr."""

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        super().__init__(quiet, verbose)
        self._due = _Due(JSON_EVERY)

    def data(self, values: Mapping[str, Any]) -> None:
        """One object."""
        emit_json({"schema": SCHEMA, **values})

    def aside(self, values: Mapping[str, Any], *, often: bool = False) -> None:
        """One object under `progress`."""
        if self.verbose and (not often or self._due()):
            say(json.dumps({"schema": SCHEMA, "progress": values}))


class PlainReporter(Reporter):
    """Lines on stderr."""

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        super().__init__(quiet, verbose)
        self._due = _Due(PLAIN_EVERY)

    def say(self, text: str, style: str = "", *, always: bool = False) -> None:
        """One line."""
        del style
        if always or not self.quiet:
            say(text)

    def line(self, text: str, *, often: bool = False) -> None:
        """One line, where it is time for one."""
        if not self.quiet and (not often or self._due()):
            say(text)


class BarReporter(Reporter):
    """Bars with the time left, and lines above them; a context."""

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        from rich.console import Console, RenderableType
        from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
        from rich.table import Table
        from rich.text import Text

        super().__init__(quiet, verbose)
        figures = self._figures = dict[str, float]()

        class TimeLeft(TimeRemainingColumn):
            """As the work reckons it where it does: of a clip resumed half-way the bar itself knows nothing."""

            def render(self, task: Task) -> Text:
                said: str | None = task.fields["left"]
                return super().render(task) if said is None else Text(said, style="progress.remaining")

        class Bars(Progress):
            """With figures below."""

            def get_renderables(self) -> Iterator[RenderableType]:
                yield from super().get_renderables()
                if figures:
                    grid = Table.grid(*figures, padding=(0, 2))
                    grid.add_row(*(Text(name, style="dim") for name in figures))
                    grid.add_row(*(f"{value:.3f}" for value in figures.values()))
                    yield grid

        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.progress = Bars(
            TextColumn("{task.description}", markup=False),  # brackets in a clip's name are a name's
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
        """One line above the bars."""
        from rich.text import Text

        del always
        self.console.print(Text(printable(text), style=style))

    def bar(self, bar: Bar) -> None:
        """Draw it anew."""
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
        """Remove it."""
        if name in self._bars:
            self.progress.remove_task(self._bars.pop(name))

    def picture(self, path: Path) -> None:
        """By the terminal's own protocol, above the bars; where it has none, that is said once."""
        protocol = protocol_of(os.environ)
        if protocol is None:
            if not self._said_blind:
                self.say("this terminal is not known to show pictures; those of the run are on its page, index.html")
            self._said_blind = True
            return
        try:
            text = escaped_picture(path, protocol, self.console.width)
        except InputError:  # it will be said by whoever needs it
            return
        # The bars would be drawn into it.
        self.progress.stop()
        self.console.file.write(text)
        self.console.file.flush()
        self.progress.start()


class _Due:
    """A question that is answered yes at most so often, and not at once."""

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
    """The reporter that fits the options and where stderr leads."""
    if json_lines:
        yield JsonReporter(quiet, verbose)
    elif on_terminal() and not quiet:
        with BarReporter(quiet, verbose) as reporter:
            yield reporter
    else:
        yield PlainReporter(quiet, verbose)


def fields_of(event: Any) -> dict[str, Any]:
    """An event as JSON takes it, its kind first."""
    values = {name: str(v) if isinstance(v, Path) else v for name, v in dataclasses.asdict(event).items()}
    return {"event": type(event).__name__.lower(), **values}
