"""A folder of training images: found, decoded once, kept in memory while the budget lasts."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from imgcycle.data.sampling import Placement
from imgcycle.errors import InputError, UsageError
from imgcycle.media import colour
from imgcycle.media.paths import kind_of, walk
from imgcycle.media.pixels import eight_bit, laid_on_white
from imgcycle.media.stills import open_image, read_still

Pixels = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]
SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".ppm", ".jp2"])


class ImageFolder:
    """The images below a folder, each scaled so that its shorter side is `size` pixels (bicubic).

    Any mix of formats and sizes. Files that cannot be read are reported once through `on_unreadable` and left
    out; UsageError when the folder is missing or fewer than two images can be read.
    """

    def __init__(
        self,
        root: Path,
        size: int,
        *,
        cache_bytes: int = 0,
        on_unreadable: Callable[[Path, str], None] | None = None,
    ) -> None:
        if not root.is_dir():
            raise UsageError(f"{root} is no folder", "training takes two folders of images: imgcycle train A/ B/")
        self.root = root
        self.size = size
        self._budget = cache_bytes
        self._cache: dict[int, Pixels] = {}
        self._lock = threading.Lock()
        self._report = on_unreadable
        self._bad: set[int] = set()
        self.paths: list[Path] = []
        for path in sorted(p for p in walk(root) if kind_of(p) == "still"):
            try:
                open_image(path.read_bytes())
            except (OSError, InputError) as error:
                self._leave_out(path, str(error))
                continue
            self.paths.append(path)
        if len(self.paths) < 2:
            found = "no image" if not self.paths else "one image"
            raise UsageError(
                f"{root} holds {found} that can be read", "a domain is learnt from many: give at least two"
            )

    def __len__(self) -> int:
        return len(self.paths)

    def digest(self) -> str:
        """A fingerprint of names and file sizes: tells a resumed run whether the data are still the same."""
        lines = (f"{p.relative_to(self.root)}\0{p.stat().st_size}" for p in self.paths)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def image(self, index: int) -> Pixels:
        """The scaled image, HWC uint8 RGB; from memory when it was decoded before and found room."""
        kept = self._cache.get(index)
        if kept is not None:
            return kept
        try:
            pixels = read_scaled(self.paths[index], self.size)
        except InputError as error:
            return self._next_best(index, error)
        with self._lock:
            if self._budget >= pixels.nbytes and index not in self._cache:
                self._budget -= pixels.nbytes
                self._cache[index] = pixels
        return pixels

    def _next_best(self, index: int, error: InputError) -> Pixels:
        """What stands in for an image whose header was sound and whose pixels are not: its successor, always."""
        with self._lock:
            if index not in self._bad:
                self._bad.add(index)
                self._leave_out(self.paths[index], str(error))
            if len(self._bad) == len(self.paths):
                raise InputError(f"no image of {self.root} can be read any more") from error
        return self.image((index + 1) % len(self.paths))

    def _leave_out(self, path: Path, reason: str) -> None:
        if self._report is not None:
            self._report(path, reason)

    def crop(self, index: int, side: int, where: Placement, flip: bool = True) -> Pixels:
        """A `side` × `side` part of an image."""
        pixels = self.image(index)
        height, width = pixels.shape[:2]
        top, left = int(where.top * (height - side + 1)), int(where.left * (width - side + 1))
        part = pixels[top : top + side, left : left + side]
        return part[:, ::-1] if flip and where.flip else part

    def centre(self, index: int, side: int) -> Pixels:
        """The middle `side` × `side` part."""
        return self.crop(index, side, Placement(0.5, 0.5, False))


def read_scaled(path: Path, size: int) -> Pixels:
    """Decode to HWC uint8 sRGB, upright, transparent parts white, the shorter side scaled to `size`; InputError
    when it cannot be read."""
    try:
        still = read_still(path.read_bytes())
    except OSError as error:
        raise InputError(error.strerror or str(error)) from error
    pixels = laid_on_white(still.pixels, still.alpha)
    space = colour.transform(still.metadata.icc)
    if space is not None:
        unit = pixels.astype(np.float32) * np.float32(1 / np.iinfo(pixels.dtype).max)
        pixels = np.rint(space.to_srgb(unit).clip(0, 1) * 255).astype(np.uint8)
    upright = Image.fromarray(eight_bit(pixels))
    short = min(upright.size)
    if short != size:
        width, height = (max(size, round(side * size / short)) for side in upright.size)
        upright = upright.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(upright)
