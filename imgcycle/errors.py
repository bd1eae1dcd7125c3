"""Everything that can go wrong and be said in one line.

    ImgcycleError            exit 1   anything below, or a failure with no better name
    ├── UsageError           exit 2   what was asked cannot be done as asked
    │   ├── UnknownStyle     exit 2   no style, file or run folder of that name
    │   │   └── StyleNotHere exit 2   a published style that this machine has not fetched
    │   ├── WeightsError     exit 2   a weights file that cannot be read or does not fit
    │   └── MissingExtra     exit 2   an optional package is not installed
    ├── InputError           exit 1   one input cannot be read, or is not what it claims to be
    ├── OutputError          exit 1   one output cannot be written
    │   └── DiskFull         exit 1   nor could any other
    ├── DownloadError        exit 1   a file could not be fetched, or is not the one it should be
    ├── TrainingError        exit 1   a run cannot go on
    └── Interrupted          exit 130 the user, or a signal, ended the work

A message is one line: what, where. A hint is what to do about it.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import ClassVar, Self


class ImgcycleError(Exception):
    """Base of every error imgcycle raises on purpose; carries a hint and an exit code.

    `errno` is the system's number where the system refused something.
    """

    exit_code: ClassVar[int] = 1
    errno: int | None = None

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def at(self, place: str) -> Self:
        """The same error as a new one, its message prefixed by `place`."""
        found = type(self).__new__(type(self))
        found.__dict__.update(self.__dict__, message=f"{place}: {self.message}")
        found.args = (found.message,)
        return found

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(ImgcycleError):
    """The request itself cannot be carried out."""

    exit_code = 2


class UnknownStyle(UsageError):
    """No bundled style, weights file or run folder of this name."""


class StyleNotHere(UnknownStyle):
    """A published style that is not installed; the hint is the command that fetches it."""


class WeightsError(UsageError):
    """A weights file that is unreadable, damaged, or not of a known net."""


class MissingExtra(UsageError):
    """An optional package is needed; the hint is the pip command."""

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs an optional package", f"pip install 'imgcycle[{extra}]'")
        self.extra = extra


class InputError(ImgcycleError):
    """An input file that cannot be read, or is not what it claims to be."""


class OutputError(ImgcycleError):
    """An output file cannot be written."""


class DiskFull(OutputError):
    """An output file cannot be written because the disk, or the user's share of it, is full."""


class DownloadError(ImgcycleError):
    """A file could not be fetched whole, or is not the one it should be; nothing of it was kept."""


class TrainingError(ImgcycleError):
    """A training run cannot go on."""


class Interrupted(ImgcycleError):
    """The work was ended by the user or a signal; finished results stay."""

    exit_code = 130


@contextlib.contextmanager
def reported(kind: type[ImgcycleError], what: str = "", hint: str | None = None) -> Iterator[None]:
    """Turn an OSError inside the block into one of `kind`, "`what`: the system's reason"; DiskFull if an output
    cannot be written because the disk is full.
    """
    try:
        yield
    except OSError as error:
        raise from_system(kind, error, what, hint) from error


def from_system(kind: type[ImgcycleError], error: OSError, what: str = "", hint: str | None = None) -> ImgcycleError:
    """The error that `reported` raises for an OSError."""
    found = (DiskFull if kind is OutputError and is_full(error) else kind)(
        f"{what}: {reason_of(error)}" if what else reason_of(error), hint
    )
    found.errno = error.errno
    return found


def reason_of(error: OSError) -> str:
    """The system's reason for an OSError."""
    return error.strerror or str(error)


def is_full(error: BaseException | None) -> bool:
    """True if the disk, or the user's quota of it, is full."""
    full = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    return isinstance(error, DiskFull) or (isinstance(error, OSError) and error.errno in full)


def counted(number: int, thing: str) -> str:
    """`1 picture`, `2,000 pictures`: for messages."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
