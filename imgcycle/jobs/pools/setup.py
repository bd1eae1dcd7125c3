"""Decisions of the driver for all workers: devices, precision, number of threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from imgcycle.config.program import Backend, MachineOptions, WorkerOptions
from imgcycle.device import (
    BASE_BYTES,
    check_device,
    installed_memory,
    precision_name,
    resolve_device,
    resolve_precision,
)
from imgcycle.engine.style import Style
from imgcycle.errors import UsageError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.tasks import ClipTask, Task
from imgcycle.media.remote import is_remote
from imgcycle.weights.mix import ChosenStyle

if TYPE_CHECKING:
    from imgcycle.jobs.pools.processes import ProcessPool
    from imgcycle.jobs.pools.ray import RayPool, WorkerRoom
    from imgcycle.jobs.pools.worker import WorkOrder

_PICTURES = 512 * 2**20
"""Bytes for pictures that a worker has beside what a process always takes, where nobody said how much."""
WorkerCount = int | Literal["auto"] | None


@dataclass(frozen=True)
class WorkerPlan:
    """A device for each worker; the precision and the threads that all of them compute with.

    `room` is that of each in a cluster; without it they are processes of this machine.
    """

    devices: tuple[str, ...]
    precision: str
    threads: int
    room: WorkerRoom | None = None
    promised: int = 0
    """Bytes of memory that a cluster is to keep for each."""

    def pool(self) -> ProcessPool | RayPool:
        """The workers, of which none is started yet; a context, which ends them."""
        if self.room is None:
            from imgcycle.jobs.pools.processes import ProcessPool

            return ProcessPool(self.devices)

        from imgcycle.jobs.pools.ray import RayPool

        return RayPool(self.room, self.devices[0], self.promised)

    def order(
        self,
        found: ChosenStyle,
        style: Style,
        backend: Backend = "torch",
        memory: MemoryBudget | None = None,
        jobs: int = 2,
        tasks: Sequence[Task | ClipTask] = (),
    ) -> WorkOrder:
        """Work order of a style. A promised `memory` is that of each process, otherwise they share it."""
        from imgcycle.jobs.pools.worker import WorkOrder

        memory = memory or MemoryBudget.default()
        if not memory.promised:
            share = memory.total // len(self.devices) if self.room is None else self.room.memory // 2
            memory = MemoryBudget(max(share, BASE_BYTES + _PICTURES))
        afar = self.room is not None
        here = any(not is_remote(name) for task in tasks for name in (task.input, task.output))
        return WorkOrder(
            style=found,
            digest=style.digest,
            precision="fp32" if found.is_onnx else self.precision,  # onnxruntime computes in nothing else here
            backend=backend,
            threads=self.threads,
            memory=memory,
            jobs=jobs,
            weights=tuple(path.read_bytes() for path in found.paths) if afar else None,
            folder=os.getcwd() if afar and here else None,  # noqa: PTH109 - as the names of files were typed
        )


def plan_workers(
    machine: MachineOptions, shared: WorkerOptions, memory: MemoryBudget | None = None, dry_run: bool = False
) -> WorkerPlan | None:
    """The workers that `--workers`, a list of devices or `--cluster` ask for; None where this process is to do the work
    itself. A dry run leaves the cluster alone.

    `auto` is one a GPU; on the CPU one a core, as far as memory goes. UsageError for devices that are not there, or are
    of several kinds: results would depend on which of them had made them.
    """
    device, workers = machine.device, shared.workers
    if shared.cluster is not None:
        return None if dry_run else _in_cluster(shared.cluster, machine, workers, memory)
    names = [name.strip() for name in device.split(",") if name.strip()] or ["auto"]
    for name in names:
        check_device(name)
    if workers is None and len(names) == 1:
        return None

    import torch

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
    dtype = torch.float32 if machine.backend != "torch" else resolve_precision(machine.precision, places[0])
    return WorkerPlan(devices, precision_name(dtype), max(1, torch.get_num_threads() // count))


def _in_cluster(address: str, machine: MachineOptions, workers: WorkerCount, memory: MemoryBudget | None) -> WorkerPlan:
    """The workers of a cluster. They compute in fp32 unless another type is asked for: its machines may differ."""
    if machine.device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {machine.device} with --cluster", "auto, cpu or cuda: the cluster says which one")

    from imgcycle.jobs.pools.ray import WorkerRoom, connect, node_rooms

    connect(address)
    nodes = node_rooms()
    on_gpus = machine.device == "cuda" or (machine.device == "auto" and any(node.gpus for node in nodes))
    room = WorkerRoom.within(nodes, workers if isinstance(workers, int) else None, on_gpus)
    promised = memory.total if memory is not None and memory.promised else 0
    precision = "fp32" if machine.precision == "auto" or machine.backend != "torch" else machine.precision
    return WorkerPlan(("cuda" if on_gpus else "cpu",) * room.count, precision, room.cpus, room, promised)


def _fitting(memory: MemoryBudget | None) -> int:
    """Processes that the cores and three quarters of the memory allow."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    each = memory.total if memory is not None and memory.promised else BASE_BYTES + _PICTURES
    return max(1, min(cores, installed_memory() * 3 // 4 // each))
