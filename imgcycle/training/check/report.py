"""Findings of a folder check."""

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
"""Kinds that a cleaned copy leaves out: near duplicates may be a wanted series."""


@dataclass(frozen=True)
class Remark:
    """One image worth a look, with the reason in words; `domain` is A or B."""

    path: Path
    domain: str
    kind: Kind
    text: str


@dataclass(frozen=True)
class FolderFacts:
    """Statistics of a folder: usable images, their files in bytes, shorter sides in pixels (least, median, most),
    and the share 0..1 of images without colour.
    """

    root: Path
    paths: tuple[Path, ...]
    bytes: int
    shorter: tuple[int, int, int]
    grey: float

    @property
    def pictures(self) -> int:
        """Number of usable images."""
        return len(self.paths)


@dataclass(frozen=True)
class CheckReport:
    """Both folders, remarks on single images, and advice in whole sentences.

    `told_apart` is the share 0..1 of the images that a classifier, not trained on them, assigns to the right folder;
    None without the `metrics` extra or with few images. `steps_per_epoch` is that of a run with the given settings.
    """

    a: FolderFacts
    b: FolderFacts
    remarks: tuple[Remark, ...]
    steps_per_epoch: int
    told_apart: float | None = None
    advice: tuple[str, ...] = ()
