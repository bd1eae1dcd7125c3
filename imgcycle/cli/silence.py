"""What C libraries print on their own account, kept from the user's eyes.

libtiff, libpng and libjpeg write their complaints about a damaged file straight to the process's stderr, past
Python; the file's one line says all that matters.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def silent_libraries() -> Iterator[None]:
    """Lead file descriptor 2 nowhere, while Python's own stderr goes on where it went before."""
    own = sys.stderr
    try:
        sys.stderr.flush()
        direct = sys.stderr.fileno() == 2
        saved = os.dup(2)
    except (OSError, ValueError, AttributeError):
        yield  # no stderr to speak of
        return
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, saved)
        if direct:
            kept = open(saved, "w", encoding=own.encoding, errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
            stack.callback(setattr, sys, "stderr", own)
            stack.callback(kept.flush)
            sys.stderr = kept
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        stack.callback(os.dup2, saved, 2)
        yield
