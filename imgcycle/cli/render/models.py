"""Messages of fetching a style."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcycle.cli.render.reporter import Reporter
    from imgcycle.weights.events import Event, Listener


@contextmanager
def fetching(*, quiet: bool = False, verbose: bool = False, json_lines: bool = False) -> Iterator[Listener]:
    """A listener that suits the options and the kind of stderr."""
    from imgcycle.cli.render.reporter import reporting

    with reporting(quiet=quiet, verbose=verbose, json_lines=json_lines) as reporter:
        yield partial(_tell, reporter)


def _tell(out: Reporter, event: Event) -> None:
    from imgcycle.cli.render.reporter import Bar, fields_of
    from imgcycle.weights.events import Asking, Kept, Received

    values = fields_of(event)
    if isinstance(event, Kept):
        del values["event"], values["fresh"], values["trusted_now"]
        values["seconds"] = round(event.seconds, 3)
        out.data({**values, "status": "done" if event.fresh else "skipped", "error": None})
        out.no_bar(event.name)
    else:
        out.aside(values, often=isinstance(event, Received))
    if isinstance(event, Received):
        out.line(fetch_line(event), often=True)
        whole = "" if event.total is None else f"/{event.total / 1e6:.1f}"
        out.bar(Bar(event.name, event.done, event.total, f"{event.done / 1e6:.1f}{whole} MB"))
    elif isinstance(event, Asking):
        out.no_bar(event.name)
        out.line(fetch_line(event))
        out.bar(Bar(event.name, 0, None))
    else:
        out.say(fetch_line(event))


def fetch_line(event: Event) -> str:
    """Line on an event; empty if a bar shows it."""
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
