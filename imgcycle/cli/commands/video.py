"""`imgcycle video`: options turned into a request, events shown."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from imgcycle.cli.options import from_fields
from imgcycle.config.clips import ClipRequest
from imgcycle.config.fields import MACHINE, REPORT, WHERE, option
from imgcycle.config.json import JsonConfig
from imgcycle.config.program import (
    MachineOptions,
    RecallOptions,
    ReportOptions,
    RunOptions,
    StyleChoice,
    WorkerOptions,
)

if TYPE_CHECKING:
    from imgcycle.jobs.video.plan import ClipPlan


@dataclass(frozen=True, kw_only=True)
class ClipRunOptions(JsonConfig):
    """Resuming of video conversions, and figures on them.

    `at_once` is not a number of threads like `-j` in other commands: each frame has the net to itself, on a core of its
    own. Its old names `-j` and `--jobs` stay for compatibility.
    """

    at_once: int | None = option(
        None,
        "Frames in the net at once.",
        panel=MACHINE,
        names=("--at-once", "--jobs", "-j"),
        low=1,
        high=64,
        shown="as many as cores, 8 at most",
    )
    resume: bool = option(True, "Continue where an earlier run stopped.", panel=WHERE)
    stats: Path | None = option(None, "Write frames, seconds and flicker as JSON.", panel=REPORT)


@from_fields
def video(
    choice: StyleChoice,
    program: RecallOptions,
    request: ClipRequest,
    machine: MachineOptions,
    run: ClipRunOptions,
    shared: WorkerOptions,
    todo: RunOptions,
    report: ReportOptions,
) -> None:
    """Convert clips: every frame at its own time, with all sound, subtitles and chapters."""
    del program  # heeded before a command begins
    from imgcycle.cli.commands.video_stream import check_frame_streams, convert_streams, names_stream
    from imgcycle.cli.interrupts import graceful_exit
    from imgcycle.cli.prompt import offer
    from imgcycle.cli.render.convert import listening
    from imgcycle.jobs.budget import MemoryBudget
    from imgcycle.jobs.events import Ended
    from imgcycle.jobs.pools.setup import plan_workers
    from imgcycle.jobs.tasks import Summary
    from imgcycle.jobs.translators import open_style
    from imgcycle.jobs.video.cost import VideoLimits
    from imgcycle.jobs.video.plan import plan_clips
    from imgcycle.weights.mix import find_styles

    allowed = None if machine.memory is None else MemoryBudget.asked(machine.memory)
    summary = Summary()
    stream = names_stream(request)
    if stream:
        check_frame_streams(
            request,
            json_lines=report.json_lines,
            dry_run=todo.dry_run,
            several=(shared.workers or shared.cluster) is not None or "," in machine.device,
            stats=run.stats is not None,
        )
    offer(choice.style, choice.direction, ask=not (report.quiet or report.json_lines or todo.dry_run or stream))
    workers = plan_workers(machine, shared, allowed, todo.dry_run)
    if workers is not None and run.stats is not None:
        raise typer.BadParameter("figures of flicker are taken in one process", param_hint="--stats")
    with graceful_exit():
        found = find_styles(choice.style, choice.direction, choice.range)
        computing = (machine.device, machine.precision, machine.backend)
        # With workers it is here for planning alone.
        translator = open_style(found, *(computing if workers is None else ("cpu", "fp32", "torch")))
        if stream:
            with listening(quiet=report.quiet, verbose=report.verbose, json_lines=report.json_lines) as listener:
                code = convert_streams(request, translator, listener, VideoLimits(allowed, run.at_once))
            raise typer.Exit(code)
        planned = plan_clips(request, translator.style)
        if todo.dry_run:
            _show_plan(planned, report.json_lines)
            raise typer.Exit(1 if any(task.verdict == "fail" for task in planned.tasks) else 0)
        from imgcycle.jobs.video.run import convert_clips

        order = None
        if workers is not None:
            order = workers.order(found, translator.style, machine.backend, allowed, tasks=planned.tasks)
            order = replace(order, resume=run.resume, limits=VideoLimits(order.memory, run.at_once))
        with (
            listening(quiet=report.quiet, verbose=report.verbose, json_lines=report.json_lines) as listener,
            workers.pool() if workers is not None else nullcontext() as pool,
        ):
            made = convert_clips(
                planned,
                translator,
                listener,
                resume=run.resume,
                fail_fast=todo.fail_fast,
                stats=run.stats,
                overwrite=request.overwrite,
                limits=VideoLimits(allowed, run.at_once),
                pool=pool,
                order=order,
            )
            for event in made:
                listener(event)
                if isinstance(event, Ended):
                    summary = event.summary
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)


def _show_plan(planned: ClipPlan, json_lines: bool) -> None:
    from imgcycle.cli.render.console import emit, emit_json, say
    from imgcycle.media.paths import shown

    for task in planned.tasks:
        if json_lines:
            emit_json({"schema": 1, **task.to_dict()})
            continue
        reason = f"  ({task.verdict}: {task.reason})" if task.reason else ""
        emit(f"{shown(task.input)} → {shown(task.output)}{reason}" if task.output else shown(task.input) + reason)
    if not json_lines:
        for note in planned.notes:
            say(note)
        say(f"{len(planned.to_convert)} of {len(planned.tasks)} would be converted")
