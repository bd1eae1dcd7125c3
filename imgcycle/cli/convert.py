"""`imgcycle convert`: options turned into a request, events shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgcycle.cli import options as o
from imgcycle.cli.convert_stream import STREAM, check_streams, convert_stream, read_stdin

if TYPE_CHECKING:
    from imgcycle.engine.translator import Translator
    from imgcycle.jobs.budget import MemoryBudget
    from imgcycle.jobs.events import Event
    from imgcycle.jobs.images.pages import Pages
    from imgcycle.jobs.images.run import StyleJob
    from imgcycle.jobs.tasks import Summary, Task
    from imgcycle.weights.find import FoundStyle

CHOICE, PAGES = "Which inputs", "To look at"


def _option(*names: str, help: str, panel: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


def convert(
    style: Annotated[
        str,
        typer.Option(
            "--to",
            "--style",
            metavar="STYLE",
            help="A style's name, a weights file, a run folder of train, or all: every style that is here.",
            show_default=False,
        ),
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT...", help="Pictures, folders, globs; - for one on stdin.", show_default=False),
    ] = None,
    output: Annotated[
        str | None,
        _option(
            "-o",
            "--output",
            help="A folder, a file for one input, or - for stdout.  [default: photos-STYLE beside photos/]",
            show_default=False,
            panel=o.WHERE,
        ),
    ] = None,
    name: Annotated[
        str | None,
        _option("--name", help="Names of outputs, of {dir}{stem}{style}{ext}.", panel=o.WHERE, show_default=False),
    ] = None,
    format: Annotated[
        o.FormatName, _option("-f", "--format", help="Format of the results.", panel=o.WHERE)
    ] = o.FormatName.same,
    on_clash: Annotated[
        o.ClashName, _option("--on-clash", help="When two results would have one name.", panel=o.WHERE)
    ] = o.ClashName.rename,
    update: o.UpdateOption = False,
    overwrite: o.OverwriteOption = False,
    dry_run: o.DryRunOption = False,
    recursive: Annotated[
        bool,
        _option(
            "--recursive/--no-recursive",
            "-r/ ",
            help="Walk subfolders.  [default: yes]",
            panel=CHOICE,
            show_default=False,
        ),
    ] = (True),
    files_from: Annotated[
        str | None,
        _option("--files-from", help="Read inputs from a file, one a line; - for stdin.", panel=CHOICE, metavar="FILE"),
    ] = None,
    null: Annotated[
        bool, _option("-0", "--null", help="Names in lists end in NUL, not in newlines.", panel=CHOICE)
    ] = False,
    sample: Annotated[
        int | None, _option("--sample", help="Only N inputs, spread over all.", panel=CHOICE, min=1, metavar="N")
    ] = None,
    limit: Annotated[
        int | None, _option("--limit", help="Only the first N inputs.", panel=CHOICE, min=0, metavar="N")
    ] = None,
    max_pixels: Annotated[
        int, _option("--max-pixels", help="Refuse larger pictures.", panel=CHOICE, min=1, metavar="N")
    ] = 300_000_000,
    raw: Annotated[
        o.RawName, _option("--raw", help="Take RAW files: their preview, or developed.", panel=CHOICE)
    ] = o.RawName.none,
    direction: o.DirectionOption = o.DirectionName.A2B,
    work_size: o.WorkSizeOption = "auto",
    detail: o.DetailOption = None,
    strokes: o.StrokesOption = None,
    strength: o.StrengthOption = 1.0,
    keep_colour: o.KeepColourOption = False,
    compare: Annotated[bool, _option("--compare", help="Before | after in one picture.", panel=o.LOOK)] = False,
    quality: Annotated[
        int | None,
        _option(
            "--quality",
            help="Of JPEG, WebP, AVIF, 1..100.  [default: a JPEG source's, at least 92]",
            show_default=False,
            panel=o.LOOK,
        ),
    ] = None,
    strip: Annotated[
        o.StripName, _option("--strip", help="Leave out metadata (gps: places); alone it means all.", panel=o.WHERE)
    ] = o.StripName.none,
    sheet: Annotated[
        Path | None,
        _option(
            "--sheet",
            help="Draw all inputs and results as one picture.",
            panel=PAGES,
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    gallery: Annotated[
        Path | None,
        _option(
            "--gallery",
            help="Write a page of dividers between before and after, whole in itself.",
            panel=PAGES,
            metavar="FILE.html",
            show_default=False,
        ),
    ] = None,
    device: o.DeviceOption = "auto",
    precision: o.PrecisionOption = o.PrecisionName.auto,
    backend: o.BackendOption = o.BackendName.torch,
    memory: o.MemoryOption = None,
    jobs: o.JobsOption = 2,
    fail_fast: o.FailFastOption = False,
    failed_list: Annotated[
        Path | None,
        _option(
            "--failed-list", help="Write the inputs that failed, for --files-from.", panel=o.SAYING, metavar="FILE"
        ),
    ] = None,
    quiet: o.QuietOption = False,
    verbose: o.VerboseOption = False,
    json_lines: o.JsonOption = False,
    debug: o.DebugOption = False,
) -> None:
    """Convert pictures: every one, at its own size, into a tree like the one it came from."""
    del debug  # read before any command is, for it also lets libraries speak
    from imgcycle.cli.interrupts import graceful_exit
    from imgcycle.cli.offer import offer, say_damage
    from imgcycle.cli.render.console import say
    from imgcycle.config import ConvertOptions
    from imgcycle.device import parse_size
    from imgcycle.jobs.budget import MemoryBudget
    from imgcycle.jobs.images.pages import Pages, credit_for, with_pages
    from imgcycle.jobs.images.plan import ConvertRequest
    from imgcycle.jobs.images.styles import ALL, local_styles, plan_style_jobs
    from imgcycle.jobs.side_outputs import check_place
    from imgcycle.jobs.translators import open_style
    from imgcycle.weights.find import find_style

    chosen = ConvertOptions.from_dict(
        {
            "work_size": o.parse_work_size(work_size),
            "detail": detail,
            "strokes": strokes,
            "strength": strength,
            "keep_colour": keep_colour,
            "compare": compare,
            "quality": quality,
            "strip": strip.value,
            "raw": raw.value,
            "max_pixels": max_pixels,
        }
    )
    named = [*(inputs or []), *(_listed(files_from, null) if files_from else [])]
    if not named and not files_from:
        raise typer.BadParameter("name at least one picture or folder", param_hint="INPUT")
    request = ConvertRequest(
        tuple(named), output, chosen, recursive, overwrite, update, format.value, name, on_clash.value, sample, limit
    )
    allowed = MemoryBudget.default() if memory is None else MemoryBudget(parse_size(memory), promised=True)
    viewing = Pages(sheet, gallery, overwrite)
    streams = STREAM in named or output == STREAM
    if streams:
        check_streams(request, viewing, style == ALL, json_lines, dry_run)
    if style == ALL and direction is not o.DirectionName.A2B:
        raise typer.BadParameter(
            "chooses inside one style; the styles of `--to all` lead one way", param_hint="--direction"
        )
    offer(style, direction.value, ask=not (quiet or json_lines or dry_run)) if style != ALL else say_damage()

    def opened(found: FoundStyle) -> Translator:
        return open_style(found, device, precision.value, backend.value)

    with graceful_exit():
        styles = local_styles() if style == ALL else [find_style(style, direction.value)]
        if streams:
            convert_stream(request, opened(styles[0]), allowed)
            return
        found = plan_style_jobs(request, styles, opened)
        tasks = [task for work in found.works for task in work.plan.tasks]
        viewing.check(tasks, allowed)
        if failed_list is not None:
            check_place("--failed-list", failed_list, tasks)
        for line in found.refused:
            say(f"imgcycle: {line}")
        if dry_run:
            _show_plans(found.works, viewing, allowed, json_lines, verbose)
            raise typer.Exit(1 if found.refused or any(task.verdict == "fail" for task in tasks) else 0)

        def showing(events: Iterator[Event]) -> Iterator[Event]:
            both = zip(found.styles, found.works, strict=True)
            credits = [credit_for(style, work.style, chosen) for style, work in both]
            return with_pages(events, found.works, credits, viewing)

        saying = (quiet, verbose, json_lines)
        summary = _convert_trees(found.works, showing, allowed, jobs, fail_fast, failed_list, null, saying)
    if summary.exit_code or found.refused:
        raise typer.Exit(summary.exit_code or 1)


def _listed(source: str, null: bool) -> list[str]:
    """The names in a list: bytes as the file system has them, so that no name is beyond it."""
    import os

    from imgcycle.errors import UsageError, reported
    from imgcycle.media.paths import shown

    with reported(UsageError, f"--files-from {shown(source)} cannot be read"):
        data = read_stdin() if source == STREAM else Path(source).read_bytes()
    names = data.split(b"\0") if null else [line.rstrip(b"\r") for line in data.split(b"\n")]
    return [os.fsdecode(name) for name in names if name]


def _convert_trees(
    works: Sequence[StyleJob],
    showing: Callable[[Iterator[Event]], Iterator[Event]],
    memory: MemoryBudget,
    jobs: int,
    fail_fast: bool,
    failed_list: Path | None,
    null: bool,
    saying: tuple[bool, bool, bool],
) -> Summary:
    from imgcycle.cli.render.convert import listening
    from imgcycle.jobs.events import Ended, RowFinished
    from imgcycle.jobs.images.run import convert_styles
    from imgcycle.jobs.tasks import Summary

    quiet, verbose, json_lines = saying
    # Of several styles more than one may fail on an input, which is to be tried again once.
    failures: dict[str, None] = {}
    summary = Summary()
    with listening(quiet=quiet, verbose=verbose, json_lines=json_lines) as listener:
        for event in showing(convert_styles(works, jobs, fail_fast, memory, listener)):
            listener(event)
            if isinstance(event, RowFinished) and event.row.status == "failed":
                failures[event.row.input] = None
            if isinstance(event, Ended):
                summary = event.summary
                # Here, for a page that cannot be written is an error after this event.
                if failed_list is not None:
                    _write_list(failed_list, failures, b"\0" if null else b"\n")
    return summary


def _write_list(path: Path, names: Iterable[str], end: bytes) -> None:
    """A list that `_listed` can read; OutputError when it cannot be written."""
    import os

    from imgcycle.errors import OutputError, reported
    from imgcycle.media.files import atomic_write
    from imgcycle.media.paths import shown

    with reported(OutputError, f"--failed-list {shown(path)} cannot be written"), atomic_write(path) as file:
        file.write(b"".join(os.fsencode(name) + end for name in names))


def _show_plans(
    works: Sequence[StyleJob], viewing: Pages, memory: MemoryBudget, json_lines: bool, verbose: bool
) -> None:
    from imgcycle.cli.render.console import emit, emit_json, say
    from imgcycle.jobs.images.run import check_all_memory, joined
    from imgcycle.media.paths import shown

    check_all_memory(works, memory)
    for work in works:
        translator = work.open() if verbose else None
        for task in work.plan.tasks:
            how = None
            if translator is not None and task.verdict == "convert":
                how = _how(task, translator, memory)
            if json_lines:
                emit_json({"schema": 1, **task.to_dict(), **({} if how is None else {"plan": how})})
                continue
            reason = f"  ({task.verdict}: {task.reason})" if task.reason else ""
            emit(f"{shown(task.input)} → {shown(task.output)}{reason}" if task.output else shown(task.input) + reason)
            if how is not None:
                emit(f"    {how}")
    if not json_lines:
        whole = joined(works)
        for note in whole.notes:
            say(note)
        for path in (viewing.sheet, viewing.gallery):
            if path is not None:
                say(f"{shown(path)} would show them")
        say(f"{len(whole.to_convert)} of {len(whole.tasks)} would be converted")


def _how(task: Task, translator: Translator, memory: MemoryBudget) -> str:
    """How the net would do one picture, in words."""
    from imgcycle.errors import ImgcycleError
    from imgcycle.jobs.budget import plan_file

    try:
        return str(plan_file(task, translator, memory))
    except ImgcycleError as error:
        return str(error)
