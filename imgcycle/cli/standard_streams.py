"""The process's standard streams: opened even if they were closed, and free of libraries' own messages.

libtiff, libpng and libjpeg write messages on damaged files directly to the process's stderr, bypassing Python; our one
line on the file is enough.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from typing import IO


def open_streams() -> None:
    """Make sure that stdin, stdout and stderr exist: a file opened in place of a closed one would be written into.

    A closed stdin becomes empty, output to a closed stderr is lost, and writing to a closed stdout is an error.
    """
    for number, way in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, way)  # which takes the lowest free number
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name that the terminal's encoding cannot show must not stop the work.
        sys.stdout.reconfigure(errors="backslashreplace")


def close_streams() -> bool:
    """Flush stdout and stderr; False if that failed, after which it is not tried again."""
    whole = True
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except (OSError, ValueError):
            whole = whole and stream is not sys.stdout
            lead_nowhere(stream)
    return whole


def lead_nowhere(stream: IO[str]) -> None:
    """Redirect a stream to the null device, after its reader has gone or its disk is full."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)


def no_remarks() -> None:
    """Suppress warnings and log lines of libraries: what stops a command is an error."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)


@contextlib.contextmanager
def silent_libraries() -> Iterator[None]:
    """Redirect file descriptor 2 to the null device, while Python's own stderr stays."""
    own = sys.stderr
    try:
        direct = own.fileno() == 2
        own.flush()
        saved = os.dup(2)
    except (OSError, ValueError, AttributeError):
        yield  # no usable stderr
        return
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, saved)
        if direct:
            kept = open(saved, "w", encoding=own.encoding, errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
            stack.callback(setattr, sys, "stderr", own)
            stack.callback(_flushed, kept)
            sys.stderr = kept
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        stack.callback(os.dup2, saved, 2)
        yield


def _flushed(stream: IO[str]) -> None:
    try:
        stream.flush()
    except (OSError, ValueError):
        lead_nowhere(stream)
