"""Conversion of images: one (`convert_image`), all of a plan (`convert_styles`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imgcycle.config import ConvertOptions
from imgcycle.engine.translator import Style, Translator
from imgcycle.errors import InputError, UsageError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.disk import check_disk
from imgcycle.jobs.events import Ended, Event, Planned, WorkerRates
from imgcycle.jobs.images import image, pipeline
from imgcycle.jobs.images.animated import converted_animation
from imgcycle.jobs.images.cost import check_memory, plan_bytes, plan_file
from imgcycle.jobs.images.plan import Plan
from imgcycle.jobs.ledger import Ledger, at_work
from imgcycle.jobs.pools.driver import Driver, Outcome, TaskPool
from imgcycle.jobs.pools.worker import WorkOrder
from imgcycle.jobs.progress import BatchProgress
from imgcycle.jobs.recipe import resolve, result_recipe, with_mask
from imgcycle.jobs.tasks import Row, Task
from imgcycle.jobs.translators import translator_for
from imgcycle.media import formats
from imgcycle.media.animation.frames import Animation
from imgcycle.media.formats import Format
from imgcycle.media.inputs import Source
from imgcycle.media.outputs import WRITTEN, check_suffix
from imgcycle.media.paths import same_file


def convert_image(
    input: str | Path,
    output: str | Path,
    style: Translator | str,
    options: ConvertOptions | None = None,
    memory: MemoryBudget | None = None,
    *,
    progress: Callable[[float], None] | None = None,
) -> Row:
    """Convert one picture file to another, at its own size, with its metadata as far as still true.

    Parameters
    ----------
    input
        A picture file.
    output
        The result; its suffix chooses the format. One that exists is replaced, unless it is the input.
    style
        What `load_translator` gave, or the name of a style, a weights file or a run folder.
    options
        How it is converted (`ConvertOptions`).
    memory
        What the process may take; by default a quarter of the installed memory, as a guide.
    progress
        Hears the share of the net's work that is done, 0 to 1.

    Returns
    -------
    Row
        Size of the result, seconds, and what of the input it does not hold.

    Raises
    ------
    UsageError
        When the output is the input or has a suffix of no format that is written, and when `memory` is too small.
    InputError, OutputError
        When the picture cannot be read, or the result cannot be written; then no output was written.

    Examples
    --------
    >>> from imgcycle import ConvertOptions, convert_image
    >>> row = convert_image("a.jpg", "a-monet.jpg", "monet", ConvertOptions(strength=0.7))
    """
    source, target = Path(input), Path(output)
    translator = translator_for(style)
    if same_file(source, target):
        raise UsageError(f"{target} is itself the input and is never written over")
    check_suffix(target)
    if target.suffix and formats.by_suffix(target) is None:
        raise UsageError(f"{target}: {target.suffix} stands for no format", f"end the name in one of {WRITTEN}")
    resolved, missing = with_mask(resolve(options or ConvertOptions(), translator.style), Source(source))
    if missing:
        raise InputError(missing)
    task = Task(str(source), str(target), str(target.parent), resolved)
    started = time.perf_counter()
    memory = memory or MemoryBudget.default()
    read = pipeline.open_picture(task, plan_file(task, translator, memory))
    try:
        read.translate(translator, memory, progress)
        written = pipeline.write_picture(task, read, translator.style)
    finally:
        read.close()
    if progress is not None:
        progress(1.0)
    return replace(written.row, seconds=round(time.perf_counter() - started, 4))


def convert_bytes(
    data: bytes,
    translator: Translator,
    options: ConvertOptions,
    format: str | Format = "same",
    memory: MemoryBudget | None = None,
    on_note: Callable[[str], None] | None = None,
) -> bytes:
    """Convert the bytes of one image file to those of another format, by name or as in `formats.CHOICES`.

    `on_note` is called with one line for each thing in the input that the result does not hold.
    """
    memory = memory or MemoryBudget.default()
    wanted = formats.CHOICES.get(format) if isinstance(format, str) else format
    suffix = "" if wanted is None else wanted.suffixes[0]
    resolved = resolve(options, translator.style)
    plan = plan_bytes(data, Task("", f"result{suffix}", "", resolved), translator, memory)
    found = image.decoded(data, "", resolved)
    target = wanted or formats.written_as(found.format)
    if isinstance(found, Animation) and target.animated:
        made, notes = converted_animation(found, data, translator, resolved, target, memory, plan)
    else:
        ready = image.prepared(found, data, resolved)
        plan = image.plan_for_frame(ready.frame, plan, resolved, translator, memory)
        result = image.translate_frame(ready.frame, resolved, translator, plan)
        recipe = result_recipe(resolved, translator, plan.deep, ready.digest)
        made = image.encode_result(ready, result, resolved, recipe, target)
        notes = ready.notes(target, resolved.strip)
    for note in notes:
        if on_note is not None:
            on_note(note)
    return made


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
    as they are made. At most `jobs` + 1 pictures wait before the net and
    as many after it, fewer when they are large. When the consumer stops, or Ctrl-C comes, what is being written is
    finished, the rest is left. A full disk, twenty failures in a row with one cause, or with `fail_fast` the first
    failure, end the work early with a note. OutputError when the disk is too small from the start, UsageError when a
    promised `memory` is.

    `listener` hears how far the net is with a picture (`Progressed`), which happens between the events given here.
    """
    whole = joined(style_jobs)
    begun = time.perf_counter()
    count = [t.verdict for t in whole.tasks].count
    yield Planned(len(whole.tasks), count("convert"), count("skip"), count("keep"), whole.notes)
    counts = BatchProgress(whole.tasks, begun, fail_fast, in_order=pool is None)
    memory = memory or MemoryBudget.default()
    if whole.to_convert:
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
    refused: UsageError | None = None
    for work in style_jobs if memory.promised else ():
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
            yield from counts.add(pipeline.left_alone(task), place=place)
        return
    roots = {Path(t.root) for t in wanted}
    ledgers = {str(root): Ledger(root) for root in roots}

    def hear(place: int, told: float | Event) -> None:
        if isinstance(told, float):
            heard(first + place, told)
        elif listener is not None:
            listener(told)

    with at_work(roots, {Path(t.output).parent for t in wanted}) as sweep:
        if pool is None:
            made = pipeline.rows(tasks, work.open(), jobs, memory, hear)
            outcomes: Iterator[Outcome] = map(Outcome, range(len(tasks)), made)
        else:
            assert work.order is not None
            outcomes = Driver(tasks, pool, work.order, hear).run()
        for outcome in outcomes:
            result = outcome.result
            if result.record is not None:
                ledgers[tasks[outcome.place].root].append(result.record)
            yield from counts.add(result.row, result.disk_full, first + outcome.place)
            if outcome.rates:
                yield WorkerRates(outcome.rates)
            if counts.over:
                return
        if pool is not None:
            sweep()
