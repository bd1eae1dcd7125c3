"""Commands run at a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Sequence


def on_terminal(words: Sequence[str]) -> tuple[int, bytes, str]:
    """Exit code of a command, its standard output, and what its terminal of 100 columns was sent."""
    command = [sys.executable, "-m", "imgcycle", *words]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stderr=theirs, stdout=subprocess.PIPE, env={**os.environ, "COLUMNS": "100"})
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:
            break
    out, _ = process.communicate()
    return process.returncode, out, shown.decode()
