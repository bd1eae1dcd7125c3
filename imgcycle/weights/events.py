"""Events of fetching a published style; progress bars, lines and JSON are listeners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Waiting:
    """Another process is fetching the same style."""

    name: str


@dataclass(frozen=True)
class Asking:
    """A URL is requested."""

    name: str
    url: str


@dataclass(frozen=True)
class Refused:
    """A URL did not give the file; `then` is the next one, if any."""

    name: str
    url: str
    reason: str
    then: str | None


@dataclass(frozen=True)
class Received:
    """Progress in bytes, and the total (None: the server does not tell)."""

    name: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Kept:
    """The style is installed.

    `fresh` is False if it was installed before. `sha256` is that of the file as published, `url` its source (both empty
    for a style that was never fetched), `size` its bytes, 0 if nothing was read. `trusted_now` is True if there was no
    known digest to compare with.
    """

    name: str
    path: Path
    sha256: str = ""
    url: str = ""
    size: int = 0
    seconds: float = 0.0
    fresh: bool = True
    trusted_now: bool = False


Event = Waiting | Asking | Refused | Received | Kept
Listener = Callable[[Event], None]


def nobody(_: Event) -> None:
    """A listener that ignores all events."""
