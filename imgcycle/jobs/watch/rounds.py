"""Rounds of conversion: first what is there, then what arrives, planned and recorded as by a run of its own.

A round is the plan of a whole run, of which only the tasks of files that arrived or changed are carried out: names,
ledger, recipes and verdicts are those that the same command would have by itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from imgcycle.config import ConvertRequest
from imgcycle.errors import ImgcycleError, OutputError, UsageError
from imgcycle.jobs.events import Ended, Event, Note, RoundEnded, RowFinished
from imgcycle.jobs.images.batch import StyleJob
from imgcycle.jobs.images.plan import Arrivals, Plan, find_inputs, plan_styles, read_recipe
from imgcycle.jobs.tasks import Row, Summary
from imgcycle.jobs.watch.looks import Looks
from imgcycle.media.paths import shown

CarryOut = Callable[[Sequence[StyleJob]], Iterator[Event]]
"""Carries out plans: the events of it."""


def watch(
    style_jobs: Sequence[StyleJob],
    request: ConvertRequest,
    carry_out: CarryOut,
    every: float = 5.0,
    *,
    apart: bool = False,
    looks: Looks | None = None,
    pause: Callable[[float], None] | None = None,
) -> Iterator[Event]:
    """Carry out plans, then plan and convert what arrives in their inputs, until Ctrl-C or a reason to stop.

    Inputs are looked at every so many seconds; a file is taken once it is complete (`Looks`). Files that vanish before
    they are read are passed over. `RoundEnded` follows each round, `Ended` counts all of them: it comes when
    KeyboardInterrupt is raised between rounds, when nothing is unfinished; within one it is raised on. `apart` is as
    for `plan_styles`.
    """
    looks, total = looks or Looks(), _Total()
    recipes = _Recipes()
    several = len({argument for argument in request.inputs if os.path.isdir(argument)}) > 1  # noqa: PTH112
    tasks = [task for work in style_jobs for task in work.plan.tasks]
    ready = set(looks.look(dict.fromkeys(task.input for task in tasks)))
    # What is left as it is needs no complete file; its state now is the one that was judged.
    looks.done({task.input for task in tasks if task.verdict != "convert"} | ready)
    yield from total.round([_only(work, ready) for work in style_jobs], carry_out)
    if not total.over:
        yield Note(f"waiting for pictures in {_places(request)}, looking every {every:g} s; Ctrl-C ends it")
    names: list[str] = []
    while not total.over:
        try:
            (pause or time.sleep)(every)
            found = [source.name for source in find_inputs(request, tolerant=True).sources]
            names = looks.look(found)
            if not names:
                continue
            looks.done(names)
            arrived = Arrivals(frozenset(names), several, recipes)
            plans = plan_styles(request, [work.style for work in style_jobs], apart, arrived)
        except KeyboardInterrupt:
            break
        except ImgcycleError as error:
            yield from total.refuse(error, len(names))
            continue
        works = [replace(work, plan=plan) for work, plan in zip(style_jobs, plans, strict=True)]
        if any(plan.tasks for plan in plans):
            yield from total.round(works, carry_out)
    yield Ended(total.summary())


def _only(work: StyleJob, names: set[str]) -> StyleJob:
    """The first plan without files that are not complete yet."""
    tasks = tuple(task for task in work.plan.tasks if task.verdict != "convert" or task.input in names)
    return replace(work, plan=Plan(tasks, work.plan.notes))


def _places(request: ConvertRequest) -> str:
    first = shown(request.inputs[0])
    more = len(request.inputs) - 1
    return first if not more else f"{first} and {more} more"


class _Recipes:
    """Recipes in files, each read once as long as the file stays what it is."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, int], dict[str, Any] | None]] = {}

    def __call__(self, name: str) -> dict[str, Any] | None:
        try:
            facts = os.stat(name)  # noqa: PTH116
        except OSError:
            return None
        state = facts.st_size, facts.st_mtime_ns
        known = self._known.get(name)
        if known is None or known[0] != state:
            known = self._known[name] = state, read_recipe(name)
        return known[1]


class _Total:
    """Counts over all rounds, and whether there is a reason to stop."""

    def __init__(self) -> None:
        self.over = False
        self._sum = Summary()
        self._begun = time.perf_counter()

    def round(self, works: Sequence[StyleJob], carry_out: CarryOut) -> Iterator[Event]:
        """The events of one round, with its own end, and without files that were gone when they were to be read."""
        planned, rows = sum(len(work.plan.tasks) for work in works), list[Row]()
        begun, vanished = time.perf_counter(), 0
        try:
            for event in carry_out(works):
                if isinstance(event, RowFinished):
                    if event.row.status == "failed" and not os.path.lexists(event.row.input):
                        vanished += 1
                        continue
                    rows.append(event.row)
                if not isinstance(event, Ended):
                    yield event
        except OutputError:  # of the disk, which the next round would find as it is
            raise
        except UsageError as error:  # of these pictures: one that is too large for the memory, say
            yield from self.refuse(error, planned - len(rows) - vanished)
            return
        self.over = len(rows) + vanished < planned
        made = _counted(rows, time.perf_counter() - begun)
        self._sum = _added(self._sum, made)
        if rows:
            yield RoundEnded(made)

    def refuse(self, error: ImgcycleError, count: int) -> Iterator[Event]:
        """Count files that could not be planned or begun, with one line for all."""
        self._sum = _added(self._sum, Summary(failed=count))
        yield Note(str(error))

    def summary(self) -> Summary:
        """Everything counted so far."""
        return replace(self._sum, seconds=round(time.perf_counter() - self._begun, 3))


def _counted(rows: Sequence[Row], seconds: float) -> Summary:
    count = [row.status for row in rows].count
    pixels = sum(row.width * row.height for row in rows)
    return Summary(
        count("done"), count("skipped"), count("kept"), count("failed"), round(seconds, 3), round(pixels / 1e6, 3)
    )


def _added(one: Summary, other: Summary) -> Summary:
    return Summary(
        one.done + other.done,
        one.skipped + other.skipped,
        one.kept + other.kept,
        one.failed + other.failed,
        one.seconds + other.seconds,
        round(one.megapixels + other.megapixels, 3),
    )
