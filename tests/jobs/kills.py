"""Real processes that convert a tree, ended by signals at moments drawn at random."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.jobs.trees import grow
from tests.media.pictures import encoded, scene
from tests.styles import save_style


class Drill:
    """A folder with a style and pictures, and the results of a conversion that nobody disturbed."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.style = save_style(folder / "tiny.safetensors", work_size=64)
        grow(folder / "in", count // 2)
        for n in range(count - count // 2):
            (folder / "in" / f"large {n}.png").write_bytes(encoded(scene(300, 400, n), "PNG"))
        assert self.start("whole").wait() == 0
        self.wanted = self.results("whole")
        assert len(self.wanted) == count

    def start(self, output: str) -> subprocess.Popen[bytes]:
        words = ["convert", str(self.folder / "in"), "--to", str(self.style), "-o", f"{self.folder / output}/", "-q"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen([sys.executable, "-m", "imgcycle", *words], env=environment)

    def results(self, output: str) -> dict[str, bytes]:
        """Every file below an output folder, the ledger's own excepted."""
        root = self.folder / output
        return {str(p.relative_to(root)): p.read_bytes() for p in self._files(root)}

    def _files(self, root: Path) -> list[Path]:
        # Not read while a process is at work: what is temporary may be gone by then.
        return [p for p in root.rglob("*") if p.is_file() and p.parent.name != ".imgcycle"]

    def end_in_the_middle(self, output: str, how: int, chance: random.Random) -> int:
        """Start, wait until something is written, end it a moment later; the exit code."""
        root = self.folder / output
        before = len(self._files(root))
        process = self.start(output)
        deadline = time.monotonic() + 600
        while len(self._files(root)) == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.15))
        process.send_signal(how)
        return process.wait()

    def kill_and_finish(self, kills: int, chance: random.Random) -> None:
        """Kill -9 some times, run to the end, compare with what was never disturbed."""
        for _ in range(kills):
            if self.end_in_the_middle("out", signal.SIGKILL, chance) == 0:
                break
        assert self.start("out").wait() == 0
        assert self.results("out") == self.wanted
