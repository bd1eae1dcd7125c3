"""What fetching a style looks like: a bar on a terminal, plain lines elsewhere, JSON lines on request."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgcycle.weights.events import Event, Listener

_PLAIN_EVERY, _JSON_EVERY = 10.0, 1.0
"""Seconds between two lines on how much has come."""


@contextmanager
def fetching(*, quiet: bool = False, verbose: bool = False, json_lines: bool = False) -> Iterator[Listener]:
    """The listener that fits the options and where stderr leads."""
    from imgcycle.cli.render.console import on_terminal

    if json_lines:
        yield _json_listener(verbose)
    elif quiet:
        yield lambda _: None
    elif on_terminal():
        with _bar_listener() as listener:
            yield listener
    else:
        yield _plain_listener()


def in_words(event: Event) -> str:
    """One line an event; empty where a bar says it all."""
    from imgcycle.weights import events as e

    match event:
        case e.Waiting():
            return f"{event.name}: another imgcycle is fetching it, waiting"
        case e.Asking():
            return f"{event.name}: fetching {event.url}"
        case e.Refused():
            return f"{event.url} {event.reason}" + _instead(event.url, event.then)
        case e.Kept():
            if not event.fresh:
                return f"{event.name} is here already: {event.path}"
            pinned = "; its digest is pinned from now on" if event.trusted_now else ", the file fetched before"
            kept = f"{event.name} is kept at {event.path} ({_megabytes(event.size)} fetched{pinned})"
            return f"{kept}: imgcycle convert PHOTOS --to {event.name}"
        case e.Received():
            whole = "" if event.total is None else f" of {_megabytes(event.total)}"
            return f"{event.name}: {_megabytes(event.done)}{whole}"


def _instead(url: str, then: str | None) -> str:
    if then is None:
        return ""
    plain = ", which anyone on the way could alter" if url.startswith("https:") and then.startswith("http:") else ""
    return f"; trying {then} instead{plain}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _plain_listener() -> Listener:
    from imgcycle.cli.render.console import say
    from imgcycle.weights.events import Received

    due = _every(_PLAIN_EVERY)

    def listen(event: Event) -> None:
        if not isinstance(event, Received) or due():
            say(in_words(event))

    return listen


def _json_listener(verbose: bool) -> Listener:
    """What is kept on stdout; with `verbose` everything else as progress on stderr."""
    from imgcycle.cli.render.console import SCHEMA, emit_json, say
    from imgcycle.weights.events import Kept, Received

    due = _every(_JSON_EVERY)

    def listen(event: Event) -> None:
        values: dict[str, Any] = {
            key: str(value) if isinstance(value, Path) else value for key, value in dataclasses.asdict(event).items()
        }
        if isinstance(event, Kept):
            fresh, _ = values.pop("fresh"), values.pop("trusted_now")
            values["seconds"] = round(event.seconds, 3)
            emit_json({"schema": SCHEMA, **values, "status": "done" if fresh else "skipped", "error": None})
        elif verbose and (not isinstance(event, Received) or due()):
            say(json.dumps({"schema": SCHEMA, "progress": {"event": type(event).__name__.lower(), **values}}))

    return listen


def _every(seconds: float) -> Callable[[], bool]:
    """A question that is answered yes at most so often, and not at once."""
    said = time.monotonic()

    def due() -> bool:
        nonlocal said
        now = time.monotonic()
        if now - said < seconds:
            return False
        said = now
        return True

    return due


@contextmanager
def _bar_listener() -> Iterator[Listener]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.text import Text

    from imgcycle.cli.render.console import printable
    from imgcycle.weights.events import Asking, Kept, Received

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
        TimeRemainingColumn(compact=True), console=console, transient=True,
    )  # fmt: skip
    task = bar.add_task("", total=None, visible=False)

    def listen(event: Event) -> None:
        if isinstance(event, Received):
            bar.update(task, completed=event.done, total=event.total)
            return
        if isinstance(event, Asking):
            bar.reset(task, description=event.name, total=None, visible=True)
            return
        if isinstance(event, Kept):
            bar.update(task, visible=False)
        console.print(Text(printable(in_words(event))))

    with bar:
        yield listen
