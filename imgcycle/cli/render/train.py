"""Messages of a training run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from imgcycle.cli.render.console import duration
from imgcycle.cli.render.reporter import Bar, Reporter, fields_of, reporting
from imgcycle.errors import counted

if TYPE_CHECKING:
    from imgcycle.training.events import Event, Listener, Progress, Timed, Validated

HOUR = 3600.0


@contextmanager
def train_listener(
    *, quiet: bool, json_lines: bool, preview: bool = False, board: Path | None = None
) -> Iterator[Listener]:
    """A listener that suits the output; `preview` displays samples in the terminal, `board` is a folder for
    TensorBoard.
    """
    with ExitStack() as stack:
        tell = RunTeller(stack.enter_context(reporting(quiet=quiet, json_lines=json_lines)), preview)
        if board is None:
            yield tell
            return
        from imgcycle.training.listeners.tensorboard import TensorBoardLog

        log = stack.enter_context(TensorBoardLog(board))

        def both(event: Event) -> None:
            tell(event)
            log(event)

        yield both


class RunTeller:
    """Passes every event of a run to a reporter, in order."""

    def __init__(self, reporter: Reporter, preview: bool = False) -> None:
        self.reporter, self.preview = reporter, preview
        self._run = ""
        self._began = time.monotonic()

    def _clock(self) -> str:
        """The time since the run began or went on, as it is drawn."""
        return duration(time.monotonic() - self._began)

    def __call__(self, event: Event) -> None:
        """Report one event."""
        from imgcycle.training import events as e

        out = self.reporter
        if not isinstance(event, e.Stepped):
            out.data(fields_of(event))
        match event:
            case e.Progress():
                pace = f"{event.rate:.2f} steps/s · {duration(event.seconds_left)} left · data {event.waiting:.0%}"
                said = f"{event.step}/{event.steps}  {event.step / event.steps:.0%}  {pace}"
                out.bar(Bar(self._run, event.step, event.steps, said, left=self._clock, figures=event.losses))
                out.line(training_line(event))
            case e.Stepped():
                left = "" if event.seconds_left is None else f" · {duration(event.seconds_left)} left"
                said = f"{event.step:,}/{event.steps:,}{left}"
                out.bar(Bar(self._run, event.step, event.steps, said, left=self._clock))
                out.line(training_line(event), often=True)
            case e.Saved():
                out.line(training_line(event))
            case e.Started():
                self._run, self._began = event.run.name, time.monotonic()
                out.bar(Bar(self._run, event.step, event.steps, "first steps …", left=self._clock))
                out.say(training_line(event))
            case e.Sampled() if self.preview:
                out.say(training_line(event))
                out.picture(event.path)
            case _:
                out.say(training_line(event), "yellow" if isinstance(event, e.Diagnosed | e.RolledBack) else "")


def _validated(event: Validated, name: str) -> str:
    """Figure of a direction, with its best so far and its references."""
    beside = [f"best {event.best[name]:.1f}"]
    beside += [f"{said} {row[name]:.1f}" for said, row in event.references.items() if name in row]
    return f"{name} {event.kid[name]:.1f} ({', '.join(beside)})"


def training_line(event: Event) -> str:  # noqa: PLR0911, PLR0912 - one return a kind of event
    """Line on an event."""
    from imgcycle.training import events as e

    match event:
        case e.Started():
            verb = "continues" if event.resumed else "begins"
            return (
                f"{event.run} {verb} at step {event.step} of {event.steps} "
                f"({event.images_a} + {event.images_b} images, {event.steps_per_epoch} steps an epoch) "
                f"on {event.device} in {event.precision}, {counted(event.threads, 'thread')}"
            )
        case e.Progress():
            return (
                f"step {event.step}/{event.steps}  {event.rate:.2f}/s  {duration(event.seconds_left)} left  "
                f"data {event.waiting:.0%}  {losses_in_words(event)}"
            )
        case e.Stepped():
            left = "" if event.seconds_left is None else f"  {duration(event.seconds_left)} left"
            return f"step {event.step}/{event.steps}  {duration(event.seconds)}{left}"
        case e.Timed():
            return length_in_words(event)
        case e.StageBegan():
            which = f"stage {event.number} of {event.stages}, {event.name}"
            return f"{which}: {counted(event.length, 'step')} from step {event.step:,} on"
        case e.Stopping():
            return "stopping after this step, saving … (once more Ctrl-C ends at once, as of the last save)"
        case e.Saved():
            return f"saved step {event.step}"
        case e.Sampled():
            return f"samples: {event.path}"
        case e.Validated():
            figures = ", ".join(_validated(event, name) for name in event.kid)
            return f"validation at step {event.step}, KID ×1000 on VGG19: {figures}"
        case e.Diagnosed():
            return f"look: {event.finding}. {event.advice[0].upper()}{event.advice[1:]}."
        case e.RolledBack():
            return f"{event.reason} at step {event.step}: back to step {event.to}, half the rate, other random numbers"
        case e.Noted():
            return f"note: {event.text}"
        case e.Finished():
            how = "stopped" if event.interrupted else "finished"
            return f"{how} at step {event.step} of {event.steps} after {duration(event.seconds)}"


def length_in_words(event: Timed) -> str:
    """How long a run will take, and where that is more than an hour what another length would be."""
    left = (event.steps - event.step) * event.seconds_a_step
    what = f"{event.steps:,} steps" if event.epochs is None else f"{event.epochs} epochs are {event.steps:,} steps"
    said = f"{what}, about {long_duration(left)} here"
    if left <= HOUR:
        return said
    return f"{said}; --minutes 60 would be {int(HOUR / event.seconds_a_step):,} steps"


def long_duration(seconds: float) -> str:
    """A rough time, in days where `duration` would have dozens of hours."""
    return f"{seconds / 86400:.0f} days" if seconds >= 3 * 86400 else duration(seconds)


def losses_in_words(event: Progress) -> str:
    """The losses in short form."""
    return "  ".join(f"{name} {value:.3f}" for name, value in event.losses.items())
