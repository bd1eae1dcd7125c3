"""Start-up: `--help` against an empty Typer program, and one picture from file to file against `import torch`.

    python -m tests.benchmarks.startup [--style STYLE] [--rounds N]

Whole processes, in turn. Seconds are those of the processor, all cores together: other programs disturb them less.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from tests.benchmarks.convert import photograph

EMPTY = "import typer\napp = typer.Typer()\n" + "".join(
    f"@app.command()\ndef {name}() -> None:\n    pass\n" for name in ("one", "two", "three")
)


def seconds(words: Sequence[str]) -> float:
    """Processor seconds of a Python process."""
    before = os.times()
    subprocess.run([sys.executable, *words], capture_output=True, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def compared(against: str, things: Mapping[str, Sequence[str]], rounds: int) -> None:
    """Print the median seconds of each, and of its ratios to one of them, round by round."""
    found: dict[str, list[float]] = {name: [] for name in things}
    for turn in range(rounds + 1):
        for name, words in things.items():
            used = seconds(words)
            if turn:  # the first reads from the disk what the others find in memory
                found[name].append(used)
    for name, each in found.items():
        ratio = statistics.median(mine / base for mine, base in zip(each, found[against], strict=True))
        print(f"{name:28}{statistics.median(each):8.3f} s{ratio:8.2f} of {against}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--style", default="monet")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "empty.py").write_text(EMPTY + "app()\n")
        helped = {"an empty program": [str(here / "empty.py"), "--help"], "--help": ["-m", "imgcycle", "--help"]}
        compared("an empty program", helped, given.rounds)
        things: dict[str, Sequence[str]] = {"import torch": ["-c", "import torch"]}
        for name, height, width in (("a picture of 64 × 48", 48, 64), ("12 megapixels", 3000, 4000)):
            path = here / f"{width}.jpg"
            Image.fromarray(photograph(height, width, 0)).save(path, quality=92)
            out = ["-o", f"{here / 'out'}/", "--overwrite", "-q"]
            things[name] = ["-m", "imgcycle", "convert", str(path), "--to", given.style, *out]
            things[f"{name}, --strokes 0"] = [*things[name], "--strokes", "0"]
        compared("import torch", things, given.rounds)


if __name__ == "__main__":
    main()
