"""Memory for the pictures in flight: bounded by what they take, not by how many they are."""

from __future__ import annotations

import threading

from imgcycle.errors import ImgcycleError


class ByteBudget:
    """Hands out bytes in the order of tickets 0, 1, 2, …; whoever finds the room empty is let in at any size.

    The order is what keeps it from locking up: a later picture can never hold what an earlier one waits for.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._used = 0
        self._next = 0
        self._closed = False
        self._changed = threading.Condition()

    def enter(self, ticket: int, size: int) -> None:
        """Wait for one's turn, and for `size` bytes; ImgcycleError when the room is closed meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (ticket == self._next and self._fits(size)))
            if self._closed:
                raise ImgcycleError("stopped before it was begun")
            self._used += size
            self._next += 1
            self._changed.notify_all()

    def leave(self, size: int) -> None:
        """Give bytes back."""
        with self._changed:
            self._used -= size
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody in any more, and wake those who wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        return self._used == 0 or self._used + size <= self.size
