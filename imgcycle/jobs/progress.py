"""Progress of a conversion: counts, remaining time, and when to stop early."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from imgcycle.jobs.events import Estimated, Event, Note, Progressed, RowFinished
from imgcycle.jobs.tasks import ClipRow, ClipTask, Row, Status, Summary, Task
from imgcycle.media.paths import shown

_ESTIMATE_AFTER = 3
_SAME_FAILURES = 20


class BatchProgress:
    """Counts rows, and decides when going on makes no sense; rows come in the order of tasks, of several `workers` as
    they may.
    """

    def __init__(
        self, tasks: Sequence[Task | ClipTask], begun: float, fail_fast: bool, workers: int | None = None
    ) -> None:
        self.tasks, self.begun, self.fail_fast, self.in_order = tasks, begun, fail_fast, workers is None
        self._telling = _ESTIMATE_AFTER * (workers or 1)
        self.total = len(tasks)
        self.weights = [_weight(task) for task in tasks]
        self.whole, self.passed = sum(self.weights), 0
        self.left = sum(weight > 0 for weight in self.weights)
        self.counts: dict[Status, int] = {"done": 0, "skipped": 0, "kept": 0, "failed": 0}
        self.megapixels = 0.0
        self.position = self.worked = 0
        self.over = False
        self._cause: tuple[str | None, int] = (None, 0)
        self._remarks: dict[str, dict[str, None]] = {}

    def progressed(self, position: int, share: float) -> Progressed:
        """Event for the net having done `share` of the task at `position`."""
        before = sum(self.weights[:position]) if self.in_order else self.passed
        passed = before + share * self.weights[position]
        return Progressed(self.tasks[position].input, share, passed / self.whole if self.whole else 1.0)

    def add(
        self, row: Row, full: bool = False, place: int | None = None, working: float | None = None
    ) -> Iterator[Event]:
        """Count a row; the events that follow from it. `full` tells that a full disk ended its task, which is the one
        at `place`, the next one by default. `working` are the seconds of work so far, by default all since the
        beginning: the start of workers, which is over, says nothing of what is to come.
        """
        place = self.position if place is None else place
        weight = self.weights[place]
        self.counts[row.status] += 1
        self.position += 1
        self.passed += weight
        self.left -= weight > 0
        self.megapixels += row.width * row.height * (row.frames if isinstance(row, ClipRow) else 1) / 1e6
        for note in row.notes:
            self._remarks.setdefault(note, {})[row.input] = None
        share = self.passed / self.whole if self.whole else 1.0
        yield RowFinished(row, self.position, self.total, share, place)
        self.worked += weight > 0
        if self.worked == self._telling and weight and self.left:
            elapsed = working or time.perf_counter() - self.begun
            yield Estimated(elapsed * (1 - share) / share, self.megapixels / elapsed)
        note = self._reason_to_stop(row, weight > 0, full)
        if note and self.left:
            self.over = True
            yield Note(f"{note}: stopped with {self.left} to go")

    def _reason_to_stop(self, row: Row, tried: bool, full: bool) -> str:
        if row.status == "done":
            self._cause = (None, 0)
        if row.status != "failed":
            return ""
        if self.fail_fast:
            return "a failure"
        if full:
            return "the disk is full"
        if not tried:  # known from the plan, so it does not predict later failures
            return ""
        cause, times = self._cause
        self._cause = (row.error, times + 1 if cause == row.error else 1)
        return f"{_SAME_FAILURES} failures in a row with one cause" if self._cause[1] >= _SAME_FAILURES else ""

    def remarks(self) -> Iterator[Note]:
        """A line for each thing that results do not hold of their inputs, with its count."""
        for note, inputs in self._remarks.items():
            first = shown(next(iter(inputs)))
            yield Note(f"{first}: {note}" if len(inputs) == 1 else f"{len(inputs)} pictures, {first} first: {note}")

    def summary(self) -> Summary:
        """Everything counted so far."""
        seconds = time.perf_counter() - self.begun
        return Summary(**self.counts, seconds=round(seconds, 3), megapixels=round(self.megapixels, 3))


def _weight(task: Task | ClipTask) -> int:
    """Work of a task in bytes, at least one; 0 for tasks that are not converted."""
    if task.verdict != "convert":
        return 0
    try:
        return max(1, Path(task.input).stat().st_size)
    except OSError:
        return 1
