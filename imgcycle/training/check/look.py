"""The check itself: every image of both folders is read once, and compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcycle.config import TrainConfig
from imgcycle.data.batches import stack, to_signed
from imgcycle.data.folders import ImageFolder, Pixels
from imgcycle.data.pairs import open_domains
from imgcycle.errors import InputError
from imgcycle.media.image.pixels import is_grey
from imgcycle.media.image.read import measure_file
from imgcycle.methods.registry import method_class
from imgcycle.metrics.features import FeatureNet
from imgcycle.training.check.advice import advice_on
from imgcycle.training.check.duplicates import miniature, near_pairs, same_files
from imgcycle.training.check.features import LEAST, outliers
from imgcycle.training.check.report import CheckReport, FolderFacts, Remark

SIDE = 256
"""Shorter side in pixels at which images are checked."""
_TOGETHER = 8
Progress = Callable[[int, int], None]


def check_folders(config: TrainConfig, net: FeatureNet | None = None, progress: Progress | None = None) -> CheckReport:
    """Check the two folders of a config as training would read them; `progress` is called with images done and total.

    With a `net`, outliers are found by its features. UsageError as for training: a folder is missing, has fewer images
    than the method needs, or both are the same.
    """
    method = method_class(config.method)
    paired = method.paired
    left_out: list[tuple[Path, str]] = []
    a, b, alone = open_domains(
        Path(config.a),
        Path(config.b),
        SIDE,
        paired,
        on_unreadable=lambda path, why: left_out.append((path, why)),
        fewest_b=method.fewest_b,
    )
    left_out += [(path, "it has no partner of the same name") for path in alone]
    folders = [a] if a.half is not None else [a, b]
    if paired or min(len(folder) for folder in folders) < LEAST:
        net = None
    seen = [_Seen(folder, config) for folder in folders]
    total = sum(len(folder) for folder in folders)
    done = 0
    for one in seen:
        for _ in one.read(net):
            done += 1
            if progress is not None:
                progress(done, total)
    remarks = [Remark(path, _domain(path, b.root), "unreadable", why) for path, why in left_out]
    remarks += [remark for n, one in enumerate(seen) for remark in one.too_small("AB"[n])]
    everything = _AllImages(seen)
    remarks += everything.repeated(across=not paired)
    told_apart = None
    if net is not None and min(len(one.paths) for one in seen) >= LEAST:
        named, told_apart = everything.outlying()
        remarks += named
    facts = [one.facts() for one in seen]
    largest = max(fact.pictures for fact in facts)
    report = CheckReport(facts[0], facts[-1], tuple(remarks), -(-largest // config.batch), told_apart)
    return replace(report, advice=tuple(advice_on(report, config, method)))


class _Seen:
    """Findings on one folder: its usable images, in order."""

    def __init__(self, folder: ImageFolder, config: TrainConfig) -> None:
        self.folder, self.config = folder, config
        self.paths: list[Path] = []
        self.miniatures: list[NDArray[np.float32]] = []
        self.features: list[NDArray[Any]] = []
        self.grey = 0
        self.shorter: list[int] = []
        self._waiting: list[Pixels] = []

    def read(self, net: FeatureNet | None) -> Iterator[None]:
        """Read one image after another."""
        for index, path in enumerate(self.folder.paths):
            try:
                pixels = self.folder.image(index)
                header = measure_file(path)
            except InputError:  # none is left, or this one has been removed meanwhile
                yield
                continue
            if index not in self.folder.left_out:
                self.paths.append(path)
                self.miniatures.append(miniature(pixels))
                self.grey += is_grey(pixels)
                self.shorter.append(min(header.width, header.height))
                if net is not None:
                    self._waiting.append(self.folder.centre(index, SIDE))
            if len(self._waiting) == _TOGETHER:
                self._flush(net)
            yield
        self._flush(net)

    def _flush(self, net: FeatureNet | None) -> None:
        if net is not None and self._waiting:
            self.features.append(net.features([to_signed(stack(self._waiting))]).numpy())
        self._waiting = []

    def too_small(self, domain: str) -> Iterator[Remark]:
        """Yield images too small for crops at 1:1."""
        if self.config.size != "full":
            return
        for path, shorter in zip(self.paths, self.shorter, strict=True):
            if shorter < self.config.crop:
                why = f"its shorter side has {shorter} pixels, fewer than a crop of {self.config.crop}"
                yield Remark(path, domain, "unreadable", why)

    def facts(self) -> FolderFacts:
        """Statistics of the folder."""
        ordered = sorted(self.shorter) or [0]
        size = sum(self.folder.file_bytes[path] for path in self.paths)
        sides = (ordered[0], ordered[len(ordered) // 2], ordered[-1])
        return FolderFacts(self.folder.root, tuple(self.paths), size, sides, self.grey / max(1, len(self.paths)))


class _AllImages:
    """The images of all folders in one list."""

    def __init__(self, seen: Sequence[_Seen]) -> None:
        self._seen = seen
        self.paths = [path for one in seen for path in one.paths]
        self.own = np.repeat(np.arange(len(seen)), [len(one.paths) for one in seen])

    def _remark(self, index: int, kind: Any, text: str) -> Remark:
        return Remark(self.paths[index], "AB"[self.own[index]], kind, text)

    def repeated(self, across: bool) -> Iterator[Remark]:
        """Yield duplicates in the same folder and, with `across`, in the other."""
        same: set[int] = set()
        for later, first in sorted(same_files(self.paths)):
            if across or self.own[later] == self.own[first]:
                same.add(later)
                yield self._remark(later, "duplicate", f"the same file as {self._shown(first, later)}")
        if not self.paths:
            return
        for later, first in near_pairs(np.stack([row for one in self._seen for row in one.miniatures])):
            if later not in same and (across or self.own[later] == self.own[first]):
                yield self._remark(later, "near", f"nearly the same as {self._shown(first, later)}")

    def _shown(self, index: int, beside: int) -> str:
        """Name of another image relative to this one."""
        return os.path.relpath(self.paths[index], self.paths[beside].parent)

    def outlying(self) -> tuple[list[Remark], float]:
        """Outliers, and the share of images classified correctly."""
        rows = np.concatenate([row for one in self._seen for row in one.features])
        elsewhere, far, told_apart = outliers(rows, self.own)
        named = [
            self._remark(n, "elsewhere", f"its own folder has a probability of {chance:.2f}")
            for n, chance in sorted(elsewhere.items(), key=lambda pair: pair[1])
        ]
        named += [
            self._remark(n, "far", f"{distance:.3f} from its nearest")
            for n, distance in far.items()
            if n not in elsewhere
        ]
        return named, told_apart


def _domain(path: Path, b: Path) -> str:
    return "B" if path.is_relative_to(b) else "A"
