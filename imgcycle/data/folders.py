"""A folder of training images: found, decoded once, kept in memory while the budget lasts."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from imgcycle.data.sampling import Placement
from imgcycle.data.scans import ScanScales
from imgcycle.errors import InputError, UsageError
from imgcycle.media import colour
from imgcycle.media.files import read_file
from imgcycle.media.paths import kind_of, walk
from imgcycle.media.pixels import eight_bit, laid_on_white
from imgcycle.media.stills import open_image, read_still

Pixels = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]
Half = Literal["left", "right"]


class ImageFolder:
    """The images below a folder, each scaled so that its shorter side is `size` pixels (bicubic).

    With `size` full they keep their own size, but for those that are reduced to `px_per_cm` (`ScanScales`); ones with
    a side below `least` pixels are then left out.

    Any mix of formats and sizes; folders in `leave_out` (a run's own) are passed over. Files that cannot be read are
    reported once through `on_unreadable` and left out; UsageError when the folder is missing or fewer than two images
    can be read. With `half`, each file holds two pictures side by side, of which this folder gives one.
    """

    def __init__(
        self,
        root: Path,
        size: int | Literal["full"],
        *,
        least: int = 1,
        px_per_cm: float | None = None,
        half: Half | None = None,
        cache_bytes: int = 0,
        leave_out: Sequence[Path] = (),
        on_unreadable: Callable[[Path, str], None] | None = None,
    ) -> None:
        if not root.is_dir():
            raise UsageError(f"{root} is no folder", "training takes two folders of images: imgcycle train A/ B/")
        self.root = root
        self.size = size
        self.least = least
        self.half = half
        self._scales = None if px_per_cm is None else ScanScales(px_per_cm)
        self.left_out: set[int] = set()
        """Images whose header was sound and whose pixels are not; their successors stand in."""
        self._budget = cache_bytes
        self._cache: dict[int, Pixels] = {}
        self._lock = threading.Lock()
        self._report = on_unreadable or (lambda _path, _reason: None)
        self.paths: list[Path] = []
        found = walk(root, leave_out=[path.resolve() for path in leave_out], closed=self._report)
        for path in sorted(p for p in found if kind_of(p) == "still"):
            try:
                open_image(read_file(path))
            except (OSError, InputError) as error:
                self._report(path, getattr(error, "strerror", None) or str(error))
                continue
            self.paths.append(path)
        if len(self.paths) < 2:
            count = "no image" if not self.paths else "one image"
            raise UsageError(
                f"{root} holds {count} that can be read", "a domain is learnt from many: give at least two"
            )

    def __len__(self) -> int:
        return len(self.paths)

    def digest(self) -> str:
        """A fingerprint of names and file sizes: tells a resumed run whether the data are still the same."""
        lines = (f"{p.relative_to(self.root)}\0{p.stat().st_size}" for p in self.paths)
        return hashlib.sha256(os.fsencode("\n".join(lines))).hexdigest()[:16]

    def image(self, index: int) -> Pixels:
        """The scaled image, HWC uint8 RGB; from memory when it was decoded before and found room.

        InputError when no image of the folder can be read any more.
        """
        while index in self.left_out:
            index = self._after(index)
        kept = self._cache.get(index)
        if kept is not None:
            return kept
        try:
            pixels = self._read(self.paths[index])
        except InputError as error:
            self.leave_out(index, str(error))
            return self.image(index)
        with self._lock:
            if self._budget >= pixels.nbytes and index not in self._cache:
                self._budget -= pixels.nbytes
                self._cache[index] = pixels
        return pixels

    def _read(self, path: Path) -> Pixels:
        scale = None if self._scales is None else self._scales.scale_of(path)
        pixels = read_scaled(path, self.size, self.half, scale)
        if min(pixels.shape[:2]) < self.least:
            raise InputError(f"its shorter side has {min(pixels.shape[:2])} pixels, and a crop {self.least}")
        return pixels

    def leave_out(self, index: int, reason: str) -> None:
        """Report an image, and let its successor stand in for it from now on."""
        with self._lock:
            if index not in self.left_out:
                self.left_out.add(index)
                self._report(self.paths[index], reason)

    def _after(self, index: int) -> int:
        if len(self.left_out) == len(self.paths):
            raise InputError(f"no image of {self.root} can be read any more")
        return (index + 1) % len(self.paths)

    def crop(self, index: int, side: int, where: Placement, flip: bool = True) -> Pixels:
        """A `side` × `side` part of an image."""
        return cut(self.image(index), side, where, flip)

    def centre(self, index: int, side: int) -> Pixels:
        """The middle `side` × `side` part."""
        return self.crop(index, side, Placement(0.5, 0.5, False))


def cut(pixels: Pixels, side: int, where: Placement, flip: bool = True) -> Pixels:
    """A `side` × `side` part of an image, mirrored where the placement says so and `flip` allows it."""
    height, width = pixels.shape[:2]
    top, left = int(where.top * (height - side + 1)), int(where.left * (width - side + 1))
    part = pixels[top : top + side, left : left + side]
    return part[:, ::-1] if flip and where.flip else part


def read_scaled(
    path: Path, size: int | Literal["full"], half: Half | None = None, scale: float | None = None
) -> Pixels:
    """Decode to HWC uint8 sRGB, upright, transparent parts white, the shorter side scaled to `size`.

    With `size` full both sides are reduced to `scale` of theirs, where that is given and below 1.
    With `half`, that half of the picture is taken first (of an odd width the middle column is in neither).
    InputError when it cannot be read.
    """
    try:
        still = read_still(read_file(path))
    except OSError as error:
        raise InputError(error.strerror or str(error)) from error
    pixels = colour.in_srgb(laid_on_white(still.pixels, still.alpha), still.metadata.icc)
    upright = Image.fromarray(eight_bit(pixels))
    if half is not None:
        width, height = upright.size
        if width == 1:
            raise InputError("it is one pixel wide, and has no halves")
        left = 0 if half == "left" else width - width // 2
        upright = upright.crop((left, 0, left + width // 2, height))
    short = min(upright.size)
    wanted = round(short * min(1.0, scale or 1.0)) if size == "full" else size
    if short != wanted:
        width, height = (max(1, wanted, round(side * wanted / short)) for side in upright.size)
        upright = upright.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(upright)
