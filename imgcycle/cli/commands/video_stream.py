"""`imgcycle video -`: frames as y4m from stdin, or to stdout, or both."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, cast

from imgcycle.config.request import STREAM

if TYPE_CHECKING:
    import io

    from imgcycle.config import ClipRequest
    from imgcycle.engine.translator import Translator
    from imgcycle.jobs.video.cost import VideoLimits
    from imgcycle.jobs.video.run import Listener


def names_stream(request: ClipRequest) -> bool:
    """True if frames come from stdin or go to stdout."""
    return STREAM in (*request.inputs, request.output)


def check_frame_streams(request: ClipRequest, *, json_lines: bool, dry_run: bool, several: bool, stats: bool) -> None:
    """UsageError for what a stream does not support: several inputs, a folder, a dry run, `several` processes,
    figures; and for one that would come from or go to a terminal.
    """
    from pathlib import Path

    from imgcycle.errors import UsageError

    if len(request.inputs) != 1:
        raise UsageError(
            f"- stands for one stream, and {len(request.inputs)} inputs are named", "convert one at a time"
        )
    (name,) = request.inputs
    if dry_run:
        raise UsageError("--dry-run plans files, not streams")
    if several:
        raise UsageError("--workers is for several files, and a stream is one", "leave --workers out")
    if stats:
        raise UsageError("--stats is for files, not streams", "name a file in place of -")
    if name != STREAM and Path(name).is_dir():
        raise UsageError(f"{name} is a folder, and - takes one clip")
    to_stdout = request.output in (None, STREAM)
    if to_stdout and json_lines:
        raise UsageError("the frames and --json would both go to stdout", "name a file with -o")
    if to_stdout and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("frames cannot be written to a terminal", "name a file with -o, or send stdout somewhere")
    if name == STREAM and sys.stdin is not None and sys.stdin.isatty():
        raise UsageError(
            "frames cannot be read from a terminal", "ffmpeg -i CLIP -f yuv4mpegpipe - | imgcycle video - ..."
        )


def convert_streams(request: ClipRequest, translator: Translator, listener: Listener, limits: VideoLimits) -> int:
    """Convert the frames of a stream, and return the exit code."""
    from imgcycle.errors import OutputError
    from imgcycle.jobs.events import Ended, Planned, RowFinished
    from imgcycle.jobs.tasks import Summary
    from imgcycle.jobs.video.stream import convert_frames
    from imgcycle.media.video.y4m_pipes import Pipes

    begun = time.perf_counter()
    if sys.stdin is None:
        raise OutputError("stdin is closed")
    # Without a buffer: a thread that waits for the next frame must not hold a lock when the command ends.
    reads = cast("io.RawIOBase", getattr(sys.stdin.buffer, "raw", sys.stdin.buffer))
    notes = (translator.style.origin,) if translator.style.origin else ()
    listener(Planned(1, 1, 0, 0, notes))
    row = convert_frames(request, translator, listener, Pipes(reads, write_frames), limits)
    listener(RowFinished(row, 1, 1, 1.0))
    done = row.status == "done"
    seconds = round(time.perf_counter() - begun, 3)
    megapixels = row.width * row.height * row.frames / 1e6
    summary = Summary(int(done), 0, 0, int(not done), seconds, round(megapixels, 3))
    listener(Ended(summary))
    return summary.exit_code


def write_frames(data: bytes | memoryview) -> None:
    """Write all of some bytes to stdout; ReaderGone once nobody reads it."""
    from imgcycle.cli.render.console import writing_out

    with writing_out():
        # Without a buffer, as for stdin.
        file = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
        view = memoryview(data)
        while view:
            view = view[file.write(view) or 0 :]
