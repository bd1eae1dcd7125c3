"""What a look at two folders found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["unreadable", "duplicate", "near", "elsewhere", "far"]
KINDS: dict[Kind, str] = {
    "unreadable": "left out by training",
    "duplicate": "the same file again",
    "near": "nearly the same picture again",
    "elsewhere": "more like the other folder",
    "far": "farthest from all others",
}
DROPPED: tuple[Kind, ...] = ("unreadable", "duplicate", "elsewhere", "far")
"""What a cleaned copy is without: near duplicates may be a series that is wanted."""


@dataclass(frozen=True)
class Remark:
    """One picture that is worth a look, and why, in words; `domain` is A or B."""

    path: Path
    domain: str
    kind: Kind
    text: str


@dataclass(frozen=True)
class FolderFacts:
    """A folder in figures: pictures that can be learnt from, their files in bytes, pixels of the shorter sides (least,
    median, most), and the share 0..1 of pictures without colour."""

    root: Path
    paths: tuple[Path, ...]
    bytes: int
    shorter: tuple[int, int, int]
    grey: float

    @property
    def pictures(self) -> int:
        """How many can be learnt from."""
        return len(self.paths)


@dataclass(frozen=True)
class CheckReport:
    """Both folders, what is remarkable in them, and advice in whole sentences.

    `told_apart` is the share 0..1 of the pictures that a classifier, which never saw them, puts into the right folder;
    None without the `metrics` extra or with few pictures. `steps_per_epoch` is that of a run with the settings asked
    for.
    """

    a: FolderFacts
    b: FolderFacts
    remarks: tuple[Remark, ...]
    steps_per_epoch: int
    told_apart: float | None = None
    advice: tuple[str, ...] = ()
