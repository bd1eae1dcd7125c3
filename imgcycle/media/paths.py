"""Names of files: what they stand for, whether two lead to one file, and how one is shown on a line."""

from __future__ import annotations

import errno
import os
import re
import sys
import unicodedata
from pathlib import Path, PurePath
from typing import Literal

from imgcycle.errors import UsageError
from imgcycle.media.formats import CLIP_SUFFIXES, RAW_SUFFIXES, STILL_SUFFIXES

STATE_FOLDER = ".imgcycle"
"""What imgcycle notes for itself in an output folder; never walked into."""
_SAID = 60
"""Letters of a name that is too long to be one."""


def kind_of(path: PurePath) -> Literal["still", "clip", "raw", "unknown"]:
    """What a file is by its suffix."""
    suffix = path.suffix.lower()
    if suffix in STILL_SUFFIXES:
        return "still"
    if suffix in CLIP_SUFFIXES:
        return "clip"
    return "raw" if suffix in RAW_SUFFIXES else "unknown"


_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""A scheme of one letter would be a drive of Windows."""


def check_name(text: str, what: str) -> None:
    """UsageError for what no file here can be called: an address, a name too long, a place that nobody may look at.

    `what` begins the line: the option, or what the name stands for.
    """
    if _ADDRESS.match(text):
        raise UsageError(f"{what} is an address, {shown(text)}", "files and folders of this machine are taken")
    try:
        os.stat(Path(text))  # noqa: PTH116 - which follows links and tells all
    except (FileNotFoundError, NotADirectoryError):
        return  # which may be right: what is made need not be there, and each says for itself what it lacks
    except ValueError:
        raise UsageError(f"{what} {shown(text)} is no name of a file") from None
    except OSError as error:
        said = f"{shown(text[:_SAID])}…" if error.errno == errno.ENAMETOOLONG else shown(text)
        raise UsageError(f"{what} {said} cannot be used: {error.strerror}", "choose another") from error


def in_state_folder(path: Path) -> bool:
    """Whether a path leads, by whatever links, to where imgcycle notes things for itself."""
    return STATE_FOLDER in (part.casefold() for part in (*path.parts, *path.resolve().parts))


def same_file(one: Path, other: Path) -> bool:
    """Whether two names lead to one file, by way of links, spellings or `..`, even through folders yet to be made."""
    facts = identity(one)
    return key(located(one)) == key(located(other)) or (facts is not None and facts == identity(other))


def located(path: Path) -> Path:
    """Where a file lies whatever links lead to its folder; what it is itself a link to is another matter."""
    return path.parent.resolve() / path.name


def identity(path: str | Path) -> tuple[int, int] | None:
    """What tells a file from all others whatever it is called; None when it is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 - ten thousand of them, and no Path made of each
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def key(path: Path) -> str:
    """What two names share when this system's usual file system takes them for one."""
    text = os.path.normpath(path)
    return text if sys.platform == "linux" else unicodedata.normalize("NFC", text).casefold()


def shown(path: PurePath | str) -> str:
    """A path for one line of text: control characters and undecodable bytes escaped."""
    text = str(path)
    if text.isprintable() and text == text.strip():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
