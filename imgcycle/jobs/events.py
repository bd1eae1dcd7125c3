"""Events of a conversion; progress bars, text lines and JSON are listeners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from imgcycle.jobs.tasks import Row, Summary


@dataclass(frozen=True)
class Planned:
    """The plan is complete; `notes` are single lines on inputs left out or renamed outputs."""

    total: int
    convert: int
    skipped: int
    kept: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Note:
    """One line for the user."""

    text: str


@dataclass(frozen=True)
class RowFinished:
    """One task is over, the one at `place` of the plan, counted from 0; `position` counts those that are over.

    Of several processes rows come as they are made, else in the order of the plan. `share` is the part of the whole
    work that is done, 0 to 1, by bytes of input: files differ in size a thousandfold.
    """

    row: Row
    position: int
    total: int
    share: float
    place: int = 0


@dataclass(frozen=True)
class WorkerRates:
    """Speed of several processes: tasks a second, by name."""

    per_second: dict[str, float]


@dataclass(frozen=True)
class Progressed:
    """Progress of the net: `share` of one image, 0 to 1, and `whole` of all the work, by bytes of input."""

    input: str
    share: float
    whole: float


@dataclass(frozen=True)
class FrameProgress:
    """Progress of a clip: frames done and total (0: a stream, of which nobody knows), current frames a second, seconds
    left (None: not known yet).
    """

    input: str
    frame: int
    frames: int
    per_second: float = 0.0
    seconds_left: float | None = None
    stage: str = "converting"


@dataclass(frozen=True)
class Estimate:
    """After the first frames of a clip: seconds that the rest will take, frames a second, and what would help.

    `savings` are options with the seconds that the rest would take with them.
    """

    seconds: float
    frames_per_second: float
    savings: tuple[tuple[str, float], ...] = ()
    input: str = ""


@dataclass(frozen=True)
class Estimated:
    """After the first few pictures, what the rest will take."""

    seconds: float
    megapixels_per_second: float
    """So far."""


@dataclass(frozen=True)
class PageWritten:
    """A report page is written: number of inputs it shows, and its size in bytes."""

    kind: Literal["sheet", "gallery"]
    path: str
    pictures: int
    size: int


@dataclass(frozen=True)
class RoundEnded:
    """What was there, or what arrived since, is converted, and more may come."""

    summary: Summary


@dataclass(frozen=True)
class Ended:
    """All tasks are finished."""

    summary: Summary


Event = (
    Planned
    | Note
    | Progressed
    | FrameProgress
    | Estimate
    | RowFinished
    | WorkerRates
    | Estimated
    | PageWritten
    | RoundEnded
    | Ended
)


def share_done(event: Event) -> float | None:
    """Share 0..1 of all the work that is done according to an event; None if the event does not tell."""
    match event:
        case RowFinished():
            return event.share
        case Progressed():
            return event.whole
        case FrameProgress():
            return min(1.0, event.frame / event.frames) if event.frames else None
        case Ended():
            return 1.0
    return None


def heard(
    listener: Callable[[Event], None] | None, progress: Callable[[float], None] | None
) -> Callable[[Event], None]:
    """A listener that calls `listener` with every event and `progress` with the share of the work done."""

    def hear(event: Event) -> None:
        if listener is not None:
            listener(event)
        if progress is not None and (share := share_done(event)) is not None:
            progress(share)

    return hear
