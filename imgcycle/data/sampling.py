"""Random sampling of training: every random number is a pure function of its purpose.

A sample is a function of (seed, domain, epoch, index), a step's random numbers of (seed, step, rank). No random state
is kept between steps, so there is none to save, to lose in a crash, or to disturb by prefetching.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def evenly_spaced(items: Sequence[T], count: int | None) -> list[T]:
    """Evenly spaced selection of `count` items, the first and the last included; all if there are no more, or for
    None.
    """
    if count is None or count >= len(items):
        return list(items)
    last = len(items) - 1
    return [items[round(n * last / max(1, count - 1))] for n in range(count)]


def random_generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A NumPy generator that depends on the seed and the purpose alone."""
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in purpose]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *words])))


def step_seed(seed: int, step: int, rank: int, generation: int) -> int:
    """Seed of torch's generator during one step on one rank.

    `generation` counts rollbacks: without it a rolled-back run would reach the same NaN again.
    """
    return int(random_generator(seed, "step", step, rank, generation).integers(2**63))


@dataclass(frozen=True)
class Placement:
    """Crop of a sample: position as fractions of the free range, mirrored or not."""

    top: float
    left: float
    flip: bool


def placement(seed: int, domain: str, epoch: int, index: int) -> Placement:
    """Random placement of one sample."""
    top, left, flip = random_generator(seed, "placement", domain, epoch, index).random(3)
    return Placement(float(top), float(left), bool(flip < 0.5))


@dataclass(frozen=True)
class UnpairedOrder:
    """Random pairing: domain A is traversed in a new order each epoch, domain B is drawn uniformly.

    An epoch is max(|A|, |B|) items long (rounded up to whole batches over all ranks).
    """

    count_a: int
    count_b: int
    seed: int

    @property
    def epoch_length(self) -> int:
        """Items of one epoch."""
        return max(self.count_a, self.count_b)

    def pair(self, epoch: int, item: int, generation: int = 0) -> tuple[int, int]:
        """Indices into A and B of an item; items past the epoch's end wrap around."""
        item %= self.epoch_length
        b = int(random_generator(self.seed, "partner", epoch, item, generation).integers(self.count_b))
        return self.walked(epoch, item) % self.count_a, b

    def walked(self, epoch: int, item: int) -> int:
        """Index of an item in the epoch's order of `epoch_length` images; wraps around as well."""
        return int(self._order(epoch)[item % self.epoch_length])

    def _order(self, epoch: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        if _LATEST.get("key") != (self, epoch):
            _LATEST.update(
                key=(self, epoch), order=random_generator(self.seed, "order", epoch).permutation(self.epoch_length)
            )
        return _LATEST["order"]  # type: ignore[return-value]


_LATEST: dict[str, object] = {}
"""Cache of the latest epoch's order, so that a step does not shuffle a thousand numbers for one of them."""
