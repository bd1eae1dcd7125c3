"""Events of a training run; progress bars, JSON lines and log files are listeners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class StepEvent:
    """What happened at one step of a run."""

    step: int


@dataclass(frozen=True)
class Started:
    """The run is about to take its first step (or its first one after a resume)."""

    run: Path
    step: int
    steps: int
    steps_per_epoch: int
    images_a: int
    images_b: int
    device: str
    precision: str
    threads: int
    resumed: bool


@dataclass(frozen=True)
class Progress(StepEvent):
    """Means of the losses since the last such event; rate in steps a second, `waiting` the share spent on data."""

    steps: int
    epoch: int
    losses: Mapping[str, float]
    lr: float
    rate: float
    seconds_left: float
    waiting: float


@dataclass(frozen=True)
class Stepped:
    """Once a second at most: the step, the seconds since the run began or went on, and those left, once known."""

    step: int
    steps: int
    seconds: float
    seconds_left: float | None


@dataclass(frozen=True)
class Timed:
    """The first steps were timed; `epochs` are those that the run's steps make up, where it was begun by epochs."""

    step: int
    steps: int
    epochs: int | None
    seconds_a_step: float


@dataclass(frozen=True)
class StageBegan:
    """Stage `number` of `stages` begins, with `length` steps."""

    step: int
    steps: int
    name: str
    number: int
    stages: int
    length: int


@dataclass(frozen=True)
class Stopping:
    """A stop was asked for: the step under way is finished and saved first."""

    step: int


@dataclass(frozen=True)
class Saved(StepEvent):
    """The state and the weights of `step` are on disk."""

    path: Path


@dataclass(frozen=True)
class Sampled(StepEvent):
    """A grid of fixed images was written."""

    path: Path


@dataclass(frozen=True)
class Validated(StepEvent):
    """Distances (KID × 1000 on VGG19 features, by direction) of validation images; lower is better.

    `references` are the same for comparison, by name: the unconverted images, and the weights that the run started
    from.
    """

    kid: Mapping[str, float]
    best: Mapping[str, float]
    references: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosed(StepEvent):
    """Something looks wrong: the finding, and advice."""

    finding: str
    """What is seen, in words."""
    advice: str
    """What to do about it."""


@dataclass(frozen=True)
class RolledBack(StepEvent):
    """Losses or weights stopped being finite at `step`; training continues from `to` with new random numbers."""

    to: int
    """Where it goes on from."""
    reason: str


@dataclass(frozen=True)
class Noted:
    """A remark: an unreadable file left out, a difference from the machine the run began on."""

    text: str


@dataclass(frozen=True)
class Finished(StepEvent):
    """The run ended: complete, or interrupted after saving."""

    steps: int
    seconds: float
    interrupted: bool


Event = (
    Started
    | Progress
    | Stepped
    | Timed
    | StageBegan
    | Stopping
    | Saved
    | Sampled
    | Validated
    | Diagnosed
    | RolledBack
    | Noted
    | Finished
)
Listener = Callable[[Event], None]
