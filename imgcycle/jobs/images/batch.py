"""Conversion of whole folders of images: from Python (`convert_images`), and plans carried out (`convert_styles`).

Nothing here imports torch until there is an image to convert: a list of thousands that are all done is looked through
in less time than that takes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imgcycle.config import ConvertOptions, ConvertRequest
from imgcycle.errors import UsageError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.events import Ended, Event, Planned, RowFinished, WorkerRates, heard
from imgcycle.jobs.images.plan import Plan, plan
from imgcycle.jobs.ledger import at_work
from imgcycle.jobs.progress import BatchProgress
from imgcycle.jobs.results.ledger import ledger_at
from imgcycle.jobs.tasks import Outcome, Row, left_alone

if TYPE_CHECKING:
    from imgcycle.engine.style import Style
    from imgcycle.engine.translator import Translator
    from imgcycle.jobs.pools.driver import TaskPool
    from imgcycle.jobs.pools.worker import WorkOrder

Name = str | os.PathLike[str]


def convert_images(
    inputs: Name | Iterable[Name],
    output: Name | None,
    style: Translator | str,
    options: ConvertOptions | None = None,
    *,
    request: ConvertRequest | None = None,
    jobs: int = 2,
    fail_fast: bool = False,
    memory: MemoryBudget | None = None,
    progress: Callable[[float], None] | None = None,
    listener: Callable[[Event], None] | None = None,
) -> list[Row]:
    """Convert whole folders of pictures: every one, at its own size, into a tree like the one it came from.

    Parameters
    ----------
    inputs
        A file, a folder or a glob, or several of them. Results of imgcycle among them are left out.
    output
        The folder for the results, or a file for a single input; None is `photos-monet/` beside `photos/`.
    style
        What `load_translator` gave, or the name of a style, a weights file or a run folder.
    options
        How the pictures are converted (`ConvertOptions`).
    request
        What else there is to say of inputs and outputs: `recursive`, `update`, `overwrite`, `format`, `name`, `sample`,
        `limit` of a `ConvertRequest`, whose own inputs, output and options are not used.
    jobs
        Threads that read, and as many that write.
    fail_fast
        End with the first failure.
    memory
        What the process may take; by default a quarter of the installed memory, as a guide.
    progress
        Hears the share of all the work that is done, 0 to 1.
    listener
        Hears every event (`imgcycle.jobs.events`), in order.

    Returns
    -------
    list[Row]
        What became of each input, in order: `status` is `done`, `skipped` (done before), `kept` (another file is in
        its place) or `failed`, with the reason in `error`. One bad file does not keep the others from being made.

    Raises
    ------
    UsageError
        When the plan cannot be carried out: an output that is an input, two inputs for one output.
    UnknownStyle, WeightsError
        For a style that is not there, or is damaged.
    OutputError
        When the disk is too small for the results.

    Examples
    --------
    >>> from imgcycle import convert_images
    >>> rows = convert_images("photos/", "painted/", "monet", progress=lambda share: print(f"{share:.0%}"))
    >>> failed = [row.input for row in rows if row.status == "failed"]
    """
    from imgcycle.jobs.translators import translator_for

    translator = translator_for(style)
    given = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    wanted = replace(
        request or ConvertRequest(()),
        inputs=tuple(os.fspath(name) for name in given),
        output=None if output is None else _folder(os.fspath(output), given),
        options=options or ConvertOptions(),
    )
    hear = heard(listener, progress)
    rows = []
    for event in convert_all(plan(wanted, translator.style), translator, jobs, fail_fast, memory, hear):
        hear(event)
        if isinstance(event, RowFinished):
            rows.append(event.row)
    return rows


def _folder(output: str, inputs: list[Name]) -> str:
    """Output for several inputs, or for a folder: a folder even without a trailing slash."""
    single = len(inputs) == 1 and Path(inputs[0]).is_file()
    return output if single or output.endswith(("/", os.sep)) else output + os.sep


@dataclass(frozen=True)
class StyleJob:
    """A plan with the style it is for; `open` makes the translator when its turn has come, so that of many nets one is
    in memory at a time. `order` is what workers in other processes are told of the style."""

    plan: Plan
    style: Style
    open: Callable[[], Translator]
    order: WorkOrder | None = None


def convert_all(
    plan: Plan,
    translator: Translator,
    jobs: int = 2,
    fail_fast: bool = False,
    memory: MemoryBudget | None = None,
    listener: Callable[[Event], None] | None = None,
) -> Iterator[Event]:
    """Carry out a plan: `convert_styles` with a single one."""
    return convert_styles([StyleJob(plan, translator.style, lambda: translator)], jobs, fail_fast, memory, listener)


def convert_styles(
    style_jobs: Sequence[StyleJob],
    jobs: int = 2,
    fail_fast: bool = False,
    memory: MemoryBudget | None = None,
    listener: Callable[[Event], None] | None = None,
    pool: TaskPool | None = None,
) -> Iterator[Event]:
    """Carry out plans, style by style, as one work: decode and encode in `jobs` threads each while a net works.

    Rows come in the order of the plans, and of the tasks in each; of a `pool` of processes, which then does the work,
    as they are made. At most `jobs` + 1 pictures wait before the net and as many after it, fewer when they are large.
    When the consumer stops, or Ctrl-C comes, what is being written is finished, the rest is left. A full disk, twenty
    failures in a row with one cause, or with `fail_fast` the first failure, end the work early with a note. OutputError
    when the disk is too small from the start, UsageError when a promised `memory` is.

    `listener` hears how far the net is with a picture (`Progressed`), which happens between the events given here.
    """
    whole = joined(style_jobs)
    begun = time.perf_counter()
    count = [t.verdict for t in whole.tasks].count
    yield Planned(len(whole.tasks), count("convert"), count("skip"), count("keep"), whole.notes)
    counts = BatchProgress(whole.tasks, begun, fail_fast, None if pool is None else len(pool.workers))
    memory = memory or MemoryBudget.default()
    if whole.to_convert:
        from imgcycle.jobs.disk import check_disk

        check_disk(whole)
        check_all_memory(style_jobs, memory)

    def heard(position: int, share: float) -> None:
        if listener is not None:
            listener(counts.progressed(position, share))

    first = 0
    for work in style_jobs:
        yield from _carried_out(work, first, counts, jobs, memory, heard, listener, pool)
        first += len(work.plan.tasks)
        if counts.over:
            break
    yield from counts.remarks()
    yield Ended(counts.summary())


def joined(style_jobs: Sequence[StyleJob]) -> Plan:
    """All the plans as one."""
    tasks = (task for work in style_jobs for task in work.plan.tasks)
    return Plan(tuple(tasks), tuple(note for work in style_jobs for note in work.plan.notes))


def check_all_memory(style_jobs: Sequence[StyleJob], memory: MemoryBudget) -> None:
    """`check_memory` for the images of all styles, before the first one."""
    if not memory.promised:
        return

    from imgcycle.jobs.images.cost import check_memory

    refused: UsageError | None = None
    for work in style_jobs:
        if not work.plan.to_convert:
            continue
        try:
            check_memory(work.plan.to_convert, work.open(), memory)
            return
        except UsageError as error:
            refused = error
    if refused is not None:
        raise refused


def _carried_out(
    work: StyleJob,
    first: int,
    counts: BatchProgress,
    jobs: int,
    memory: MemoryBudget,
    heard: Callable[[int, float], None],
    listener: Callable[[Event], None] | None,
    pool: TaskPool | None,
) -> Iterator[Event]:
    """One plan, whose tasks have their places in the whole from `first` on."""
    tasks, wanted = work.plan.tasks, work.plan.to_convert
    if not wanted:
        for place, task in enumerate(tasks, first):
            yield from counts.add(left_alone(task), place=place)
        return
    roots = {Path(t.root) for t in wanted}
    ledgers = {root: ledger_at(Path(root)) for root in {t.root for t in wanted}}

    def hear(place: int, told: float | Event) -> None:
        if isinstance(told, float):
            heard(first + place, told)
        elif listener is not None:
            listener(told)

    with ExitStack() as stack:
        sweep = stack.enter_context(at_work(roots, {Path(t.output).parent for t in wanted}))
        for ledger in ledgers.values():
            stack.callback(ledger.close)
        for outcome in _outcomes(work, jobs, memory, hear, pool):
            result = outcome.result
            if result.record is not None:
                ledgers[tasks[outcome.place].root].append(result.record)
            yield from counts.add(result.row, result.disk_full, first + outcome.place, outcome.working)
            if outcome.rates:
                yield WorkerRates(outcome.rates)
            if counts.over:
                return
        if pool is not None:
            sweep()


def _outcomes(
    work: StyleJob, jobs: int, memory: MemoryBudget, hear: Callable[[int, float | Event], None], pool: TaskPool | None
) -> Iterator[Outcome]:
    """Results of a plan's tasks, made in this process or in those of a pool."""
    tasks = work.plan.tasks
    if pool is not None:
        from imgcycle.jobs.pools.driver import Driver

        assert work.order is not None
        return Driver(tasks, pool, work.order, hear).run()

    from imgcycle.jobs.images import pipeline

    return map(Outcome, range(len(tasks)), pipeline.rows(tasks, work.open(), jobs, memory, hear))
