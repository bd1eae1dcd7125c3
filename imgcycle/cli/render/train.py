"""What a training run looks like: a live panel on a terminal, plain lines elsewhere, JSON lines on request."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcycle.cli.render.console import duration, emit_json, on_terminal, printable, say

if TYPE_CHECKING:
    from imgcycle.training.events import Event, Listener, Progress


@contextmanager
def train_listener(*, quiet: bool, json_lines: bool) -> Iterator[Listener]:
    """The listener that fits where the output goes."""
    if json_lines:
        yield _json_line
    elif quiet:
        yield lambda _: None
    elif on_terminal():
        with _rich_listener() as listener:
            yield listener
    else:
        yield _plain_line


def _json_line(event: Event) -> None:
    fields = {k: str(v) if isinstance(v, Path) else v for k, v in dataclasses.asdict(event).items()}
    emit_json({"schema": 1, "event": type(event).__name__.lower(), **fields})


def _plain_line(event: Event) -> None:
    say(in_words(event))


def in_words(event: Event) -> str:  # noqa: PLR0911 - one return a kind of event
    """One line an event."""
    from imgcycle.training import events as e

    match event:
        case e.Started():
            verb = "continues" if event.resumed else "begins"
            return (
                f"{event.run} {verb} at step {event.step} of {event.steps} "
                f"({event.images_a} + {event.images_b} images, {event.steps_per_epoch} steps an epoch) "
                f"on {event.device} in {event.precision}, {event.threads} threads"
            )
        case e.Progress():
            return (
                f"step {event.step}/{event.steps}  {event.rate:.2f}/s  {duration(event.seconds_left)} left  "
                f"data {event.waiting:.0%}  {losses_in_words(event)}"
            )
        case e.Saved():
            return f"saved step {event.step}"
        case e.Sampled():
            return f"samples: {event.path}"
        case e.Validated():
            figures = ", ".join(f"{d} {v:.1f} (best {event.best[d]:.1f})" for d, v in event.kid.items())
            return f"validation at step {event.step}, KID ×1000 on VGG19: {figures}"
        case e.Diagnosed():
            return f"look: {event.finding}. {event.advice[0].upper()}{event.advice[1:]}."
        case e.RolledBack():
            return f"{event.reason} at step {event.step}: back to step {event.to}, half the learning rate, other dice"
        case e.Noted():
            return f"note: {event.text}"
        case e.Finished():
            how = "stopped" if event.interrupted else "finished"
            return f"{how} at step {event.step} of {event.steps} after {duration(event.seconds)}"


def losses_in_words(event: Progress) -> str:
    """The losses, short."""
    return "  ".join(f"{name} {value:.3f}" for name, value in event.losses.items())


@contextmanager
def _rich_listener() -> Iterator[Callable[[Event], None]]:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn
    from rich.table import Table
    from rich.text import Text

    from imgcycle.training import events as e

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.fields[run]}", style="bold", markup=False), BarColumn(None), TaskProgressColumn(),
        MofNCompleteColumn(), TextColumn("{task.fields[pace]}"),
        console=console, expand=True,
    )  # fmt: skip
    task = bar.add_task("", total=None, run="", pace="first steps …", start=True)
    table: dict[str, Any] = {"losses": Text("")}

    def listen(event: Event) -> None:
        if isinstance(event, e.Progress):
            pace = f"{event.rate:.2f} steps/s · {duration(event.seconds_left)} left · data {event.waiting:.0%}"
            bar.update(task, completed=event.step, total=event.steps, pace=pace)
            grid = Table.grid(padding=(0, 2))
            for _ in event.losses:
                grid.add_column(justify="right")
            grid.add_row(*(Text(name, style="dim") for name in event.losses))
            grid.add_row(*(f"{value:.3f}" for value in event.losses.values()))
            table["losses"] = grid
            live.update(Group(bar, table["losses"]))
            return
        if isinstance(event, e.Started):
            bar.update(task, completed=event.step, total=event.steps, run=event.run.name)
        if isinstance(event, e.Saved):
            return
        style = "yellow" if isinstance(event, e.Diagnosed | e.RolledBack) else ""
        console.print(Text(printable(in_words(event)), style=style))

    with Live(Group(bar, table["losses"]), console=console, refresh_per_second=4) as live:
        yield listen
