"""A folder of pictures that is converted by real processes, some of which are killed, and what has to be true then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.media.pictures import encoded, scene
from tests.styles import save_style

ROOT = Path(__file__).parents[2]
PLAIN = ("--precision", "fp32")


def started(folder: Path, *command: str) -> subprocess.Popen[str]:
    """A command of imgcycle in a process of its own, on one thread, whose output can be read."""
    return subprocess.Popen(
        [sys.executable, "-m", "imgcycle", *command],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Batch:
    """`count` pictures in `folder/photos`, a net, and their results as one process makes them, `plain`."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count, self.photos = folder, count, folder / "photos"
        for n in range(count):
            path = self.photos / f"{n % 3}" / f"{n}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(scene(256, 256, n)))
        self.style = save_style(folder / "tiny.safetensors", work_size=256)
        process = self.start("plain", *PLAIN)
        process.communicate()
        assert process.returncode == 0
        self.plain = self.made("plain")
        assert len(self.plain) == count

    def start(self, output: str, *words: str) -> subprocess.Popen[str]:
        """Convert all pictures into a folder beside them, as told by further words."""
        return started(self.folder, "convert", "photos", "--to", str(self.style), "-o", f"{output}/", *words)

    def made(self, output: str) -> dict[str, bytes]:
        """Every file of a folder of results but imgcycle's own notes: temporary ones, too."""
        root = self.folder / output
        files = [path for path in root.rglob("*") if path.is_file() and path.parent.name != ".imgcycle"]
        return {str(path.relative_to(root)): path.read_bytes() for path in files}

    def wait_for(self, output: str, files: int) -> None:
        """Until so many results are there."""
        end = time.monotonic() + 300
        while len(list((self.folder / output).rglob("[0-9]*.jpg"))) < files:
            assert time.monotonic() < end
            time.sleep(0.05)

    def ledger(self, output: str) -> Counter[str]:
        """How often each result is in the ledger."""
        text = (self.folder / output / ".imgcycle" / "done.jsonl").read_text("utf-8")
        return Counter(json.loads(line)["output"] for line in text.splitlines())

    def check(self, output: str) -> None:
        """The same bytes as from one process, each in the ledger once, and the plain command has nothing to do."""
        assert self.made(output) == self.plain
        assert self.ledger(output) == self.ledger("plain")
        again = self.start(output, "--json", *PLAIN)
        said, _ = again.communicate()
        assert (again.returncode, statuses(said)) == (0, {"skipped": self.count})

    def check_goes_on(self, output: str) -> None:
        """After a driver was killed: what it had made stays, and the plain command makes the rest."""
        before = len([name for name in self.made(output) if name in self.plain])
        assert 0 < before < self.count
        again = self.start(output, "--json", *PLAIN)
        said, _ = again.communicate()
        assert (again.returncode, statuses(said)) == (0, {"skipped": before, "done": self.count - before})
        assert self.made(output) == self.plain


def statuses(text: str) -> Counter[str]:
    """How many rows there are of each status; no input has two."""
    lines = [json.loads(line) for line in text.splitlines()]
    inputs = [line["input"] for line in lines if "input" in line]
    assert len(inputs) == len(set(inputs))
    return Counter(line["status"] for line in lines if "input" in line)


def processes(mark: bytes, parent: int | None = None) -> list[int]:
    """The processes with `mark` on their command line, of one parent or of whatever one (Linux)."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            of = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if mark in (path / "cmdline").read_bytes() and parent in (None, of):
                found.append(int(path.name))
        except OSError:
            continue
    return sorted(found)


def wait_for_none(pids: list[int], seconds: float) -> None:
    """Until none of these processes is left."""
    end = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.1)
