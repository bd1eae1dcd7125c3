"""`imgcycle convert`: options turned into a request, events shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import typer

from imgcycle.cli.commands.convert_stream import check_streams, convert_stream, open_stdin
from imgcycle.cli.options import from_fields
from imgcycle.config.fields import PAGES, REPORT, WHICH, option
from imgcycle.config.images import ConvertRequest
from imgcycle.config.json import JsonConfig
from imgcycle.config.program import (
    MachineOptions,
    RecallOptions,
    ReportOptions,
    RunOptions,
    StylesChoice,
    ThreadOptions,
    WorkerOptions,
)
from imgcycle.config.request import STREAM

if TYPE_CHECKING:
    from imgcycle.config.program import Backend
    from imgcycle.engine.translator import Translator
    from imgcycle.jobs.budget import MemoryBudget
    from imgcycle.jobs.events import Event
    from imgcycle.jobs.images.batch import StyleJob
    from imgcycle.jobs.images.pages import Pages
    from imgcycle.jobs.images.styles import StyleSelection
    from imgcycle.jobs.pools.driver import TaskPool
    from imgcycle.jobs.pools.setup import WorkerPlan
    from imgcycle.jobs.tasks import Summary, Task
    from imgcycle.jobs.watch.rounds import CarryOut

    Course = Callable[[Sequence[StyleJob], CarryOut], Iterator[Event]]
    from imgcycle.weights.mix import ChosenStyle


@dataclass(frozen=True, kw_only=True)
class ListOptions(JsonConfig):
    """Lists of names, as input and output."""

    files_from: str | None = option(
        None, "Read inputs from a file, one a line; - for stdin.", panel=WHICH, metavar="FILE"
    )
    null: bool = option(False, "Names in lists end in NUL, not in newlines.", panel=WHICH, names=("-0", "--null"))
    failed_list: Path | None = option(None, "Write the inputs that failed, for --files-from.", panel=REPORT)


@dataclass(frozen=True, kw_only=True)
class PageOptions(JsonConfig):
    """Pages that show inputs and results side by side."""

    sheet: Path | None = option(None, "Draw all inputs and results as one picture.", panel=PAGES)
    gallery: Path | None = option(
        None, "Write one self-contained web page with before/after sliders.", panel=PAGES, metavar="FILE.html"
    )


@dataclass(frozen=True, kw_only=True)
class WatchOptions(JsonConfig):
    """Going on with what arrives in the inputs."""

    watch: bool = option(False, "Keep converting files that arrive in the folders, until Ctrl-C.", panel=WHICH)
    watch_every: float = option(5.0, "Seconds between two looks at the folders.", panel=WHICH, low=0.1, high=86_400)


@from_fields
def convert(
    choice: StylesChoice,
    program: RecallOptions,
    request: ConvertRequest,
    lists: ListOptions,
    watching: WatchOptions,
    pages: PageOptions,
    machine: MachineOptions,
    threads: ThreadOptions,
    shared: WorkerOptions,
    todo: RunOptions,
    report: ReportOptions,
) -> None:
    """Convert pictures: every one, at its own size, into a tree like the one it came from."""
    del program  # heeded before a command begins
    from imgcycle.cli.interrupts import graceful_exit
    from imgcycle.cli.prompt import offer, say_damage
    from imgcycle.cli.render.console import say
    from imgcycle.jobs.budget import MemoryBudget
    from imgcycle.jobs.images.styles import ALL, local_styles, plan_style_jobs
    from imgcycle.jobs.pools.setup import plan_workers
    from imgcycle.jobs.translators import open_style
    from imgcycle.weights.mix import find_styles

    request = _with_lists(request, lists)
    memory = MemoryBudget.asked(machine.memory)
    viewing = _viewing(pages, request.overwrite)
    streams = STREAM in request.inputs or request.output == STREAM
    if streams:
        check_streams(request, viewing is not None, choice.style == ALL, report.json_lines, todo.dry_run)
    if watching.watch:
        _check_watch(request, viewing is not None, streams, todo.dry_run)
    if choice.style == ALL and choice.direction != "A2B":
        raise typer.BadParameter(
            "chooses inside one style; the styles of `--to all` lead one way", param_hint="--direction"
        )
    if choice.style == ALL:
        say_damage()
    else:
        offer(choice.style, choice.direction, ask=not (report.quiet or report.json_lines or todo.dry_run))

    workers = plan_workers(machine, shared, memory, todo.dry_run)
    if streams and workers is not None:
        raise typer.BadParameter("one picture is no work for several processes", param_hint="--workers")

    def opened(found: ChosenStyle) -> Translator:
        import imgcycle.jobs.images.pipeline  # noqa: F401 - what the work needs, before signals become exceptions

        if workers is not None:  # here it is for planning alone
            return open_style(found, "cpu", "fp32")
        return open_style(found, machine.device, machine.precision, machine.backend)

    # Until something is written, Ctrl-C ends the process at once (`imgcycle/__main__.py`).
    styles = local_styles() if choice.style == ALL else [find_styles(choice.style, choice.direction, choice.range)]
    if streams:
        translator = opened(styles[0])
        with graceful_exit():
            convert_stream(request, translator, memory)
        return
    found = plan_style_jobs(request, styles, opened)
    tasks = [task for work in found.style_jobs for task in work.plan.tasks]
    _check_side_outputs(viewing, lists, tasks, memory)
    for line in found.refused:
        say(f"imgcycle: {line}")
    if todo.dry_run:
        _show_plans(found.style_jobs, pages, memory, report)
        raise typer.Exit(1 if found.refused or any(task.verdict == "fail" for task in tasks) else 0)

    with graceful_exit(), workers.pool() if workers is not None else nullcontext() as pool:
        jobs = found.style_jobs if workers is None else _ordered(found, workers, machine.backend, memory, threads.jobs)
        course = _course(request, found, watching, viewing)
        summary = _convert_trees(jobs, course, memory, threads.jobs, pool, todo.fail_fast, lists, report)
    if summary.exit_code or found.refused:
        raise typer.Exit(summary.exit_code or 1)


def _course(request: ConvertRequest, found: StyleSelection, watching: WatchOptions, viewing: Pages | None) -> Course:
    """How plans are carried out: once, with pages at the end, or again and again as inputs arrive."""

    def course(jobs: Sequence[StyleJob], carry_out: CarryOut) -> Iterator[Event]:
        if watching.watch:
            from imgcycle.jobs.watch.rounds import watch

            return watch(jobs, request, carry_out, watching.watch_every, apart=found.apart)
        if viewing is None:
            return carry_out(jobs)

        from imgcycle.jobs.images.pages import credit_for, with_pages

        both = zip(found.styles, found.style_jobs, strict=True)
        credits = [credit_for(style, work.style, request.options) for style, work in both]
        return with_pages(carry_out(jobs), found.style_jobs, credits, viewing)

    return course


def _check_watch(request: ConvertRequest, viewing: bool, streams: bool, dry_run: bool) -> None:
    """UsageError for what has no sense while inputs are still arriving."""
    from imgcycle.errors import UsageError
    from imgcycle.media.remote import is_remote

    why = {
        "- is one picture, and nothing arrives in it": streams,
        "--sheet and --gallery show what is complete": viewing,
        "--dry-run tells what would be done now, and ends": dry_run,
        "folders of this machine are watched": any(map(is_remote, (*request.inputs, request.output or ""))),
        "--sample and --limit choose from what is complete": request.sample is not None or request.limit is not None,
    }
    for reason, given in why.items():
        if given:
            raise UsageError(f"--watch converts files as they arrive: {reason}", "leave one of the two out")


def _viewing(pages: PageOptions, overwrite: bool) -> Pages | None:
    """The pages asked for; None if there are none, as nearly always, so that what draws them is not imported."""
    if pages.sheet is None and pages.gallery is None:
        return None

    from imgcycle.jobs.images.pages import Pages

    return Pages(pages.sheet, pages.gallery, overwrite)


def _check_side_outputs(viewing: Pages | None, lists: ListOptions, tasks: Sequence[Task], memory: MemoryBudget) -> None:
    """UsageError if a page or a list cannot be written, or would replace an input or a result."""
    if viewing is not None:
        viewing.check(tasks, memory)
    if lists.failed_list is not None:
        from imgcycle.jobs.side_outputs import check_place

        check_place("--failed-list", lists.failed_list, tasks)


def _ordered(
    found: StyleSelection, workers: WorkerPlan, backend: Backend, memory: MemoryBudget, jobs: int
) -> tuple[StyleJob, ...]:
    """The works with what workers are told of their styles."""
    both = zip(found.styles, found.style_jobs, strict=True)
    return tuple(
        replace(work, order=workers.order(style, work.style, backend, memory, jobs, work.plan.tasks))
        for style, work in both
    )


def _with_lists(request: ConvertRequest, lists: ListOptions) -> ConvertRequest:
    """The request with the inputs of a list added to its own; BadParameter if there are none."""
    if lists.files_from:
        return replace(request, inputs=(*request.inputs, *_listed(lists.files_from, lists.null)))
    if not request.inputs:
        raise typer.BadParameter("name at least one picture or folder", param_hint="INPUT")
    return request


def _listed(source: str, null: bool) -> list[str]:
    """Names in a list, as bytes of the file system, so that every name is possible."""
    import os

    from imgcycle.errors import UsageError, reported
    from imgcycle.media.paths import shown

    with (
        reported(UsageError, f"--files-from {shown(source)} cannot be read"),
        nullcontext(open_stdin()) if source == STREAM else Path(source).open("rb") as file,
    ):
        names = _parts(file, b"\0") if null else (line.rstrip(b"\r") for line in _parts(file, b"\n"))
        return [os.fsdecode(name) for name in names if name]


def _parts(file: BinaryIO, end: bytes) -> Iterator[bytes]:
    """What stands between ends in a file, a megabyte in memory at a time: lists may hold millions of names."""
    left = b""
    while data := file.read(2**20):
        *whole, left = (left + data).split(end)
        yield from whole
    yield left


def _convert_trees(
    style_jobs: Sequence[StyleJob],
    course: Course,
    memory: MemoryBudget,
    jobs: int,
    pool: TaskPool | None,
    fail_fast: bool,
    lists: ListOptions,
    report: ReportOptions,
) -> Summary:
    from imgcycle.cli.render.convert import listening
    from imgcycle.jobs.events import Ended, RowFinished
    from imgcycle.jobs.images.batch import convert_styles
    from imgcycle.jobs.tasks import Summary

    # With several styles an input may fail more than once, and should be listed once.
    failures: dict[str, None] = {}
    summary = Summary()
    with listening(quiet=report.quiet, verbose=report.verbose, json_lines=report.json_lines) as listener:

        def carry_out(works: Sequence[StyleJob]) -> Iterator[Event]:
            return convert_styles(works, jobs, fail_fast, memory, listener, pool)

        for event in course(style_jobs, carry_out):
            listener(event)
            if isinstance(event, RowFinished) and event.row.status == "failed":
                failures[event.row.input] = None
            if isinstance(event, Ended):
                summary = event.summary
                # Here, since a page that cannot be written raises after this event.
                if lists.failed_list is not None:
                    _write_list(lists.failed_list, failures, b"\0" if lists.null else b"\n")
    return summary


def _write_list(path: Path, names: Iterable[str], end: bytes) -> None:
    """Write a list that `_listed` can read; OutputError if it cannot be written."""
    import os

    from imgcycle.errors import OutputError, reported
    from imgcycle.media.files import atomic_write
    from imgcycle.media.paths import shown

    with reported(OutputError, f"--failed-list {shown(path)} cannot be written"), atomic_write(path) as file:
        file.write(b"".join(os.fsencode(name) + end for name in names))


def _show_plans(
    style_jobs: Sequence[StyleJob], pages: PageOptions, memory: MemoryBudget, report: ReportOptions
) -> None:
    from imgcycle.cli.render.console import emit, emit_json, say
    from imgcycle.jobs.images.batch import check_all_memory, joined
    from imgcycle.media.paths import shown

    check_all_memory(style_jobs, memory)
    for work in style_jobs:
        translator = work.open() if report.verbose else None
        for task in work.plan.tasks:
            how = None
            if translator is not None and task.verdict == "convert":
                how = _how(task, translator, memory)
            if report.json_lines:
                emit_json({"schema": 1, **task.to_dict(), **({} if how is None else {"plan": how})})
                continue
            reason = f"  ({task.verdict}: {task.reason})" if task.reason else ""
            emit(f"{shown(task.input)} → {shown(task.output)}{reason}" if task.output else shown(task.input) + reason)
            if how is not None:
                emit(f"    {how}")
    if not report.json_lines:
        whole = joined(style_jobs)
        for note in whole.notes:
            say(note)
        for path in (pages.sheet, pages.gallery):
            if path is not None:
                say(f"{shown(path)} would show them")
        say(f"{len(whole.to_convert)} of {len(whole.tasks)} would be converted")


def _how(task: Task, translator: Translator, memory: MemoryBudget) -> str:
    """Description of the plan for one image."""
    from imgcycle.errors import ImgcycleError
    from imgcycle.jobs.images.cost import plan_file

    try:
        return str(plan_file(task, translator, memory))
    except ImgcycleError as error:
        return str(error)
