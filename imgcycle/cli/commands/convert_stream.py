"""`imgcycle convert -`: one picture from stdin or a file, to stdout or a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from imgcycle.config.request import STREAM

if TYPE_CHECKING:
    from imgcycle.config import ConvertRequest
    from imgcycle.engine.translator import Translator
    from imgcycle.jobs.budget import MemoryBudget
    from imgcycle.media.formats import Format


def check_streams(request: ConvertRequest, viewing: bool, several: bool, json_lines: bool, dry_run: bool) -> None:
    """UsageError for what a stream does not support: several inputs or `several` styles, a dry run, or report
    pages (`viewing`).
    """
    from imgcycle.errors import UsageError

    if several:
        raise UsageError("- stands for one picture, and --to all makes several", "name one style")
    if viewing:
        raise UsageError("--sheet and --gallery show files, not streams", "name a file in place of -")
    if len(request.inputs) != 1:
        raise UsageError(
            f"- stands for one picture, and {len(request.inputs)} inputs are named", "convert one at a time"
        )
    if dry_run:
        raise UsageError("--dry-run plans files, not streams")
    to_stdout = request.output in (None, STREAM)
    if to_stdout and json_lines:
        raise UsageError("the picture and --json would both go to stdout", "name a file with -o")
    if to_stdout and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("a picture cannot be written to a terminal", "name a file with -o, or send stdout somewhere")


def convert_stream(request: ConvertRequest, translator: Translator, memory: MemoryBudget) -> None:
    """Convert one image from stdin or a file to stdout or a file."""
    from imgcycle.cli.render.console import say, writing_out
    from imgcycle.errors import InputError, OutputError, UsageError, reported
    from imgcycle.jobs.images.run import convert_bytes
    from imgcycle.jobs.recipe import check_strokes
    from imgcycle.media import paths, remote
    from imgcycle.media.files import atomic_write

    check_strokes([translator.style], request.options)
    (source,) = request.inputs
    if source == STREAM:
        with reported(InputError, "stdin cannot be read"):
            data = read_stdin()
    elif remote.is_remote(source):
        data = remote.read_object(Path(source))
    else:
        if Path(source).is_dir():
            raise UsageError(f"{paths.shown(source)} is a folder, and - takes one picture")
        # It may be a pipe here: waiting for one stream is what was asked.
        with reported(InputError, paths.shown(source)):
            data = Path(source).read_bytes()
    wanted = _wanted(request)
    try:
        made = convert_bytes(data, translator, request.options, wanted, memory, say)
    except InputError as error:
        raise error.at("stdin" if source == STREAM else paths.shown(source)) from error
    if request.output in (None, STREAM):
        with writing_out():
            sys.stdout.buffer.write(made)
            sys.stdout.buffer.flush()
        return
    assert request.output is not None
    if remote.is_remote(request.output):
        remote.put_object(made, Path(request.output), create=not request.overwrite)
        return
    unwritten = f"{paths.shown(request.output)} cannot be written"
    with reported(OutputError, unwritten), atomic_write(Path(request.output)) as file:
        file.write(made)


def _wanted(request: ConvertRequest) -> str | Format:
    """Output format; UsageError if a file of its name cannot be written."""
    from imgcycle.errors import UsageError
    from imgcycle.media import formats, outputs, paths

    output = request.output
    if output is None or output == STREAM:
        return request.format
    suffix = formats.by_suffix(output)
    if paths.in_state_folder(Path(output)):
        raise UsageError(f"{paths.shown(output)} is where imgcycle keeps its own notes", "name another file")
    if Path(output).is_dir() or output.endswith("/"):
        raise UsageError("a picture from stdin has no name", "name a file with -o")
    outputs.check_suffix(output, formats.CHOICES.get(request.format))
    if suffix is None and Path(output).suffix:
        raise UsageError(
            f"{paths.shown(output)} has no suffix of an image format", f"end the name in one of {outputs.WRITTEN}"
        )
    if Path(output).exists() and not request.overwrite:
        raise UsageError(f"{paths.shown(output)} is there already", "--overwrite replaces it")
    return suffix or request.format


def open_stdin() -> BinaryIO:
    """Bytes of stdin as they come; OSError if there are none."""
    if sys.stdin is None:
        raise OSError("it is closed")
    return sys.stdin.buffer


def read_stdin() -> bytes:
    """All bytes of stdin; OSError if there are none."""
    return open_stdin().read()
