"""The two streams: stdout carries data or JSON alone, everything for people goes to stderr."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imgcycle.errors import OutputError, from_system

SCHEMA = 1


class ReaderGone(OutputError):
    """Whoever read stdout has closed it: so the work ends, as every filter's does, and nothing is said of it."""


def printable(text: str) -> str:
    """The text, but what a terminal would obey escaped: names, cards and what servers say are anyone's words."""
    from imgcycle.media.paths import shown

    return "\n".join(map(shown, text.split("\n")))


def on_terminal() -> bool:
    """Whether stderr is a terminal, where a bar can be drawn."""
    with contextlib.suppress(ValueError):  # it is closed
        return sys.stderr is not None and sys.stderr.isatty()
    return False


def say(text: str) -> None:
    """One line for a person, on stderr; where nobody can hear it, the work goes on all the same."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{printable(text)}\n")
            sys.stderr.flush()


def emit(text: str) -> None:
    """One line of data, on stdout; OutputError when it cannot be written."""
    with writing_out():
        sys.stdout.write(f"{printable(text)}\n")
        sys.stdout.flush()


@contextmanager
def writing_out() -> Iterator[None]:
    """Around what writes to stdout: its errors as an OutputError that says so, ReaderGone where nobody reads on."""
    if sys.stdout is None:
        raise OutputError("stdout is closed")
    try:
        yield
    except BrokenPipeError:
        raise ReaderGone("") from None
    except OSError as error:
        raise from_system(OutputError, error, "stdout cannot be written") from error
    except ValueError as error:  # of a stream that was closed
        raise OutputError(f"stdout cannot be written: {error}") from error


def emit_json(values: dict[str, Any]) -> None:
    """One JSON object on a line of its own; undecodable bytes of file names stay as escapes."""
    emit(json.dumps(values))


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
