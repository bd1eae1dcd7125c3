"""The canvas that frames are composed on, and the area that changes from one frame to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from imgcycle.media.image.pixels import Pixels

_BAND = 256


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def place(self) -> tuple[slice, slice]:
        """Row and column slices of the box in an array."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    def within(self, width: int, height: int) -> Box:
        """The box clipped to a canvas of `width` × `height`; empty where they do not overlap."""
        left, top = min(self.left, width), min(self.top, height)
        return Box(left, top, min(self.width, width - left), min(self.height, height - top))


class Canvas:
    """RGBA canvas (H, W, 4), uint8 or uint16, transparent at first."""

    def __init__(self, width: int, height: int, deep: bool = False) -> None:
        self.values = cast(Pixels, np.zeros((height, width, 4), np.uint16 if deep else np.uint8))
        self._saved: Pixels | None = None

    def save(self, box: Box) -> None:
        """Remember the content of a box for `restore`."""
        self._saved = self.values[box.place].copy()

    def restore(self, box: Box) -> None:
        """Put back the content of a box that `save` remembered."""
        assert self._saved is not None
        self.values[box.place] = self._saved

    def clear(self, box: Box) -> None:
        """Make a box transparent."""
        self.values[box.place] = 0

    def composite(self, box: Box, frame: Pixels) -> None:
        """Draw (h, w, 4) over the canvas (PNG Specification, section 13.16: alpha is not premultiplied)."""
        most = float(np.iinfo(self.values.dtype).max)
        target = self.values[box.place]
        for top in range(0, box.height, _BAND):
            above, below = frame[top : top + _BAND].astype(np.float64), target[top : top + _BAND].astype(np.float64)
            share = above[..., 3:] / most
            rest = below[..., 3:] / most * (1 - share)
            whole = share + rest
            mixed = (above[..., :3] * share + below[..., :3] * rest) / np.where(whole == 0, 1, whole)
            target[top : top + _BAND] = np.rint(np.concatenate([mixed, whole * most], 2))

    @property
    def shown(self) -> tuple[Pixels, Pixels | None]:
        """Copies of the pixels (H, W, 3) and the alpha (H, W), None where everything is opaque."""
        return split_alpha(self.values)


def split_alpha(values: Pixels) -> tuple[Pixels, Pixels | None]:
    """Copies of pixels (H, W, 3) and alpha (H, W) of (H, W, 4); None for alpha where everything is opaque."""
    alpha = values[..., 3]
    opaque = bool((alpha == np.iinfo(alpha.dtype).max).all())
    return values[..., :3].copy(), None if opaque else alpha.copy()


def with_alpha(pixels: Pixels, alpha: Pixels | None) -> Pixels:
    """(H, W, 4); opaque where there is no alpha."""
    if alpha is None:
        alpha = np.full(pixels.shape[:2], np.iinfo(pixels.dtype).max, pixels.dtype)
    return cast(Pixels, np.dstack([pixels, alpha]))


def box_of(mask: npt.NDArray[np.bool_], even: bool = False) -> Box:
    """Smallest box around the True values, one pixel if there are none; `even` makes its corner even."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return Box(0, 0, 1, 1)
    left, top = int(columns[0]), int(rows[0])
    if even:
        left, top = left & ~1, top & ~1
    return Box(left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top)
