"""File names: the kinds they stand for, whether two lead to one file, and how they are printed."""

from __future__ import annotations

import errno
import os
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Literal

from imgcycle.errors import UsageError
from imgcycle.media.formats import CLIP_SUFFIXES, RAW_SUFFIXES, STILL_SUFFIXES, suffix_of

STATE_FOLDER = ".imgcycle"
"""Folder of imgcycle's own records in an output folder; never walked."""
_SAID = 60
"""Characters shown of a name that is too long."""


def kind_of(path: PurePath | str) -> Literal["still", "clip", "raw", "unknown"]:
    """Kind of file by its suffix."""
    suffix = suffix_of(path)
    if suffix in STILL_SUFFIXES:
        return "still"
    if suffix in CLIP_SUFFIXES:
        return "clip"
    return "raw" if suffix in RAW_SUFFIXES else "unknown"


_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""A scheme of one letter would be a Windows drive."""


def is_address(text: str) -> bool:
    """True for what begins as an address does, of whatever scheme."""
    return _ADDRESS.match(text) is not None


def check_name(text: str, what: str) -> None:
    """Raise UsageError for impossible file names: a URL, a name too long, a folder without permission.

    `what` begins the message: the option, or what the name stands for.
    """
    if is_address(text):
        raise UsageError(f"{what} is an address, {shown(text)}", "files and folders of this machine are taken")
    try:
        os.stat(Path(text))  # noqa: PTH116 - which follows links and tells all
    except (FileNotFoundError, NotADirectoryError):
        return  # which may be right: outputs need not exist, and inputs are checked later
    except ValueError:
        raise UsageError(f"{what} {shown(text)} is no name of a file") from None
    except OSError as error:
        said = f"{shown(text[:_SAID])}…" if error.errno == errno.ENAMETOOLONG else shown(text)
        raise UsageError(f"{what} {said} cannot be used: {error.strerror}", "choose another") from error


def in_state_folder(path: Path) -> bool:
    """True if a path leads, through whatever links, into imgcycle's own records."""
    return STATE_FOLDER in (part.casefold() for part in (*path.parts, *path.resolve().parts))


def same_file(one: Path, other: Path) -> bool:
    """True if two paths lead to one file, through links, spellings or `..`, even in folders yet to be created."""
    facts = identity(one)
    return key(located(one)) == key(located(other)) or (facts is not None and facts == identity(other))


def located(path: PurePath | str, resolve: Callable[[str], str] = os.path.realpath) -> str:
    """The path with links in its folder resolved, but not a link that it is itself.

    For thousands of files `resolve` may be `functools.cache(os.path.realpath)`: their folders are few.
    """
    folder, name = os.path.split(path)
    return os.path.join(resolve(folder), name)  # noqa: PTH118


def identity(path: str | Path) -> tuple[int, int] | None:
    """Device and inode of a file; None if it does not exist."""
    try:
        found = os.stat(path)  # noqa: PTH116 - ten thousand of them, and no Path made of each
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def is_plain(name: str) -> bool:
    """True if a name is surely spelt as `Path` and `normpath` would spell it."""
    return os.sep == "/" and name[:1] not in ("", ".") and name[-1] != "/" and "//" not in name and "/." not in name


def key(path: PurePath | str) -> str:
    """Normalised path, equal for names that this system's usual file system takes for one."""
    text = os.fspath(path)
    text = text if is_plain(text) else os.path.normpath(text)
    return text if sys.platform == "linux" else unicodedata.normalize("NFC", text).casefold()


def shown(path: PurePath | str) -> str:
    """A path for one line of text, control characters and undecodable bytes escaped."""
    text = str(path)
    if text.isprintable() and text == text.strip():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
