"""Passing items from one thread to another, a few at a time, with an end that either side can bring about."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class ClosableQueue(Generic[Item]):
    """A bounded queue. The giver `finish`es, perhaps with an error; the taker `abandon`s what is left.

    Unlike queue.Queue nobody waits for ever: each side learns at once that the other is gone.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._finished = False
        self._abandoned = False
        self._error: BaseException | None = None

    def put(self, item: Item) -> bool:
        """Hand an item over, waiting for room; False when nobody takes any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or len(self._items) < self._room)
            if self._abandoned:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def take(self) -> Item | None:
        """The next item, waiting for it; None at the end. Raises the error that the giver finished with."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._items) or self._finished or self._abandoned)
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            return None

    def finish(self, error: BaseException | None = None) -> None:
        """Say that no item will follow."""
        with self._changed:
            self._finished, self._error = True, error
            self._changed.notify_all()

    def abandon(self) -> None:
        """Say that no item will be taken any more; what waits is thrown away."""
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()
