"""`--background`: the work waits for every other program, on the processor and, where the system has it, the disk."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_IDLE_PRIORITY_CLASS = 0x40
"""Windows: threads run when the system is idle; child processes inherit it."""
_PRIO_DARWIN_PROCESS, _PRIO_DARWIN_BG = 4, 0x1000
"""macOS (sys/resource.h): the lowest priority for processor, disk and network; child processes inherit it."""
_IOPRIO_WHO_PROCESS, _IOPRIO_IDLE = 1, 3 << 13
"""Linux (linux/ioprio.h): the disk is read and written when nobody else does."""
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30}
"""The number of Linux's call for it, which the C library does not offer by a name."""


def lower_priority() -> None:
    """Give this process, and those that it starts from now on, the lowest priority; where that cannot be, nothing."""
    if sys.platform == "win32":
        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), _IDLE_PRIORITY_CLASS)
        return
    library = ctypes.CDLL(None)
    if sys.platform == "darwin":
        library.setpriority(_PRIO_DARWIN_PROCESS, 0, _PRIO_DARWIN_BG)
        return
    # Linux has a niceness for each thread, and libraries may have begun some.
    for thread in _threads():
        os.setpriority(os.PRIO_PROCESS, thread, 19)
        number = _IOPRIO_SET.get(os.uname().machine)
        if number is not None:
            library.syscall(number, _IOPRIO_WHO_PROCESS, thread, _IOPRIO_IDLE)


def _threads() -> list[int]:
    tasks = Path("/proc/self/task")
    return [int(each.name) for each in tasks.iterdir()] if tasks.is_dir() else [0]
