"""`imgcycle convert -`: one picture from stdin or a file, to stdout or a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcycle.engine.translator import Translator
    from imgcycle.jobs.memory import Memory
    from imgcycle.jobs.planning import ConvertRequest
    from imgcycle.jobs.viewing import Viewing
    from imgcycle.media.formats import Format

STREAM = "-"


def check_streams(request: ConvertRequest, viewing: Viewing, several: bool, json_lines: bool, dry_run: bool) -> None:
    """UsageError for what a stream cannot be: several inputs or `several` styles, a plan, or a page to look at."""
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
    if to_stdout and sys.stdout.isatty():
        raise UsageError("a picture is no text for a terminal", "name a file with -o, or send stdout somewhere")


def convert_stream(request: ConvertRequest, translator: Translator, memory: Memory) -> None:
    """One picture from stdin or a file to stdout or a file."""
    from imgcycle.cli.console import say
    from imgcycle.errors import InputError, UsageError
    from imgcycle.jobs.convert import convert_bytes
    from imgcycle.media import formats, paths
    from imgcycle.media.files import atomic_write

    (source,) = request.inputs
    if source == STREAM:
        data = sys.stdin.buffer.read()
    else:
        if Path(source).is_dir():
            raise UsageError(f"{paths.shown(source)} is a folder, and - takes one picture")
        data = _whole(Path(source))
    wanted: str | Format = request.format
    if request.output not in (None, STREAM):
        assert request.output is not None
        suffix = formats.by_suffix(request.output)
        if Path(request.output).is_dir() or request.output.endswith("/"):
            raise UsageError("a picture from stdin has no name", "name a file with -o")
        paths.check_suffix(request.output, formats.CHOICES.get(request.format))
        if suffix is not None:
            wanted = suffix
        elif Path(request.output).suffix:
            raise UsageError(
                f"{paths.shown(request.output)} stands for no format", f"end the name in one of {paths.WRITTEN}"
            )
        if Path(request.output).exists() and not request.overwrite:
            raise UsageError(f"{paths.shown(request.output)} is there already", "--overwrite replaces it")
    try:
        made = convert_bytes(data, translator, request.options, wanted, memory, say)
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


def _whole(path: Path) -> bytes:
    """All bytes of what is named, which may be a pipe here: waiting for one stream is what was asked."""
    from imgcycle.errors import InputError

    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(error.strerror or str(error)) from error
