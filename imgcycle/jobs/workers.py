"""Several frames in a net at once, each on few threads.

Threads that share one frame wait for one another between layers, and where no core is free for one of them all wait
for it; most libraries' threads spin while they wait, on the cores that the others need. A frame to each core never
waits, and its bytes do not depend on how many cores there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import cv2
import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerPool(Generic[Item, Result]):
    """Applies `make` to items in `count` threads; results come in the order of the items, one item ahead of them.

    In the caller's own thread when `count` is 1. Otherwise, until `close`, torch's threads are shared out among the
    lanes (each frame is computed on as many as that leaves it, at least one), and OpenCV works in its caller's thread.
    """

    def __init__(self, make: Callable[[Item], Result], count: int) -> None:
        self._make, self._count = make, count
        self._threads = torch.get_num_threads(), cv2.getNumThreads()
        self._pool: ThreadPoolExecutor | None = None
        if count > 1:
            each = max(1, self._threads[0] // count)
            cv2.setNumThreads(1)
            self._pool = ThreadPoolExecutor(count, "imgcycle-net", lambda: torch.set_num_threads(each))

    def __call__(self, items: Iterable[Item]) -> Iterator[tuple[Item, Result | Exception]]:
        """Each item with its result, or with the exception that `make` raised."""
        if self._pool is None:
            for item in items:
                yield item, self._tried(item)
            return
        waiting: deque[tuple[Item, Future[Result | Exception]]] = deque()
        for item in items:
            waiting.append((item, self._pool.submit(self._tried, item)))
            if len(waiting) > self._count:
                first, found = waiting.popleft()
                yield first, found.result()
        for first, found in waiting:
            yield first, found.result()

    def close(self) -> None:
        """End the threads, and give torch back its own."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            torch.set_num_threads(self._threads[0])
            cv2.setNumThreads(self._threads[1])

    def _tried(self, item: Item) -> Result | Exception:
        try:
            return self._make(item)
        except Exception as error:  # one item's failure is that item's
            return error
