"""Batches by step number: any step's batch can be loaded at any time, and a few are prefetched."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from imgcycle.concurrency import ordered_map
from imgcycle.data.folders import ImageFolder, Pixels, cut
from imgcycle.data.pairs import pair_of
from imgcycle.data.sampling import Placement, UnpairedOrder, placement


class Batches(Protocol):
    """Source of a run's images: any step's, at any time."""

    @property
    def steps_per_epoch(self) -> int: ...

    def load(self, step: int, generation: int = 0) -> tuple[Tensor, Tensor]:
        """Images of one step, of A and of B: two uint8 NCHW tensors on the CPU."""
        ...


@dataclass(frozen=True)
class UnpairedBatches:
    """Batches of two unpaired domains for one rank of `world`.

    `load(step)` is a pure function of its arguments and the files, so workers have no state and resuming needs nothing
    but the step number. With `whole_b`, B's part is one whole image a step, whatever the batch.
    """

    a: ImageFolder
    b: ImageFolder
    seed: int
    batch: int
    crop: int
    flip: bool = True
    rank: int = 0
    world: int = 1
    whole_b: bool = False

    @property
    def order(self) -> UnpairedOrder:
        """The random pairing of A's and B's images."""
        return UnpairedOrder(len(self.a), len(self.b), self.seed)

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.order.epoch_length // (self.batch * self.world))

    def load(self, step: int, generation: int = 0) -> tuple[Tensor, Tensor]:
        epoch, within = divmod(step, self.steps_per_epoch)
        first = (within * self.world + self.rank) * self.batch
        parts_a: list[Pixels] = []
        parts_b: list[Pixels] = []
        for item in range(first, first + self.batch):
            index_a, index_b = self.order.pair(epoch, item, generation)
            parts_a.append(self.a.crop(index_a, self.crop, placement(self.seed, "A", epoch, item), self.flip))
            if not (self.whole_b and parts_b):
                parts_b.append(self._part_of_b(index_b, placement(self.seed, "B", epoch, item)))
        return stack(parts_a), stack(parts_b)

    def _part_of_b(self, index: int, where: Placement) -> Pixels:
        if self.whole_b:
            return self.b.image(index)
        return self.b.crop(index, self.crop, where, self.flip)


@dataclass(frozen=True)
class PairedBatches(UnpairedBatches):
    """Batches of pairs: folders whose images n belong together, cropped and mirrored alike."""

    def load(self, step: int, generation: int = 0) -> tuple[Tensor, Tensor]:  # noqa: ARG002 - pairs have no partners
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
    """Prefetches batches in threads, moves them to the device, and counts the seconds the loop had to wait."""

    def __init__(self, batches: Batches, device: torch.device, workers: int, stop: int) -> None:
        self._batches = batches
        self._device = device
        self._workers, self._stop = max(1, workers), stop
        self._made: Generator[tuple[Tensor, Tensor], None, None] | None = None
        self._next = (-1, 0)
        self.waited = 0.0

    def get(self, step: int, generation: int = 0) -> tuple[Tensor, Tensor]:
        """A step's (a, b), float32 NCHW in [-1, 1] on the device; exceptions of workers are raised here."""
        if self._made is None or self._next != (step, generation) or step >= self._stop:
            self.close()
            steps = range(step, max(step + 1, self._stop))
            load = partial(self._load, generation=generation)
            self._made = ordered_map(load, steps, self._workers, ahead=2 * self._workers, name="batches")
        self._next = (-1, 0)
        began = time.perf_counter()
        a, b = next(self._made)
        self.waited += time.perf_counter() - began
        self._next = (step + 1, generation)
        return self._send(a), self._send(b)

    def _load(self, step: int, generation: int) -> tuple[Tensor, Tensor]:
        a, b = self._batches.load(step, generation)
        return (a.pin_memory(), b.pin_memory()) if self._device.type == "cuda" else (a, b)

    def _send(self, pixels: Tensor) -> Tensor:
        return to_signed(pixels.to(self._device, non_blocking=True))

    def close(self) -> None:
        """Stop the threads."""
        if self._made is not None:
            self._made.close()
