"""The command `imgcycle`: its subcommands, and errors as one line and an exit code."""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib
import os
import sys
from collections.abc import Callable, Container, Sequence
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from imgcycle.cli.standard_streams import close_streams, no_remarks, open_streams, silent_libraries
from imgcycle.config.legacy import current_train_options
from imgcycle.errors import ImgcycleError

COMMANDS = {
    "convert": "Convert pictures: every one, at its own size, into a tree like the one it came from.",
    "video": "Convert clips: every frame at its own time, with all sound, subtitles and chapters.",
    "train": "Learn to turn images like those in A into images like those in B (and back), without pairs.",
    "runs": "List the training runs at and below a folder: step, age, state, best validation figures.",
    "evaluate": "Measure results: distance to real pictures, content kept of the inputs, beside simple baselines.",
    "export": "Write a style as ONNX, for other programs and for browsers, and check that it gives the same pictures.",
    "models": "Styles that are here, published, or your own: list, info, path, verify, get, add, import, remove.",
    "doctor": "Show what imgcycle works with here: versions, devices, ffmpeg, extras, folders, speed of each style.",
}
"""Each is in the module of `cli/commands/` of its name, under that name. Its description is repeated here, so that
`imgcycle --help` need not import it: with thirty options a command costs a fifth of that time.
"""


HELP_ALL = "--help-all"
"""Shows every option of a command whose `--help` shows the usual ones (its `usual`)."""


class Commands(typer.core.TyperGroup):
    """A group that imports a command when it is called, not when it is listed."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The real command in place of the entry in the list."""
        name, entry, rest = super().resolve_command(ctx, args)
        if name == "train":
            rest = current_train_options(rest)
        if name not in COMMANDS:
            return name, entry, rest
        command = loaded(name, tuple(rest))
        if command.bare:
            from imgcycle.cli.options import with_bare_options

            rest = with_bare_options(rest, command.bare)
        if any(word.partition("=")[0] in ("--use", "--like") for word in rest):
            from imgcycle.cli.presets import with_recalled

            rest = with_recalled(command, rest)
        return name, command, [word if word != HELP_ALL else "--help" for word in rest]


def loaded(name: str, typed: Sequence[str] = ()) -> Any:
    """Import a command and prepare it for Typer's parser; `typed` are the words that follow it.

    Its `words` are the text parameters that are not file names, `bare` what options without a value mean; its
    `help_for` adapts the help to what was typed.
    """
    from imgcycle.cli.options import WORDS

    found = getattr(importlib.import_module(f"imgcycle.cli.commands.{name}"), name)
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_group(found)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        command = typer.main.get_command(alone)
    command.name = name
    words = WORDS | getattr(found, "words", frozenset())
    command.words = words
    command.bare = getattr(found, "bare", {})
    usual = getattr(found, "usual", None)
    if usual is not None and HELP_ALL not in typed:
        command.epilog = f"All options: imgcycle {name} {HELP_ALL}"
        for parameter in command.params:
            parameter.hidden = parameter.param_type_name == "option" and parameter.name not in (*usual, "help")
    if (adapt := getattr(found, "help_for", None)) and {"-h", "--help", HELP_ALL} & set(typed):
        command.epilog = "\n\n".join(filter(None, (adapt(command.params, typed), command.epilog)))
    for each in (command, *getattr(command, "commands", {}).values()):
        each.callback = _looked_over(each, typed, words, getattr(found, "addresses", frozenset()))
        each.get_help_option = _without_value(each.get_help_option)
        for parameter in each.params:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = _NO_VALUE
            # Rich takes a word in brackets for markup and drops it; here it is a default or a choice.
            if getattr(parameter, "help", None):
                parameter.help = parameter.help.replace("[", "\\[")
    return command


_NO_VALUE = " "
"""Metavar of a switch, which Typer would show as <bool>."""


def _without_value(option: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A command's `--help`, shown as the switch that it is."""

    def shown(context: Any) -> Any:
        found = option(context)
        if found is not None:
            found.metavar = _NO_VALUE
        return found

    return shown


def _looked_over(
    command: Any, typed: Sequence[str], words: Container[str], addresses: Container[str]
) -> Callable[..., Any]:
    """A command's callback, preceded by checks of every file name in any parameter but `words`, of which `addresses`
    may be in an object store; with lower priority if `background` is set.
    """
    from imgcycle.cli.options import check_paths

    act, parameters = command.callback, command.params

    @functools.wraps(act)
    def looked_over(**values: Any) -> Any:
        check_paths(parameters, values, typed, words, addresses)
        if values.get("background"):
            from imgcycle.cli.priority import lower_priority

            lower_priority()
        return act(**values)

    return looked_over


app = typer.Typer(
    name="imgcycle",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Turn photographs into paintings, summer into winter, with styles learnt without paired examples.",
)
for _name, _help in COMMANDS.items():
    app.command(_name, help=_help)(lambda: None)

INTERRUPTED = 130


def _version(wanted: bool) -> None:
    if wanted:
        from imgcycle._version import __version__

        typer.echo(f"imgcycle {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; the entry point of the installed script."""
    open_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "--debug" in words:
        os.environ["IMGCYCLE_DEBUG"] = "1"
    else:
        no_remarks()
    # Beside other busy processes, threads that spin while waiting make a net several times slower (30 s against 15 s
    # for 180 small images); it has to be set before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    code = run(words)
    if not close_streams() and not code:
        code = 1
    raise SystemExit(code)


def run(words: list[str]) -> int:
    """Run the command line and return its exit code; every error takes one line on stderr."""
    try:
        # --debug is read by main() as well, which shows messages of libraries.
        with contextlib.nullcontext() if "--debug" in words else silent_libraries():
            # Typer returns the code of an Exit, and None after a command that just ended.
            code = app(words, prog_name="imgcycle", standalone_mode=False)
    except SystemExit as end:
        # Typer's behaviour when the reader of its help has gone.
        return int(end.code) if isinstance(end.code, int) else 1
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("IMGCYCLE_DEBUG") and not isinstance(error, KeyboardInterrupt):
            raise
        line, code = explained(error)
        if line:
            from imgcycle.cli.render.console import say

            say(f"imgcycle: {line}")
    return code if isinstance(code, int) else 0


def explained(error: BaseException) -> tuple[str, int]:
    """Message and exit code of an error; unexpected ones are named as such, with how to see more."""
    if isinstance(error, ImgcycleError):
        return str(error).replace("\n", "\\n"), error.exit_code  # file names may contain newlines
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return "interrupted", INTERRUPTED
    # Typer's parser may be its own or an installed one, so its errors are recognised by their methods.
    if hasattr(error, "format_message"):
        return _usage(error), 2
    if isinstance(error, OSError) and error.strerror:
        return _of_the_system(error), 1
    return f"unexpected {type(error).__name__}: {' '.join(str(error).split())} (see more with --debug)", 1


def _of_the_system(error: OSError) -> str:
    """One line for an OSError: its file, if it has one; otherwise it was our own output."""
    from imgcycle.media.paths import shown

    if error.filename is not None:
        return f"{shown(os.fsdecode(error.filename))}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EBADF, errno.EPIPE):
        return f"what was to be said cannot be written: {error.strerror}"
    return error.strerror or str(error)


def _usage(error: BaseException) -> str:
    """One line for a mistake on the command line: the parser's message, and where to read on."""
    message = " ".join(str(getattr(error, "format_message", lambda: error)()).split())
    command = getattr(getattr(error, "ctx", None), "command_path", "imgcycle")
    return f"{message.rstrip('.')} ({command} --help)" if message else ""
