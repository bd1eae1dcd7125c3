"""Conversion of frames in pipes: a y4m stream in, or out, or both; nothing of it is resumed or recorded."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

from imgcycle.config import ClipRequest
from imgcycle.config.request import STREAM
from imgcycle.engine.translator import Translator
from imgcycle.errors import ImgcycleError, UsageError
from imgcycle.jobs.recipe import check_strokes, resolve_frames
from imgcycle.jobs.tasks import ClipRow, ClipTask
from imgcycle.jobs.video.checkpoint import remove_segments
from imgcycle.jobs.video.cost import DEFAULT_LIMITS, VideoLimits
from imgcycle.jobs.video.masks import with_clip_mask
from imgcycle.jobs.video.plan import check_style, clip_task
from imgcycle.jobs.video.run import ClipExecution, Listener, make_clip
from imgcycle.media import paths
from imgcycle.media.inputs import Source
from imgcycle.media.video.containers import SUFFIXES
from imgcycle.media.video.encoder import plan_coding
from imgcycle.media.video.sequences import SequenceWriter, is_pattern, picture_numbers
from imgcycle.media.video.streams import container_for
from imgcycle.media.video.y4m_pipes import Pipes


def convert_frames(
    request: ClipRequest,
    translator: Translator,
    listener: Listener,
    pipes: Pipes,
    limits: VideoLimits = DEFAULT_LIMITS,
) -> ClipRow:
    """Convert the frames of a request that names a stream: `-` as its one input, as its output, or both.

    A row with status `failed` stands for frames that were written, though not all or not all anew. UsageError,
    InputError and OutputError in one line, and whatever writing to the stream raises.
    """
    check_style(translator.style)
    check_strokes([translator.style], request.options)
    (name,) = request.inputs
    frames, missing = with_clip_mask(resolve_frames(request.options, translator.style), Source(os.fspath(Path(name))))
    if missing:
        raise UsageError(missing)
    root = Path(request.output or STREAM).parent
    task = clip_task(Path(name), Path(request.output or STREAM), root, request.options, frames)
    if name == STREAM:
        task = replace(task, input="stdin", input_kind="stream")
    if request.output in (None, STREAM):
        task = replace(task, output="stdout", output_kind="stream")
    else:
        _check_output(task, request.overwrite)
    try:
        row = make_clip(task, translator, listener, ClipExecution(False, limits, pipes=pipes)).row
    except UsageError:
        raise
    except ImgcycleError as error:
        if not error.message:  # the reader of stdout has gone
            raise
        raise error.at(paths.shown(task.input)) from error
    finally:  # what has come through a pipe does not come again
        if task.output_kind != "stream":
            remove_segments(root, Path(task.output))
            with contextlib.suppress(OSError):  # which holds something else
                (root / paths.STATE_FOLDER).rmdir()
    assert isinstance(row, ClipRow)
    return row


def _check_output(task: ClipTask, overwrite: bool) -> None:
    """UsageError for a name that cannot be written, and for a file that is there already."""
    output, options = Path(task.output), task.options
    said = paths.shown(output)
    if paths.in_state_folder(output):
        raise UsageError(f"{said} is where imgcycle keeps its own notes", "name another file")
    there = os.path.lexists(output)
    if is_pattern(output):
        SequenceWriter(output)
        there = output.parent.is_dir() and bool(picture_numbers(output))
    elif output.is_dir() or output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"frames from stdin have no name, and {said} is no clip's", "name a file with -o, or -")
    else:
        plan_coding(64, 64, options.codec, crf=options.crf, preset=options.preset, hardware=options.hardware)
        container_for(None, options.codec, output.suffix)
    if there and not overwrite:
        raise UsageError(f"{said} is there already", "--overwrite replaces it")
