"""Real processes that convert a clip, ended by signals while segments gather."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from imgcycle.jobs.video.checkpoint import segment_folder
from tests.jobs.films import checksums, film, times
from tests.styles import save_style


class ClipDrill:
    """A clip of some segments (a frame a second: each has five), and its conversion that nobody disturbed."""

    def __init__(self, folder: Path, segments: int = 12) -> None:
        self.folder = folder
        self.style = save_style(folder / "tiny.safetensors", work_size=64)
        self.clip = film(folder / "a.mp4", 5 * segments, rate=1, sound=True)
        assert self.start("whole.mp4").communicate()[1] == b""
        self.wanted = checksums(folder / "whole.mp4")
        assert len(self.wanted) == 5 * segments

    def start(self, output: str) -> subprocess.Popen[bytes]:
        # A slow preset: otherwise it would be over before it could be ended.
        words = ["video", str(self.clip), "--to", str(self.style), "-o", str(self.folder / output), "-q"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "imgcycle", *words], env=environment, stderr=subprocess.PIPE, cwd=self.folder
        )

    def segments(self, output: str) -> dict[str, tuple[int, int]]:
        """The closed segments of an unfinished result: their files and when they were written."""
        folder = segment_folder(self.folder, self.folder / output)
        found = {}
        with contextlib.suppress(OSError):
            for path in folder.glob("0*.mp4"):
                facts = path.stat()
                found[path.name] = (facts.st_ino, facts.st_mtime_ns)
        return found

    def end_in_the_middle(self, output: str, how: int, chance: random.Random) -> tuple[int, str]:
        """Start, wait until a segment more is closed, end it a moment later; its exit code and what it said.

        What was closed before is not touched.
        """
        before = self.segments(output)
        process = self.start(output)
        deadline = time.monotonic() + 600
        while len(self.segments(output)) <= len(before) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.1))
        process.send_signal(how)
        _, said = process.communicate()
        after = self.segments(output)
        # The last one may have been closed and not noted: it is made again.
        kept = {name: facts for name, facts in before.items() if name < max(before, default="")}
        if after:
            assert {name: after[name] for name in kept} == kept
        return process.returncode, said.decode()

    def finish(self, output: str) -> None:
        """Run to the end and compare with what was never disturbed; nothing of the work is left."""
        process = self.start(output)
        assert (process.communicate()[1], process.returncode) == (b"", 0)
        assert checksums(self.folder / output) == self.wanted
        assert times(self.folder / output) == times(self.folder / "whole.mp4")
        assert not segment_folder(self.folder, self.folder / output).exists()
        assert not list(self.folder.rglob("*.partial"))

    def processes(self) -> list[str]:
        """The command lines of all ffmpegs that have to do with this folder (Linux)."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = os.fsdecode(path.read_bytes()).replace("\0", " ")
                if "ffmpeg" in words and str(self.folder) in words:
                    found.append(words)
        return found

    def kill_and_finish(self, kills: int, chance: random.Random, output: str = "out.mp4") -> int:
        """Kill -9 so many times, or until it is done; how often it was."""
        for count in range(kills):
            code, _ = self.end_in_the_middle(output, signal.SIGKILL, chance)
            if code == 0:
                return count
        self.finish(output)
        return kills
