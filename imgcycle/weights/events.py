"""What the fetching of a published style says while it runs; bars, lines and JSON are listeners to these."""

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
    """An address is asked for the file."""

    name: str
    url: str


@dataclass(frozen=True)
class Refused:
    """An address did not give the file; `then` is the one that is asked next, if any."""

    name: str
    url: str
    reason: str
    then: str | None


@dataclass(frozen=True)
class Received:
    """How much has come: bytes, of how many (None: the server does not say)."""

    name: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Kept:
    """The style is on this machine.

    `fresh` is False where it was there before. `sha256` is that of the file as published, `url` where it came from
    (both empty for a style that was never fetched), `size` its bytes, 0 where nothing was read. `trusted_now` says
    that nothing was known to compare the digest with.
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
    """The listener of those who want to hear nothing."""
