"""The first call of a process computes what later ones do: many processes convert one picture, in two threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.drills.batch import ROOT

PROCESSES = 16


def test_many_processes_make_the_same_bytes(tmp_path: Path) -> None:
    photograph = min((ROOT / "pretrained/samples").glob("*.jpg"))
    made = set()
    for n in range(PROCESSES):
        command = ["convert", str(photograph), "--to", "winter", "-o", f"{n}.png", "-q"]
        subprocess.run(
            [sys.executable, "-m", "imgcycle", *command],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)},
            check=True,
        )
        made.add((tmp_path / f"{n}.png").read_bytes())
    assert len(made) == 1
