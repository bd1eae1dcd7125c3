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
    """The reader of stdout has closed it: the work ends without a message, like any filter's."""


def printable(text: str) -> str:
    """Text with control characters escaped: names, cards and messages of servers are untrusted."""
    from imgcycle.media.paths import shown

    return "\n".join(map(shown, text.split("\n")))


def on_terminal() -> bool:
    """True if stderr is a terminal, where progress bars can be drawn."""
    with contextlib.suppress(ValueError):  # it is closed
        return sys.stderr is not None and sys.stderr.isatty()
    return False


def say(text: str) -> None:
    """Print a line to stderr; errors in doing so are ignored."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{printable(text)}\n")
            sys.stderr.flush()


def emit(text: str) -> None:
    """Print a line of data to stdout; OutputError if it cannot be written."""
    with writing_out():
        sys.stdout.write(f"{printable(text)}\n")
        sys.stdout.flush()


@contextmanager
def writing_out() -> Iterator[None]:
    """Turn errors of writing to stdout into OutputError, or ReaderGone if the reader has closed it."""
    if sys.stdout is None:
        raise OutputError("stdout is closed")
    try:
        yield
    except BrokenPipeError:
        raise ReaderGone("") from None
    except OSError as error:
        raise from_system(OutputError, error, "stdout cannot be written") from error
    except ValueError as error:  # raised by a closed stream
        raise OutputError(f"stdout cannot be written: {error}") from error


def emit_json(values: dict[str, Any]) -> None:
    """Print one JSON object on a line; undecodable bytes of file names stay escaped."""
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
