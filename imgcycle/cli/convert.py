"""`imgcycle convert`: options turned into a request, events shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgcycle.cli import options as o

if TYPE_CHECKING:
    from imgcycle.engine.translator import Translator
    from imgcycle.jobs.memory import Memory
    from imgcycle.jobs.planning import ConvertRequest, Plan
    from imgcycle.jobs.tasks import Summary, Task

STREAM = "-"
CHOICE = "Which inputs"


def _option(*names: str, help: str, panel: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


def convert(
    style: o.StyleOption,
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
        o.StripName, _option("--strip", help="Leave out metadata; alone it means all.", panel=o.WHERE)
    ] = o.StripName.none,
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
    import contextlib

    from imgcycle.cli.interrupts import ending_well
    from imgcycle.cli.silence import silent_libraries
    from imgcycle.config import ConvertOptions
    from imgcycle.device import parse_size
    from imgcycle.jobs.memory import Memory
    from imgcycle.jobs.planning import ConvertRequest, plan
    from imgcycle.jobs.translators import load_translator

    chosen = ConvertOptions.from_dict(
        {
            "work_size": o.parse_work_size(work_size),
            "detail": detail,
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
    allowed = Memory.default() if memory is None else Memory(parse_size(memory), promised=True)
    streams = STREAM in named or output == STREAM
    if streams:
        _check_streams(request, json_lines, dry_run)
    # --debug is read by main() as well, which shows tracebacks.
    with ending_well(), contextlib.nullcontext() if debug else silent_libraries():
        translator = load_translator(style, direction.value, device, precision.value, backend.value)
        if streams:
            _convert_stream(request, translator, allowed)
            return
        planned = plan(request, translator.style)
        if dry_run:
            _show_plan(planned, translator, allowed, json_lines, verbose)
            return
        saying = (quiet, verbose, json_lines)
        summary = _convert_tree(planned, translator, allowed, jobs, fail_fast, failed_list, null, saying)
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)


def _listed(source: str, null: bool) -> list[str]:
    """The names in a list: bytes as the file system has them, so that no name is beyond it."""
    import os

    from imgcycle.errors import UsageError

    try:
        data = sys.stdin.buffer.read() if source == STREAM else Path(source).read_bytes()
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}") from error
    names = data.split(b"\0") if null else [line.rstrip(b"\r") for line in data.split(b"\n")]
    return [os.fsdecode(name) for name in names if name]


def _convert_tree(
    planned: Plan,
    translator: Translator,
    memory: Memory,
    jobs: int,
    fail_fast: bool,
    failed_list: Path | None,
    null: bool,
    saying: tuple[bool, bool, bool],
) -> Summary:
    import os

    from imgcycle.cli.console import listening
    from imgcycle.jobs.convert import convert_all
    from imgcycle.jobs.events import Ended, Finished
    from imgcycle.jobs.tasks import Summary
    from imgcycle.media.files import atomic_write

    quiet, verbose, json_lines = saying
    failures: list[str] = []
    summary = Summary()
    with listening(quiet=quiet, verbose=verbose, json_lines=json_lines) as listener:
        for event in convert_all(planned, translator, jobs, fail_fast, memory, listener):
            listener(event)
            if isinstance(event, Finished) and event.row.status == "failed":
                failures.append(event.row.input)
            if isinstance(event, Ended):
                summary = event.summary
    if failed_list is not None:
        end = b"\0" if null else b"\n"
        with atomic_write(failed_list) as file:
            file.write(b"".join(os.fsencode(name) + end for name in failures))
    return summary


def _check_streams(request: ConvertRequest, json_lines: bool, dry_run: bool) -> None:
    from imgcycle.errors import UsageError

    if len(request.inputs) != 1:
        raise UsageError(
            f"- stands for one picture, and {len(request.inputs)} inputs are named", "convert one at a time"
        )
    if dry_run:
        raise UsageError("--dry-run plans files, not streams")
    to_stdout = request.output in (None, STREAM)
    if to_stdout and json_lines:
        raise UsageError("the picture and --json would both go to stdout", "name a file with -o")
    if to_stdout and sys.stdout.isatty():
        raise UsageError("a picture is no text for a terminal", "name a file with -o, or send stdout somewhere")


def _convert_stream(request: ConvertRequest, translator: Translator, memory: Memory) -> None:
    """One picture from stdin or a file to stdout or a file."""
    from imgcycle.errors import InputError, UsageError
    from imgcycle.jobs.convert import convert_bytes
    from imgcycle.jobs.picture import load_bytes
    from imgcycle.media import formats, paths
    from imgcycle.media.files import atomic_write

    (source,) = request.inputs
    if source == STREAM:
        data = sys.stdin.buffer.read()
    else:
        if Path(source).is_dir():
            raise UsageError(f"{paths.shown(source)} is a folder, and - takes one picture")
        data = load_bytes(Path(source))
    wanted = request.format
    if request.output not in (None, STREAM):
        assert request.output is not None
        suffix = formats.by_suffix(request.output)
        if Path(request.output).is_dir() or request.output.endswith("/"):
            raise UsageError("a picture from stdin has no name", "name a file with -o")
        if suffix is not None and suffix.writable:
            wanted = next((key for key, value in formats.CHOICES.items() if value is suffix), wanted)
        if Path(request.output).exists() and not request.overwrite:
            raise UsageError(f"{paths.shown(request.output)} is there already", "--overwrite replaces it")
    try:
        made = convert_bytes(data, translator, request.options, wanted, memory)
    except InputError as error:
        raise InputError(
            f"{'stdin' if source == STREAM else paths.shown(source)}: {error.message}", error.hint
        ) from error
    if request.output in (None, STREAM):
        sys.stdout.buffer.write(made)
        sys.stdout.buffer.flush()
        return
    assert request.output is not None
    with atomic_write(Path(request.output)) as file:
        file.write(made)


def _show_plan(planned: Plan, translator: Translator, memory: Memory, json_lines: bool, verbose: bool) -> None:
    from imgcycle.cli.console import emit, emit_json, say
    from imgcycle.jobs.memory import check_memory
    from imgcycle.media.paths import shown

    check_memory(planned.to_convert, translator, memory)
    for task in planned.tasks:
        how = _how(task, translator, memory) if verbose and task.verdict == "convert" else None
        if json_lines:
            emit_json({"schema": 1, **task.to_dict(), **({} if how is None else {"plan": how})})
            continue
        reason = f"  ({task.verdict}: {task.reason})" if task.reason else ""
        emit(f"{shown(task.input)} → {shown(task.output)}{reason}")
        if how is not None:
            emit(f"    {how}")
    if not json_lines:
        for note in planned.notes:
            say(note)
        say(f"{len(planned.to_convert)} of {len(planned.tasks)} would be converted")


def _how(task: Task, translator: Translator, memory: Memory) -> str:
    """How the net would do one picture, in words."""
    from imgcycle.errors import ImgcycleError
    from imgcycle.jobs.memory import planned_file

    try:
        return str(planned_file(task, translator, memory))
    except ImgcycleError as error:
        return str(error)
