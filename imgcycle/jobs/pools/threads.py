"""Worker threads for a net, each on few of torch's threads.

Threads that share one frame wait for each other between layers, and if no core is free for one of them all wait; most
libraries' threads spin while they wait, on the cores that the others need. With one frame per core nobody waits, and
the bytes do not depend on the number of cores.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from typing import Generic, TypeVar

import cv2
import torch

from imgcycle.concurrency import ordered_map

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerPool(Generic[Item, Result]):
    """Applies `make` to items in `count` threads; results come in the order of the items, one item ahead.

    In the caller's own thread if `count` is 1. Otherwise, until `close`, torch's threads are divided among the workers
    (at least one each), and OpenCV runs in its caller's thread.
    """

    def __init__(self, make: Callable[[Item], Result], count: int) -> None:
        self._make, self._count = make, count
        self._threads = torch.get_num_threads(), cv2.getNumThreads()
        self._made: Generator[tuple[Item, Result | Exception], None, None] | None = None
        if count > 1:
            cv2.setNumThreads(1)

    def __call__(self, items: Iterable[Item]) -> Iterator[tuple[Item, Result | Exception]]:
        """Each item with its result, or with the exception that `make` raised."""
        if self._count == 1:
            return map(self._tried, items)
        share = partial(torch.set_num_threads, max(1, self._threads[0] // self._count))
        self._made = ordered_map(self._tried, items, self._count, begin=share, name="imgcycle-net")
        return self._made

    def close(self) -> None:
        """End the threads, and restore torch's number of threads."""
        if self._made is not None:
            self._made.close()
        if self._count > 1:
            torch.set_num_threads(self._threads[0])
            cv2.setNumThreads(self._threads[1])

    def _tried(self, item: Item) -> tuple[Item, Result | Exception]:
        try:
            return item, self._make(item)
        except Exception as error:  # one item's failure must not end the others
            return item, error
