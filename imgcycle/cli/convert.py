"""`imgcycle convert`: options turned into a request, events shown."""

from __future__ import annotations

from typing import Annotated

import typer

from imgcycle.cli import options as o


def convert(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Pictures, folders, globs.", show_default=False)
    ],
    style: o.StyleOption,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help="A folder, or a file for one input.  [default: photos-STYLE beside photos, a-STYLE.jpg beside a.jpg]",
            show_default=False,
            rich_help_panel=o.WHERE,
        ),
    ] = None,
    recursive: Annotated[
        bool, typer.Option("-r/ ", "--recursive/--no-recursive", help="Walk subfolders.", rich_help_panel=o.WHERE)
    ] = True,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace outputs that are there already.", rich_help_panel=o.WHERE)
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and touch nothing.", rich_help_panel=o.WHERE)
    ] = False,
    direction: o.DirectionOption = o.DirectionName.A2B,
    work_size: o.WorkSizeOption = "auto",
    detail: o.DetailOption = None,
    strength: o.StrengthOption = 1.0,
    quality: Annotated[
        int | None,
        typer.Option(
            "--quality",
            help="Of JPEG, 1..100.  [default: the source's, at least 92]",
            show_default=False,
            rich_help_panel=o.LOOK,
        ),
    ] = None,
    device: o.DeviceOption = "auto",
    precision: o.PrecisionOption = o.PrecisionName.auto,
    jobs: o.JobsOption = 2,
    quiet: o.QuietOption = False,
    verbose: o.VerboseOption = False,
    json_lines: o.JsonOption = False,
    debug: o.DebugOption = False,
) -> None:
    """Convert pictures: every one, at its own size, into a tree like the one it came from."""
    from imgcycle.cli.console import emit, emit_json, listening
    from imgcycle.cli.interrupts import ending_well
    from imgcycle.config import ConvertOptions
    from imgcycle.jobs.convert import convert_all
    from imgcycle.jobs.events import Ended
    from imgcycle.jobs.planning import ConvertRequest, plan
    from imgcycle.jobs.translators import load_translator
    from imgcycle.media.paths import shown

    del debug  # read by main(), which shows the traceback
    chosen = ConvertOptions.from_dict(
        {
            "work_size": o.parse_work_size(work_size),
            "detail": detail,
            "strength": strength,
            "quality": quality,
        }
    )
    request = ConvertRequest(tuple(inputs), output, chosen, recursive, overwrite)
    with ending_well():
        translator = load_translator(style, direction.value, device, precision.value)
        planned = plan(request, translator.style)
        if dry_run:
            for task in planned.tasks:
                reason = f"  ({task.verdict}: {task.reason})" if task.reason else ""
                if json_lines:
                    emit_json({"schema": 1, **task.to_dict()})
                else:
                    emit(f"{shown(task.input)} → {shown(task.output)}{reason}")
            return
        with listening(quiet=quiet, verbose=verbose, json_lines=json_lines) as listener:
            for event in convert_all(planned, translator, jobs):
                listener(event)
    if isinstance(event, Ended) and event.summary.exit_code:
        raise typer.Exit(event.summary.exit_code)
