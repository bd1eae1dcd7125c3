"""Threads that work ahead, in order and within limits: a map over threads, a prefetching iterator, a queue between
two threads, and a byte budget.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

from imgcycle.errors import ImgcycleError

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    make: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    *,
    ahead: int | None = None,
    prompt: bool = False,
    finishing: bool = False,
    drop: Callable[[Result], object] | None = None,
    begin: Callable[[], object] = lambda: None,
    stop: Callable[[], object] = lambda: None,
    name: str = "imgcycle-work",
) -> Generator[Result, None, None]:
    """Map items by `make` in `workers` threads; results come in the order of the items.

    At most `ahead` items (one more than there are workers) are in progress; they are taken in the caller's thread. With
    `prompt` a finished result is yielded before another item is taken. An exception of `make` is raised in its item's
    turn and ends the iteration, as `close()` does: then items in progress are completed, the rest is skipped (or
    processed as well with `finishing`), and `drop` is called with every unused result. `begin` runs first in each
    thread; `stop` at the end, before threads are joined.
    """
    pending: deque[Future[Result]] = deque()
    ahead = workers + 1 if ahead is None else ahead
    pool = ThreadPoolExecutor(workers, name, begin)
    try:
        for item in items:
            pending.append(pool.submit(make, item))
            while len(pending) >= ahead or (prompt and pending and pending[0].done()):
                result = pending[0].result()
                pending.popleft()
                yield result
        while pending:
            result = pending[0].result()
            pending.popleft()
            yield result
    finally:
        stop()
        try:
            pool.shutdown(cancel_futures=not finishing)
        except KeyboardInterrupt:  # items in progress end soon, and nobody else will wait for them
            pool.shutdown()
            raise
        for left in pending:
            if drop is not None and not left.cancelled() and left.exception() is None:
                drop(left.result())


class ClosableQueue(Generic[Item]):
    """A bounded queue between two threads. The producer calls `finish`, possibly with an error; the consumer may
    `cancel`.

    Unlike with queue.Queue nobody waits for ever: each side is notified when the other is gone.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._finished = self._cancelled = False
        self._error: BaseException | None = None

    def put(self, item: Item) -> bool:
        """Add an item, waiting for space; False if the consumer has cancelled."""
        with self._changed:
            self._changed.wait_for(lambda: self._cancelled or len(self._items) < self._size)
            if self._cancelled:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def get(self) -> Item | None:
        """The next item, waiting for it; None at the end. Raises the error that the producer finished with."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._items) or self._finished or self._cancelled)
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            return None

    def __iter__(self) -> Iterator[Item]:
        while (item := self.get()) is not None:
            yield item

    def finish(self, error: BaseException | None = None) -> None:
        """End the queue."""
        with self._changed:
            self._finished, self._error = True, error
            self._changed.notify_all()

    def cancel(self) -> None:
        """Stop consuming; queued items are discarded."""
        with self._changed:
            self._cancelled = True
            self._items.clear()
            self._changed.notify_all()


class Prefetched(Generic[Item]):
    """An iterator that a thread prefetches, at most `ahead` items; a context manager, which ends the thread.

    An exception of the iterable is raised in its turn. `stop` is called if the context is left while the thread may
    still wait for an item that is no longer needed.
    """

    def __init__(
        self, items: Iterable[Item], ahead: int, name: str = "imgcycle-ahead", stop: Callable[[], object] = lambda: None
    ) -> None:
        self._queue: ClosableQueue[Item] = ClosableQueue(ahead)
        self._stop = stop
        self._thread = threading.Thread(target=self._make, args=(items,), name=name, daemon=True)
        self._thread.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        if (item := self._queue.get()) is None:
            raise StopIteration
        return item

    def cancel(self) -> None:
        """End the iteration, from any thread."""
        self._queue.cancel()

    def close(self) -> None:
        """Discard unused items, and wait for the thread's end; safe to call twice."""
        self.cancel()
        if self._thread.is_alive():
            self._stop()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _make(self, items: Iterable[Item]) -> None:
        try:
            for item in items:
                if not self._queue.put(item):
                    return
            self._queue.finish()
        except BaseException as error:  # whatever it is, it is raised in the iterating thread
            self._queue.finish(error)


class Consumer(Generic[Item]):
    """A thread that calls `takes` with queued items, at most `ahead` of them; a context manager, which ends the thread.

    Exceptions of `takes` are raised by `finish`; `failed` is called at once, in the thread.
    """

    def __init__(
        self,
        takes: Callable[[Iterator[Item]], None],
        ahead: int,
        name: str = "imgcycle-behind",
        failed: Callable[[], object] = lambda: None,
    ) -> None:
        self._queue: ClosableQueue[Item] = ClosableQueue(ahead)
        self._takes, self._failed = takes, failed
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._take, name=name, daemon=True)
        self._thread.start()

    def put(self, item: Item) -> bool:
        """Queue an item, waiting for space; False if the thread has ended."""
        return self._queue.put(item)

    def finish(self) -> None:
        """Wait until every item is processed; raises the thread's exception."""
        self._queue.finish()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Discard unused items, and wait for the thread's end; safe to call twice."""
        self._queue.cancel()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _take(self) -> None:
        try:
            self._takes(iter(self._queue))
        except BaseException as error:  # whatever it is, it is raised in the thread that puts
            self._error = error
            self._failed()
        finally:
            self._queue.cancel()


class ByteBudget:
    """Memory budget for items in progress: grants bytes in the order of tickets 0, 1, 2, …

    If nothing is granted, a request of any size is. The order prevents deadlocks: a later ticket can never hold what an
    earlier one waits for.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._used = 0
        self._next = 0
        self._closed = False
        self._changed = threading.Condition()

    def enter(self, ticket: int, size: int) -> None:
        """Wait for the ticket's turn, and for `size` bytes; ImgcycleError if the budget is closed meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (ticket == self._next and self._fits(size)))
            if self._closed:
                raise ImgcycleError("stopped before it was begun")
            self._used += size
            self._next += 1
            self._changed.notify_all()

    def leave(self, size: int) -> None:
        """Return bytes."""
        with self._changed:
            self._used -= size
            self._changed.notify_all()

    def close(self) -> None:
        """Grant nothing any more, and wake all waiting threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        return self._used == 0 or self._used + size <= self.size
