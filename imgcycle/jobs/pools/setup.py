"""Decisions of the driver for all workers: devices, precision, number of threads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from imgcycle.config.program import Backend
from imgcycle.device import BASE_BYTES, installed_memory, precision_name, resolve_device, resolve_precision
from imgcycle.engine.translator import Style
from imgcycle.errors import UsageError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.pools.processes import ProcessPool
from imgcycle.jobs.pools.worker import WorkOrder
from imgcycle.weights.find import FoundStyle

_PICTURES = 512 * 2**20
"""Bytes for pictures that a worker has beside what a process always takes, where nobody said how much."""
WorkerCount = int | Literal["auto"] | None


@dataclass(frozen=True)
class WorkerPlan:
    """A device for each worker; the precision and the threads that all of them compute with."""

    devices: tuple[str, ...]
    precision: str
    threads: int

    def pool(self) -> ProcessPool:
        """The processes, of which none is started yet; a context, which ends them."""
        return ProcessPool(self.devices)

    def order(
        self,
        found: FoundStyle,
        style: Style,
        backend: Backend = "torch",
        memory: MemoryBudget | None = None,
        jobs: int = 2,
    ) -> WorkOrder:
        """Work order of a style. A promised `memory` is that of each process, otherwise they share it."""
        memory = memory or MemoryBudget.default()
        if not memory.promised:
            memory = MemoryBudget(max(memory.total // len(self.devices), BASE_BYTES + _PICTURES))
        return WorkOrder(
            style=found,
            digest=style.digest,
            precision="fp32" if found.is_onnx else self.precision,  # onnxruntime computes in nothing else here
            backend=backend,
            threads=self.threads,
            memory=memory,
            jobs=jobs,
        )


def plan_workers(
    device: str,
    workers: WorkerCount,
    precision: str = "auto",
    backend: Backend = "torch",
    memory: MemoryBudget | None = None,
) -> WorkerPlan | None:
    """The workers that `--workers` and a list of devices ask for; None where this process is to do the work itself.

    `auto` is one a GPU; on the CPU one a core, as far as memory goes. UsageError for devices that are not there, or are
    of several kinds: results would depend on which of them had made them.
    """
    import torch

    names = [name.strip() for name in device.split(",") if name.strip()] or ["auto"]
    if workers is None and len(names) == 1:
        return None
    places = [resolve_device(name) for name in names]
    kinds = {place.type for place in places}
    if len(kinds) > 1:
        raise UsageError(f"--device {device} names devices of several kinds", "one kind makes the same results")
    kind = kinds.pop()
    if kind == "cuda" and names in (["auto"], ["cuda"]):
        places = [torch.device("cuda", n) for n in range(torch.cuda.device_count())]
    count = len(places) if workers is None or (workers == "auto" and kind != "cpu") else workers
    if count == "auto":
        count = _fitting(memory)
    devices = tuple(str(places[n % len(places)]) for n in range(count))
    dtype = torch.float32 if backend != "torch" else resolve_precision(precision, places[0])
    return WorkerPlan(devices, precision_name(dtype), max(1, torch.get_num_threads() // count))


def _fitting(memory: MemoryBudget | None) -> int:
    """Processes that the cores and three quarters of the memory allow."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    each = memory.total if memory is not None and memory.promised else BASE_BYTES + _PICTURES
    return max(1, min(cores, installed_memory() * 3 // 4 // each))
