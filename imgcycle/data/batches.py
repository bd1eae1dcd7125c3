"""Batches by step number: any step's batch can be asked for at any time, and a few are made ahead."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from imgcycle.data.folders import ImageFolder, Pixels, cut
from imgcycle.data.pairs import pair_of
from imgcycle.data.sampling import UnpairedOrder, placement


class Batches(Protocol):
    """What a run draws from: any step's images, at any time."""

    @property
    def steps_per_epoch(self) -> int:
        """Steps until every image of the larger domain was seen (equal on all ranks)."""
        ...

    def load(self, step: int, generation: int = 0) -> tuple[Tensor, Tensor]:
        """The images of one step, of A and of B: two uint8 NCHW tensors on the CPU."""
        ...


@dataclass(frozen=True)
class UnpairedBatches:
    """Batches of two unpaired domains for one rank of `world`.

    `load(step)` is a pure function of its arguments and the files, so workers hold no state and resuming at a
    step needs nothing but its number.
    """

    a: ImageFolder
    b: ImageFolder
    seed: int
    batch: int
    crop: int
    flip: bool = True
    rank: int = 0
    world: int = 1

    @property
    def order(self) -> UnpairedOrder:
        """Who meets whom."""
        return UnpairedOrder(len(self.a), len(self.b), self.seed)

    @property
    def steps_per_epoch(self) -> int:
        """Steps until every image of the larger domain was seen (equal on all ranks)."""
        return -(-self.order.epoch_length // (self.batch * self.world))

    def load(self, step: int, generation: int = 0) -> tuple[Tensor, Tensor]:
        """The images of one step: two uint8 NCHW tensors on the CPU."""
        epoch, within = divmod(step, self.steps_per_epoch)
        first = (within * self.world + self.rank) * self.batch
        parts_a, parts_b = [], []
        for item in range(first, first + self.batch):
            index_a, index_b = self.order.pair(epoch, item, generation)
            parts_a.append(self.a.crop(index_a, self.crop, placement(self.seed, "A", epoch, item), self.flip))
            parts_b.append(self.b.crop(index_b, self.crop, placement(self.seed, "B", epoch, item), self.flip))
        return stack(parts_a), stack(parts_b)


@dataclass(frozen=True)
class PairedBatches(UnpairedBatches):
    """Batches of pairs: folders whose images n belong together, cut and mirrored alike."""

    def load(self, step: int, generation: int = 0) -> tuple[Tensor, Tensor]:  # noqa: ARG002 - pairs have no partners
        """The images of one step: two uint8 NCHW tensors on the CPU."""
        epoch, within = divmod(step, self.steps_per_epoch)
        first = (within * self.world + self.rank) * self.batch
        parts_a, parts_b = [], []
        for item in range(first, first + self.batch):
            where = placement(self.seed, "A", epoch, item)
            a, b = pair_of(self.a, self.b, self.order.walked(epoch, item))
            parts_a.append(cut(a, self.crop, where, self.flip))
            parts_b.append(cut(b, self.crop, where, self.flip))
        return stack(parts_a), stack(parts_b)


def stack(parts: list[Pixels]) -> Tensor:
    """HWC uint8 arrays of one size as one contiguous NCHW tensor."""
    return torch.from_numpy(np.ascontiguousarray(np.stack(parts).transpose(0, 3, 1, 2)))


def to_signed(pixels: Tensor) -> Tensor:
    """uint8 0..255 → float32 -1..1."""
    return pixels.float().div_(127.5).sub_(1.0)


class Prefetcher:
    """Makes batches ahead in threads, hands them to the device, and counts the seconds the loop had to wait."""

    def __init__(self, batches: Batches, device: torch.device, workers: int, stop: int) -> None:
        self._batches = batches
        self._device = device
        self._stop = stop
        self._pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="batches")
        self._ahead = 2 * max(1, workers)
        self._futures: dict[tuple[int, int], Future[tuple[Tensor, Tensor]]] = {}
        self.waited = 0.0

    def get(self, step: int, generation: int = 0) -> tuple[Tensor, Tensor]:
        """A step's (a, b), float32 NCHW in [-1, 1] on the device; errors of a worker surface here."""
        wanted = [(ahead, generation) for ahead in range(step, max(step + 1, min(self._stop, step + self._ahead)))]
        for key in self._futures.keys() - set(wanted):
            self._futures.pop(key).cancel()
        for key in wanted:
            if key not in self._futures:
                self._futures[key] = self._pool.submit(self._load, *key)
        began = time.perf_counter()
        a, b = self._futures.pop(wanted[0]).result()
        self.waited += time.perf_counter() - began
        return self._send(a), self._send(b)

    def _load(self, step: int, generation: int) -> tuple[Tensor, Tensor]:
        a, b = self._batches.load(step, generation)
        return (a.pin_memory(), b.pin_memory()) if self._device.type == "cuda" else (a, b)

    def _send(self, pixels: Tensor) -> Tensor:
        return to_signed(pixels.to(self._device, non_blocking=True))

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
