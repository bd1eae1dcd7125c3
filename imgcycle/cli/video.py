"""`imgcycle video`: options turned into a request, events shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgcycle.cli import options as o

if TYPE_CHECKING:
    from imgcycle.jobs.video.plan import ClipPlan

WHICH, CODING = "Which part", "How it is written"
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)")


def _option(*names: str, help: str, panel: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


def video(
    style: o.StyleOption,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="CLIP...",
            help="Clips, folders, globs; an image sequence as frames/%05d.png.",
            show_default=False,
        ),
    ],
    output: Annotated[
        str | None,
        _option(
            "-o",
            "--output",
            help="A clip, a folder, or a sequence as out/%05d.png.  [default: clip-STYLE beside the clip]",
            show_default=False,
            panel=o.WHERE,
        ),
    ] = None,
    name: Annotated[
        str | None,
        _option("--name", help="Names of outputs, of {dir}{stem}{style}{ext}.", panel=o.WHERE, show_default=False),
    ] = None,
    update: o.UpdateOption = False,
    overwrite: o.OverwriteOption = False,
    resume: Annotated[
        bool,
        _option("--resume/--no-resume", help="Go on where an earlier try was ended.", panel=o.WHERE),
    ] = True,
    dry_run: o.DryRunOption = False,
    recursive: Annotated[
        bool, _option("--recursive/--no-recursive", help="Walk subfolders.", panel=WHICH, show_default=True)
    ] = (True),
    start: Annotated[
        str | None,
        _option("--start", help="Where to begin: seconds, or hh:mm:ss.mmm.", panel=WHICH, metavar="TIME"),
    ] = None,
    end: Annotated[
        str | None, _option("--end", help="Where to end, in the source's time.", panel=WHICH, metavar="TIME")
    ] = None,
    preview: Annotated[
        str | None,
        _option("--preview", help="Only so many seconds, beside the source.", panel=WHICH, metavar="SECONDS"),
    ] = None,
    fps: Annotated[str, _option("--fps", help="Rate of an image sequence.", panel=WHICH, metavar="N")] = "24",
    direction: o.DirectionOption = o.DirectionName.A2B,
    work_size: o.WorkSizeOption = "auto",
    detail: o.DetailOption = None,
    strokes: o.StrokesOption = None,
    strength: o.StrengthOption = 1.0,
    keep_colour: o.KeepColourOption = False,
    smooth: Annotated[
        o.SmoothName, _option("--smooth", help="How firmly frames are held to the one before.", panel=o.LOOK)
    ] = o.SmoothName.light,
    codec: Annotated[o.CodecName, _option("--codec", help="What coding the frames get.", panel=CODING)] = (
        o.CodecName.h264
    ),
    crf: Annotated[
        int | None,
        _option(
            "--crf",
            help="Quality: lower is better and larger.  [default: h264 18, hevc 20, av1 24]",
            panel=CODING,
            show_default=False,
            metavar="N",
        ),
    ] = None,
    preset: Annotated[
        str | None,
        _option("--preset", help="Encoder's speed, as in veryfast or slow.", panel=CODING, metavar="NAME"),
    ] = None,
    hardware: Annotated[
        bool, _option("--hardware", help="Encode on the graphics card, where it can.", panel=CODING)
    ] = False,
    max_height: Annotated[
        int | None, _option("--max-height", help="Reduce frames of more lines than this.", panel=CODING, metavar="N")
    ] = None,
    no_audio: Annotated[bool, _option("--no-audio", help="Leave the sound out.", panel=CODING)] = False,
    device: o.DeviceOption = "auto",
    precision: o.PrecisionOption = o.PrecisionName.auto,
    backend: o.BackendOption = o.BackendName.torch,
    memory: o.MemoryOption = None,
    jobs: Annotated[
        int | None,
        _option(
            "-j",
            "--jobs",
            min=1,
            max=64,
            help="Frames in the net at once.  [default: as many as cores, 8 at most]",
            show_default=False,
            panel=o.MACHINE,
        ),
    ] = None,
    fail_fast: o.FailFastOption = False,
    stats: Annotated[
        Path | None,
        _option("--stats", help="Write frames, seconds and flicker as JSON.", panel=o.SAYING, metavar="FILE"),
    ] = None,
    quiet: o.QuietOption = False,
    verbose: o.VerboseOption = False,
    json_lines: o.JsonOption = False,
    debug: o.DebugOption = False,
) -> None:
    """Convert clips: every frame at its own time, with all sound, subtitles and chapters."""
    del debug  # read before any command is, for it also lets libraries speak
    from imgcycle.cli.interrupts import graceful_exit
    from imgcycle.cli.offer import offer
    from imgcycle.cli.render.convert import listening
    from imgcycle.config import VideoOptions
    from imgcycle.device import parse_size
    from imgcycle.jobs.budget import MemoryBudget, VideoLimits
    from imgcycle.jobs.events import Ended
    from imgcycle.jobs.tasks import Summary
    from imgcycle.jobs.translators import load_translator
    from imgcycle.jobs.video.plan import ClipRequest, plan_clips

    chosen = VideoOptions.from_dict(
        {
            "work_size": o.parse_work_size(work_size),
            "detail": detail,
            "strokes": strokes,
            "strength": strength,
            "keep_colour": keep_colour,
            "start": _seconds("--start", start),
            "end": _seconds("--end", end),
            "preview": _seconds("--preview", preview),
            "codec": codec.value,
            "crf": crf,
            "preset": preset,
            "hardware": hardware,
            "max_height": max_height,
            "audio": not no_audio,
            "smooth": smooth.value,
            "fps": fps,
        }
    )
    request = ClipRequest(tuple(inputs), output, chosen, recursive, overwrite, update, name)
    allowed = None if memory is None else MemoryBudget(parse_size(memory), promised=True)
    summary = Summary()
    offer(style, direction.value, ask=not (quiet or json_lines or dry_run))
    with graceful_exit():
        translator = load_translator(style, direction.value, device, precision.value, backend.value)
        planned = plan_clips(request, translator.style)
        if dry_run:
            _show_plan(planned, json_lines)
            raise typer.Exit(1 if any(task.verdict == "fail" for task in planned.tasks) else 0)
        from imgcycle.jobs.video.run import convert_clips

        with listening(quiet=quiet, verbose=verbose, json_lines=json_lines) as listener:
            made = convert_clips(
                planned,
                translator,
                listener,
                resume=resume,
                fail_fast=fail_fast,
                stats=stats,
                overwrite=overwrite,
                room=VideoLimits(allowed, jobs),
            )
            for event in made:
                listener(event)
                if isinstance(event, Ended):
                    summary = event.summary
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)


def _seconds(name: str, text: str | None) -> str | None:
    """Seconds as decimal text, from that or from `hh:mm:ss.mmm`."""
    if text is None:
        return None
    match = _CLOCK.fullmatch(text)
    if match is None:
        if not re.fullmatch(r"\d+(?:\.\d+)?|\.\d+", text):
            raise typer.BadParameter(f"{text!r} is neither seconds nor hh:mm:ss.mmm", param_hint=name)
        return text
    whole, dot, part = match[3].partition(".")
    seconds = (int(match[1] or 0) * 60 + int(match[2])) * 60 + int(whole)
    return f"{seconds}{dot}{part}"


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
