"""`python -m imgcycle`, the same command line as `imgcycle`: both start here."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from types import FrameType

_INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit with its code.

    Until a command begins to write, Ctrl-C and SIGTERM exit at once: otherwise an import would take the exception for
    one of its own, or print it. Until then garbage is not collected either: there is none in what is imported, and to
    look through it again and again takes a tenth of the time of an import, and at the end as long as a small picture.
    """
    gc.disable()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)

    from imgcycle.cli.app import main as begin

    try:
        begin()
    finally:
        gc.freeze()


def _leave(_: int, __: FrameType | None) -> None:
    with contextlib.suppress(Exception):
        sys.stderr.write("imgcycle: interrupted\n")
        sys.stderr.flush()
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
