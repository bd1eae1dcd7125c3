"""`--background`: in a process of its own, for priority that was given up is not had again."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import os, subprocess, sys, threading
wait = threading.Event()
threading.Thread(target=wait.wait, daemon=True).start()
from imgcycle.cli.priority import lower_priority
lower_priority()
own = [os.getpriority(os.PRIO_PROCESS, int(each)) for each in os.listdir("/proc/self/task")]
child = subprocess.run(["cat", "/proc/self/stat"], capture_output=True, text=True).stdout.rpartition(")")[2].split()[16]
ionice = __import__("ctypes").CDLL(None).syscall(252, 1, 0) if os.uname().machine == "x86_64" else 3 << 13
print(own, child, ionice >> 13)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux says of threads")
def test_all_threads_and_processes_that_follow_wait_for_others() -> None:
    said = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["[19,", "19]", "19", "3"]
