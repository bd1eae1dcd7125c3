"""Several devices, one process each: a thin layer over torch.distributed, without effect for a single process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from imgcycle.errors import TrainingError


@dataclass(frozen=True)
class World:
    """This process among all of a run."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """True if this process saves, logs and reports (rank 0)."""
        return self.rank == 0

    def wrap(self, phase: nn.Module) -> nn.Module:
        """A phase whose gradients are averaged over all ranks.

        On a CPU they are added in the order of the ranks: elsewhere it depends on where a gradient lies in its bucket,
        which changes after the first step, so a resumed run of more than two would not be bit for bit the same.
        """
        if self.size == 1:
            return phase
        wrapped = nn.parallel.DistributedDataParallel(phase)
        if self.size > 2 and dist.get_backend() == "gloo":
            # It looks at a hook's annotations, which are text in this module: a lambda has none.
            wrapped.register_comm_hook(self.size, lambda size, bucket: _mean_in_order(size, bucket.buffer()))
        return wrapped

    def any(self, flag: bool, device: torch.device) -> bool:
        """True if the flag is set on any rank."""
        if self.size == 1:
            return flag
        value = torch.tensor(float(flag), device=device)
        dist.all_reduce(value, dist.ReduceOp.MAX)
        return bool(value.item() > 0)

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value on rank 0, in order; an empty list elsewhere."""
        if self.size == 1:
            return [value]
        found: list[Any] | None = [None] * self.size if self.leads else None
        dist.gather_object(value, found)
        return found or []

    def share(self, figure: float, device: torch.device) -> float:
        """Rank 0's figure, on all ranks."""
        if self.size == 1:
            return figure
        value = torch.tensor(figure, device=device, dtype=torch.float32)
        dist.broadcast(value, 0)
        return float(value)

    def barrier(self) -> None:
        """Wait for all ranks."""
        if self.size > 1:
            dist.barrier()


def _mean_in_order(size: int, own: Tensor) -> torch.futures.Future[Tensor]:
    """Mean of all ranks' gradients, each of them added in the order of the ranks."""
    own.div_(size)
    parts = [torch.empty_like(own) for _ in range(size)]

    def added(_: object) -> Tensor:
        for part in parts[1:]:
            parts[0].add_(part)
        return parts[0]

    work = dist.all_gather(parts, own, async_op=True)
    assert work is not None
    mean: torch.futures.Future[Tensor] = work.get_future().then(added)
    return mean


def join_world(device: torch.device) -> tuple[World, torch.device]:
    """Join the processes that torchrun started (known from the environment), else be the only one.

    nccl on CUDA, each rank on its own device; gloo on the CPU.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "RANK" not in os.environ:
        return World(), device
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device.type == "cuda":
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=timedelta(minutes=10))
    return World(dist.get_rank(), dist.get_world_size()), device


def leave_world(world: World) -> None:
    """Destroy the process group."""
    if world.size > 1 and dist.is_initialized():
        dist.destroy_process_group()


def explain(error: RuntimeError, world: World) -> TrainingError | None:
    """A clear error if a collective failed because another rank is gone, None for any other error."""
    words = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "NCCL", "gloo", "Timed out")
    if world.size > 1 and any(word in str(error) for word in words):
        return TrainingError(
            f"another of the {world.size} processes stopped, so rank {world.rank} stops too",
            "see its message above; continue with --resume",
        )
    return None
