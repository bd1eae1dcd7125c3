"""Long lists: a folder whose pictures are all converted, and names from a file: python -m tests.benchmarks.lists

Prints wall seconds, processor seconds and peak memory of whole processes, beside those of `import torch`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_IN_A_FOLDER = 500
MAKE = """
from pathlib import Path
from tests.media.pictures import encoded, scene
from tests.styles import save_style
save_style(Path("tiny.safetensors"), work_size=16)
Path("one.jpg").write_bytes(encoded(scene(16, 16)))
"""
"""In a process of its own: a child's peak memory counts from its parent's, which therefore imports nothing large."""


def filled(folder: Path, count: int, picture: bytes) -> None:
    """Small pictures, five hundred to a folder, no two of them alike."""
    for n in range(count):
        path = folder / f"{n // _IN_A_FOLDER:03}" / f"{n:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture + str(n).encode())


def linked(folder: Path, count: int, picture: Path) -> Path:
    """A list of that many names, each a link to a picture."""
    names = folder / "names.txt"
    folder.mkdir()
    with names.open("w") as file:
        for n in range(count):
            path = folder / f"{n // _IN_A_FOLDER:04}" / f"{n:07}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(picture)
            file.write(f"{path}\n")
    return names


def measured(name: str, words: Sequence[str]) -> None:
    """Run a process and print what it took."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    print(f"{name:44}{wall:8.2f} s{cpu:8.2f} s of CPU{peak:8.0f} MiB{process.returncode or '':>4}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--names", type=int, default=1_000_000, help="in the list; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        subprocess.run([sys.executable, "-c", MAKE], cwd=here, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
        filled(here / "photos", given.count, (here / "one.jpg").read_bytes())
        convert = ["-m", "imgcycle", "convert", "--to", str(here / "tiny.safetensors"), "-q"]
        folders = [*convert, str(here / "photos"), "-o", f"{here / 'out'}/"]
        measured(f"{given.count:,} small pictures", folders)
        for _ in range(given.rounds):
            measured("import torch", ["-c", "import torch"])
            measured("nothing to do", folders)
            measured("nothing to do, --dry-run", [*folders, "--dry-run"])
        if given.names:
            names = linked(here / "links", given.names, here / "photos" / "000" / "000000.jpg")
            listed = ["--files-from", str(names), "-o", f"{here / 'listed'}/", "--dry-run"]
            measured(f"{given.names:,} names from a list, --dry-run", [*convert, *listed])


if __name__ == "__main__":
    main()
