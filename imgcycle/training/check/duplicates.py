"""Duplicate images: by their bytes, and by their appearance."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from imgcycle.data.folders import Pixels
from imgcycle.media.files import opened

MOST = 8000
"""Most images compared by appearance, each with each."""
_SIDE = 16
_ALIKE, _SHARE = 4.0, 0.15
"""Largest mean difference in levels of two miniatures that count as nearly the same, and as a share of their own
spread: two images of fog are alike and still two.
"""
_BLOCK = 256


def same_files(paths: Sequence[Path]) -> Iterator[tuple[int, int]]:
    """Yield (later, first) of files with the same bytes; an unreadable one equals no other."""
    sizes: dict[int, list[int]] = {}
    for index, path in enumerate(paths):
        try:
            sizes.setdefault(path.stat().st_size, []).append(index)
        except OSError:
            continue
    first: dict[bytes, int] = {}
    for indices in sizes.values():
        for index in indices if len(indices) > 1 else ():
            try:
                with opened(paths[index]) as file:
                    digest = hashlib.file_digest(file, "sha256").digest()
            except OSError:
                continue
            if (known := first.setdefault(digest, index)) != index:
                yield index, known


def miniature(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Luma at 16 × 16, a row of 256 values, for comparison."""
    small = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32).ravel()


def near_pairs(miniatures: npt.NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """Yield (later, earlier) of images that look nearly the same, upright or mirrored; each later one once.

    Root mean squares are compared first: they bound the mean differences from above, and are matrix products.
    """
    rows = miniatures[:MOST]
    mirrored = rows.reshape(-1, _SIDE, _SIDE)[:, :, ::-1].reshape(len(rows), -1)
    squares = (rows * rows).sum(1)
    least = np.minimum(_ALIKE, _SHARE * rows.std(1))
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        found: dict[int, int] = {}
        for others in (rows, mirrored):
            distances = squares[block, None] + squares[None] - 2 * rows[block] @ others.T
            near = distances < (2 * _ALIKE) ** 2 * rows.shape[1]
            for own, other in zip(*np.nonzero(near), strict=True):
                later = start + int(own)
                if other < later and np.abs(rows[later] - others[other]).mean() < least[later]:
                    found[later] = min(found.get(later, later), int(other))
        yield from sorted(found.items())
