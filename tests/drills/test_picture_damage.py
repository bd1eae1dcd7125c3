"""Thousands of damaged pictures of every kind, each kind in a process of its own: no traceback, no crash, no hang, no
memory gone. IMGCYCLE_DAMAGE says how many a kind (default 500), IMGCYCLE_DAMAGE_FIRST the number of the first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.media.mutations import pictures

COUNT = int(os.environ.get("IMGCYCLE_DAMAGE", "500"))
FIRST = int(os.environ.get("IMGCYCLE_DAMAGE_FIRST", "1000"))
SECONDS, GIGABYTES = 15, 6
WORK = """
import logging, os, resource, signal, sys, time, traceback, warnings
import cv2
from tests.media.mutations import damaged
from tests.media.test_mutations import outcome, translator
name, first, count, seconds, most = sys.argv[1], *map(int, sys.argv[2:])
warnings.simplefilter("ignore")
said = os.dup(1)
nowhere = os.open(os.devnull, os.O_WRONLY)
os.dup2(nowhere, 2)
net = translator()
resource.setrlimit(resource.RLIMIT_AS, (most << 30, most << 30))
failed = lines = 0
slowest = 0.0
for number in range(first, first + count):
    os.pwrite(3, f"{number:12d}".encode(), 0)
    signal.alarm(seconds)
    begun = time.perf_counter()
    try:
        lines += outcome(damaged(name, number), net) != ""
    except BaseException:
        failed += 1
        os.write(said, f"{name} {number}: {traceback.format_exc()}\\n".encode())
    slowest = max(slowest, time.perf_counter() - begun)
    signal.alarm(0)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
os.write(said, f"{name}: {count} tried, {lines} lines, {failed} failed, {slowest:.1f} s, {peak} MB\\n".encode())
sys.exit(failed > 0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")
@pytest.mark.parametrize("name", list(pictures()))
def test_damage_of_a_kind(name: str, tmp_path: Path) -> None:
    at = (tmp_path / "at").open("wb+")
    arguments = [name, *map(str, (FIRST, COUNT, SECONDS, GIGABYTES))]

    def number_open() -> None:
        os.dup2(at.fileno(), 3)

    found = subprocess.run(
        [sys.executable, "-c", WORK, *arguments],
        stdout=subprocess.PIPE,
        preexec_fn=number_open,
        pass_fds=(3,),
        check=False,
        text=True,
    )
    print(found.stdout, end="")
    last = (tmp_path / "at").read_text().strip()
    assert found.returncode == 0, f"ended with {found.returncode} at {name} {last}\n{found.stdout}"
