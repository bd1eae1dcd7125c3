"""Events of fetching a published style; progress bars, lines and JSON are listeners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FetchEvent:
    """What happened to one style; `name` is the style's."""

    name: str


@dataclass(frozen=True)
class Waiting(FetchEvent):
    """Another process is fetching the same style."""


@dataclass(frozen=True)
class Asking(FetchEvent):
    """A URL is requested."""

    url: str


@dataclass(frozen=True)
class Refused(FetchEvent):
    """A URL did not give the file; `then` is the next one, if any."""

    url: str
    reason: str
    """In words that follow the address."""
    then: str | None
    """The address that is asked next, if any."""


@dataclass(frozen=True)
class Received(FetchEvent):
    """Progress in bytes, and the total (None: the server does not tell)."""

    done: int
    """Bytes."""
    total: int | None
    """Of how many bytes; None where the server does not say."""


@dataclass(frozen=True)
class Kept(FetchEvent):
    """The style is installed.

    `fresh` is False if it was installed before. `sha256` is that of the file as published, `url` its source (both empty
    for a style that was never fetched), `size` its bytes, 0 if nothing was read. `trusted_now` is True if there was no
    known digest to compare with.
    """

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
