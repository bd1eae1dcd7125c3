"""Saved states of a run: written atomically, verified before use, the newest valid one counts."""

from __future__ import annotations

import contextlib
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import torch

from imgcycle.config.legacy import current_state
from imgcycle.errors import DiskFull, OutputError, is_full, reason_of
from imgcycle.media.files import atomic_write

KEPT_STATES = 2
_PARTS: dict[str, type | tuple[type, ...]] = {
    "step": int, "generation": int, "counted": int, "nets": dict, "averages": dict, "optimizers": dict,
    "scalers": dict, "schedule": dict, "sums": dict, "best": dict, "method": list,
}  # fmt: skip
"""Parts of every state, with their types."""
_ZIP = b"PK\x03\x04"


class UnsoundState(Exception):
    """A state that cannot be resumed from; its message continues a sentence that begins with the file's name."""


class SavedStates:
    """The files `step-N.pt` of a folder: one a save, the newest two kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def found(self) -> list[tuple[int, Path]]:
        """Every state by its step, the newest first."""
        named = ((re.fullmatch(r"step-(\d+)\.pt", path.name), path) for path in self.folder.glob("step-*.pt"))
        return sorted(((int(match[1]), path) for match, path in named if match), reverse=True)

    def save(self, step: int, state: dict[str, Any]) -> Path:
        """Write `step-N.pt` atomically, then delete later ones, which were skipped, and all but the newest two.
        OSError if it cannot be written.
        """
        path = self.folder / f"step-{step}.pt"
        with atomic_write(path) as file:
            _write(state, file)
        found = self.found()
        later = [old for number, old in found if number > step]
        for old in (*later, *[old for number, old in found if number <= step][KEPT_STATES:]):
            old.unlink(missing_ok=True)
        return path

    def forget(self) -> None:
        """Delete all of them."""
        for _, old in self.found():
            old.unlink()

    def size(self) -> int:
        """Their size in bytes."""
        return sum(path.stat().st_size for _, path in self.found())


def read_state(path: Path) -> dict[str, Any]:
    """A verified state, under current names; UnsoundState if it is damaged, with the reason.

    Tensors and plain values only: nothing in the file is executed.
    """
    try:
        _check_bytes(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UnsoundState(f"cannot be read: {reason_of(error)}") from error
    except MemoryError as error:
        raise UnsoundState("is too large for the memory") from error
    except UnsoundState:
        raise
    except Exception as error:
        # The message of any other exception is about the decoder itself.
        raise UnsoundState("is no state of imgcycle train") from error
    if not isinstance(state, dict) or "step" not in state:
        raise UnsoundState("is no state of imgcycle train")
    state = current_state(state)
    for name, kind in _PARTS.items():
        if name not in state:
            raise UnsoundState(f"lacks its {name}")
        if not isinstance(state[name], kind) or (isinstance(state[name], int) and state[name] < 0):
            raise UnsoundState(f"has a {name} that is none")
    if path.name != f"step-{state['step']}.pt":
        raise UnsoundState(f"is the state of step {state['step']}")
    return state


def _check_bytes(path: Path) -> None:
    """UnsoundState unless the file is a complete archive with valid checksums, which torch does not verify."""
    with path.open("rb") as file:
        first = file.read(4096)
        if not first:
            raise UnsoundState("is empty")
        if not any(first):
            raise UnsoundState("holds zeros only")
        if not first.startswith(_ZIP):
            raise UnsoundState("is no state of imgcycle train")
        try:
            with zipfile.ZipFile(file) as archive:
                changed = archive.testzip()
        except zipfile.BadZipFile as error:
            raise UnsoundState("is damaged, or cut short") from error
        except (OSError, MemoryError):
            raise
        except Exception as error:
            raise UnsoundState("is damaged") from error
    if changed is not None:
        raise UnsoundState("is damaged")


class _ErrorRecorder:
    """A file that remembers the exception that ended its writing, where torch raises one about its own archive."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.error: BaseException | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except BaseException as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()


def _write(state: dict[str, Any], file: IO[bytes]) -> None:
    witness = _ErrorRecorder(file)
    try:
        torch.save(state, cast(IO[bytes], witness))
    except RuntimeError:
        if witness.error is None:
            raise
        raise witness.error from None


@contextlib.contextmanager
def writing_run(root: Path, kept: str, hint: str) -> Iterator[None]:
    """DiskFull or OutputError if a file of a run cannot be written: where, why, what is kept and what to do."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise DiskFull(f"the disk of {root} is full; {kept}", f"make room, then {hint}") from error
        raise OutputError(f"{root} cannot be written: {reason_of(error)}; {kept}", hint) from error


def check_room(root: Path, needed: int) -> None:
    """DiskFull if so many bytes would not fit the run's disk; nothing if the system does not tell."""
    there = next((place for place in (root, *root.resolve().parents) if place.exists()), root)
    with contextlib.suppress(OSError):
        disk = shutil.disk_usage(there)
        if disk.total and disk.free < needed:
            raise DiskFull(
                f"the saves of {root} need {_amount(needed)}, where {_amount(disk.free)} are free",
                "make room, or choose another -o",
            )


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 10**9 else f"{size / 1e6:.1f} MB"
