"""Data types of a conversion: tasks in, rows out, both plain data that can be sent to another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from imgcycle.config import JsonConfig, VideoOptions
from imgcycle.jobs.ledger import Record
from imgcycle.jobs.recipe import ResolvedOptions

Status = Literal["done", "skipped", "kept", "failed"]
Verdict = Literal["convert", "skip", "keep", "fail"]
"""`skip` and `keep` leave an existing output; `fail` is an input that could not be read."""
MediumKind = Literal["clip", "sequence", "animation", "stream"]
"""Containers of frames: a video file, numbered images, an animated image, or y4m in a pipe."""


@dataclass(frozen=True, slots=True)
class Task(JsonConfig):
    """One image to convert, or not, for a reason found in planning.

    `root` is the folder of the ledger that records the output; the options are resolved.
    """

    input: str
    output: str
    root: str
    options: ResolvedOptions
    verdict: Verdict = "convert"
    reason: str = ""


@dataclass(frozen=True)
class ClipTask(JsonConfig):
    """One clip, image sequence (`frames/%05d.png`) or animation to convert or not; otherwise like `Task`.

    `frames` are the resolved options of single frames; of `options` the others count.
    """

    input: str
    output: str
    root: str
    options: VideoOptions
    verdict: Verdict = "convert"
    reason: str = ""
    frames: ResolvedOptions = field(default_factory=ResolvedOptions, kw_only=True)
    input_kind: MediumKind = field(default="clip", kw_only=True)
    output_kind: MediumKind = field(default="clip", kw_only=True)


@dataclass(frozen=True)
class ClipRange(ClipTask):
    """Frames `first` to `stop`, that one excluded, of a clip: its segments alone are made, for the clip's own task."""

    first: int = field(default=0, kw_only=True)
    stop: int = field(default=0, kw_only=True)


@dataclass(frozen=True, slots=True)
class Row(JsonConfig):
    """Outcome of one task; `width` and `height` are the result's, 0 if none was made.

    `seconds` counts the work on this image alone, `error` is one line, `notes` has one line for each thing in the input
    that the result does not hold. `worker` names the process that made it, if there are several.
    """

    input: str
    output: str
    status: Status
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    error: str | None = None
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    worker: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True)
class ClipRow(Row):
    """Outcome of one clip, with the number of frames in the result."""

    frames: int = 0


def left_alone(task: Task | ClipTask) -> Row:
    """Row of a task that the plan skips, keeps or marks as failing."""
    statuses: dict[Verdict, Status] = {"skip": "skipped", "keep": "kept", "fail": "failed"}
    status = statuses[task.verdict]
    return Row(task.input, task.output, status, error=None if status == "skipped" else task.reason)


@dataclass(frozen=True)
class TaskResult:
    """Result of a task: its row, and for the ledger the record of what was written.

    `disk_full` is True if a full disk ended it, as it would any other task.
    """

    row: Row
    record: Record | None = None
    disk_full: bool = False


@dataclass(frozen=True)
class Outcome:
    """Result of the task at a position of the plan."""

    place: int
    result: TaskResult
    rates: dict[str, float] = field(default_factory=dict)
    """Tasks a second of each worker so far, where there are workers; empty if that was told a moment ago."""
    working: float | None = None
    """Seconds since the first of them was ready."""


@dataclass(frozen=True)
class Summary(JsonConfig):
    """Counts over all rows, wall seconds, and megapixels converted."""

    done: int = 0
    skipped: int = 0
    kept: int = 0
    failed: int = 0
    seconds: float = 0.0
    megapixels: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 if everything is done or was done before, 1 if something failed or was kept."""
        return 1 if self.failed or self.kept else 0
