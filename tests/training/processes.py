"""Real training processes, started through the command line and ended by real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

SMALL = [
    "--width",
    "4",
    "--discriminator",
    "nlayers",
    "--discriminator-layers",
    "2",
    "--discriminator-width",
    "8",
    "--size",
    "40",
]
SMALL += ["--crop", "32", "--pool", "3", "--ema", "0.9", "--precision", "fp32", "--device", "cpu"]
SMALL += ["--sample-every", "1000"]


class TrainingProcess:
    """`imgcycle train` in a process of its own, or started by `launcher`; its stderr is read line by line."""

    def __init__(
        self, *words: str | Path, env: dict[str, str] | None = None, launcher: Sequence[str | Path] = ("-m", "imgcycle")
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *map(str, launcher), "train", *map(str, words)],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
        )
        self.lines: list[str] = []
        self._condition = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                with self._condition:
                    self.lines.append(line.rstrip("\n"))
                    self._condition.notify_all()
        with self._condition:
            self._condition.notify_all()

    def wait_for(self, start: str, timeout: float = 600) -> str:
        """The first line that starts like this; fails when the process ends without it."""

        def found() -> str | None:
            return next((line for line in self.lines if line.startswith(start)), None)

        with self._condition:
            self._condition.wait_for(lambda: found() or self.process.poll() is not None, timeout)
        self._settle()
        line = found()
        assert line is not None, f"no line starts with {start!r}:\n" + "\n".join(self.lines)
        return line

    def _settle(self) -> None:
        if self.process.poll() is not None:
            self._reader.join(120)

    def end(self, number: signal.Signals | None = None, timeout: float = 600) -> int:
        """Send a signal, if any, and wait; the exit code (negative: died of a signal)."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(timeout)
        self._reader.join(120)
        return code
