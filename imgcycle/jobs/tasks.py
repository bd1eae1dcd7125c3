"""What a conversion is made of: tasks go in, rows come out, both plain data that can cross a process border."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from imgcycle.config import JsonConfig, VideoOptions
from imgcycle.jobs.ledger import Record
from imgcycle.jobs.recipe import ResolvedFrames, ResolvedOptions

Status = Literal["done", "skipped", "kept", "failed"]
Verdict = Literal["convert", "skip", "keep", "fail"]
"""Two ways to leave alone what is there or is no business of a command, and what could not even be looked at."""
MediumKind = Literal["clip", "sequence", "animation"]
"""What holds frames: a video file, numbered pictures, or one picture that moves."""


@dataclass(frozen=True)
class Task(JsonConfig):
    """One picture to convert, or to leave alone for a reason that the plan found.

    `root` is the folder whose ledger tells of the output; the options have met the style that it is for.
    """

    input: str
    output: str
    root: str
    options: ResolvedOptions
    verdict: Verdict = "convert"
    reason: str = ""


@dataclass(frozen=True)
class ClipTask(JsonConfig):
    """One clip, image sequence (`frames/%05d.png`) or animation to convert or to leave alone; else as `Task`.

    `frames` are the options of single frames, which have met the style; of `options` the others count.
    """

    input: str
    output: str
    root: str
    options: VideoOptions
    verdict: Verdict = "convert"
    reason: str = ""
    frames: ResolvedFrames = field(default_factory=ResolvedFrames, kw_only=True)
    input_kind: MediumKind = field(default="clip", kw_only=True)
    output_kind: MediumKind = field(default="clip", kw_only=True)


@dataclass(frozen=True)
class Row(JsonConfig):
    """What became of one task; `width` and `height` are the result's, 0 where none was made.

    `seconds` counts the work on this picture alone, `error` is one line, `notes` say in a line each what of the input
    the result does not hold. `worker` names the process that made it, where there are several.
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


@dataclass(frozen=True)
class ClipRow(Row):
    """What became of one clip, with the number of frames in the result."""

    frames: int = 0


@dataclass(frozen=True)
class TaskResult:
    """What a task came to: its row, and for the ledger what was written.

    `disk_full` tells that a full disk ended it, as it would end every other.
    """

    row: Row
    record: Record | None = None
    disk_full: bool = False


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
        """0 when everything is done or was done before, 1 when something failed or was kept."""
        return 1 if self.failed or self.kept else 0
