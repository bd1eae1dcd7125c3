"""Segmentation scores of label images, pixel by pixel.

Long, Shelhamer, Darrell, Fully Convolutional Networks for Semantic Segmentation, CVPR 2015, section 5.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgcycle.errors import UsageError

Pixels = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]
IGNORED = "ignore"
"""Name of palette entries that are not a class: truth of that colour is not scored."""


@dataclass(frozen=True)
class Palette:
    """Colours of the classes; several colours may share a class.

    `colours` are rows of 8-bit RGB, `owners` the class of each, −1 if it is ignored.
    """

    classes: tuple[str, ...]
    colours: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int64]

    def truth(self, pixels: Pixels) -> npt.NDArray[np.int64]:
        """Class of every pixel (H, W) by the nearest colour, −1 if that one is ignored."""
        return self._nearest(pixels, np.arange(len(self.colours)))

    def found(self, pixels: Pixels) -> npt.NDArray[np.int64]:
        """Class of every pixel (H, W) by the nearest colour of a class."""
        return self._nearest(pixels, np.flatnonzero(self.owners >= 0))

    def _nearest(self, pixels: Pixels, among: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        # A label image has few colours, and even a JPEG of one far fewer than pixels.
        packed = pixels.astype(np.int64) @ np.array([65536, 256, 1])
        values, places = np.unique(packed, return_inverse=True)
        rgb = np.stack([values >> 16, values >> 8 & 255, values & 255], 1)
        best = np.full(len(rgb), np.iinfo(np.int64).max)
        owner = np.zeros(len(rgb), np.int64)
        for index in among:
            distance = np.square(rgb - self.colours[index]).sum(1)
            nearer = distance < best
            owner[nearer], best[nearer] = self.owners[index], distance[nearer]
        return owner[places].reshape(pixels.shape[:2])


def parse_palette(text: str) -> Palette:
    """A palette from JSON, `{"road": [128, 64, 128], …}`, or from lines of `128 64 128 road` or `#804080 road`.

    A name of `ignore`, or none, marks a colour that is no class; `//` and `# ` begin comments. UsageError says which
    line cannot be read, or that fewer than two classes are named.
    """
    entries = _from_json(text) if text.lstrip().startswith("{") else _from_lines(text)
    names = tuple(dict.fromkeys(name for name, _ in entries if name != IGNORED))
    if len(names) < 2:
        raise UsageError(f"the palette names {len(names)} classes", "give at least two: 128 64 128 road")
    owners = [names.index(name) if name in names else -1 for name, _ in entries]
    return Palette(names, np.array([rgb for _, rgb in entries], np.int64), np.array(owners, np.int64))


_LINE = re.compile(r"(?:#([0-9a-fA-F]{6})|(\d+)[\s,]+(\d+)[\s,]+(\d+))(?:[\s,]+(.*))?$")


def _from_lines(text: str) -> list[tuple[str, list[int]]]:
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not bare or bare.startswith(("//", "# ")) or bare == "#":
            continue
        match = _LINE.match(bare)
        rgb = [] if match is None else _rgb(match)
        if match is None or max(rgb) > 255:
            raise UsageError(f"line {number} of the palette is no colour: {bare!r}", "write 128 64 128 road")
        entries.append(((match[5] or IGNORED).strip(), rgb))
    return entries


def _rgb(match: re.Match[str]) -> list[int]:
    return list(bytes.fromhex(match[1])) if match[1] else [int(part) for part in match.group(2, 3, 4)]


def _from_json(text: str) -> list[tuple[str, list[int]]]:
    try:
        named = json.loads(text)
        entries = []
        for name, value in named.items():
            several = value if value and isinstance(value[0], list) else [value]
            entries += [(str(name), [int(part) for part in rgb]) for rgb in several]
        if any(len(rgb) != 3 or not 0 <= min(rgb) <= max(rgb) <= 255 for _, rgb in entries):
            raise ValueError("a colour has three values from 0 to 255")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        hint = 'write {"road": [128, 64, 128], "sky": [70, 130, 180]}'
        raise UsageError(f"the palette cannot be read: {error}", hint) from error
    return entries


def confusion(truth: npt.NDArray[np.int64], found: npt.NDArray[np.int64], classes: int) -> Counts:
    """Confusion matrix (classes, classes): true class (rows), predicted class (columns); truth of −1 is left out."""
    scored = truth >= 0
    return np.bincount(truth[scored] * classes + found[scored], minlength=classes**2).reshape(classes, classes)


@dataclass(frozen=True)
class LabelScores:
    """Scores from 0 to 1; per class they are None if the class does not occur.

    `per_pixel`: Σ nᵢᵢ / Σ tᵢ. `per_class`: the mean of nᵢᵢ / tᵢ over the classes of the truth. `class_iou`: the mean of
    nᵢᵢ / (tᵢ + fᵢ − nᵢᵢ) over the classes of truth or prediction.
    """

    per_pixel: float
    per_class: float
    class_iou: float
    accuracies: tuple[float | None, ...]
    ious: tuple[float | None, ...]


def label_scores(counts: Counts) -> LabelScores:
    """Scores of a confusion matrix; UsageError if it counts no pixels."""
    if not counts.any():
        raise UsageError("no pixel of the truth has the colour of a class", "check --palette")
    right, true, found = counts.diagonal(), counts.sum(1), counts.sum(0)
    accuracies = _shares(right, true)
    ious = _shares(right, true + found - right)
    return LabelScores(float(right.sum() / counts.sum()), _mean(accuracies), _mean(ious), accuracies, ious)


def commonest_class(counts: Counts) -> Counts:
    """Confusion matrix of predicting the truth's commonest class everywhere, the baseline without learning."""
    lazy = np.zeros_like(counts)
    lazy[:, counts.sum(1).argmax()] = counts.sum(1)
    return lazy


def _shares(parts: Counts, wholes: Counts) -> tuple[float | None, ...]:
    return tuple(float(part / whole) if whole else None for part, whole in zip(parts, wholes, strict=True))


def _mean(shares: tuple[float | None, ...]) -> float:
    there = [share for share in shares if share is not None]
    return sum(there) / len(there)
