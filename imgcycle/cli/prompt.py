"""A published style that is not installed: a person is asked whether to fetch it, a program is told how."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgcycle.weights.index import RemoteEntry


def offer(style: str, direction: str, *, ask: bool) -> None:
    """Fetch the styles that `--to` names if they are published, not installed, and the person at the terminal agrees.

    Raises what finding the style raises, so StyleNotHere for a no, for `ask` False, and if nobody can be asked.
    """
    from imgcycle.weights.mix import named_styles

    for name, _ in named_styles(style):
        _offer_one(name, direction, ask)


def _offer_one(style: str, direction: str, ask: bool) -> None:
    from imgcycle.errors import StyleNotHere
    from imgcycle.weights.find import find_style, remote_styles

    try:
        if find_style(style, "B2A" if direction == "B2A" else "A2B").entry is not None:
            say_damage()
    except StyleNotHere:
        if not ask or not _is_interactive() or not _wanted(remote_styles()[style]):
            raise
    else:
        return

    from imgcycle.cli.interrupts import graceful_exit
    from imgcycle.cli.render.models import fetching
    from imgcycle.weights.fetch import get_style

    with graceful_exit(), fetching() as listener:
        get_style(style, (), listener)


def say_damage() -> None:
    """Print a line for each index, or entry in one, that is damaged and skipped."""
    from imgcycle.cli.render.console import say
    from imgcycle.weights.find import index_damage

    for line in index_damage():
        say(f"imgcycle: {line}; the other styles work")


def _is_interactive() -> bool:
    """True if a question would be seen and could be answered."""
    from imgcycle.cli.render.console import on_terminal

    return sys.stdin is not None and sys.stdin.isatty() and on_terminal()


def _wanted(remote: RemoteEntry) -> bool:
    """Ask on stderr: stdout may be an image."""
    from urllib.parse import urlsplit

    from imgcycle.cli.render.console import say
    from imgcycle.weights.download import mirrors

    host = urlsplit((*mirrors(), *remote.urls)[0]).hostname
    size = f", about {remote.megabytes} MB" if remote.megabytes else ""
    say(f"{remote.name} ({remote.direction or remote.data}) is published, but not on this machine yet.")
    say(f"Learnt from {remote.data}. Licence: {remote.licence}.")
    # Not `say`: the answer is on the same line.
    sys.stderr.write(f"Fetch it from {host}{size}? [Y/n] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    return answer != "" and answer.strip().casefold() in ("", "y", "yes")
