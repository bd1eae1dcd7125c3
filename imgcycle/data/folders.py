"""A folder of training images: listed, decoded once, cached in memory within a limit."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, cast

import numpy as np
from PIL import Image

from imgcycle.data.sampling import Placement
from imgcycle.data.scans import ScanScales
from imgcycle.errors import InputError, UsageError, reason_of, reported
from imgcycle.media.files import read_file
from imgcycle.media.image import colour_management
from imgcycle.media.image.pixels import Pixels as StillPixels
from imgcycle.media.image.pixels import eight_bit, over_white
from imgcycle.media.image.read import measure_file, read_still
from imgcycle.media.image.still import Still
from imgcycle.media.inputs import walk
from imgcycle.media.paths import kind_of

Pixels = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]
Half = Literal["left", "right"]
Size = int | Literal["full"]

SMALLEST = 16
"""Smallest shorter side in pixels: smaller images hold nothing to learn."""
LONGEST = 16
"""Largest ratio of the sides: after scaling the shorter side, the whole image is kept in memory."""
NARROWEST_PAIR = 1.1
"""Smallest ratio of width to height of a file with two images side by side."""
_FLAT = 2
"""Levels of a channel within which an image counts as of one colour."""
_LARGE = 32_000_000
"""Pixels above which images are decoded one at a time."""
_BAND = 256


class ImageFolder:
    """The images below a folder, each scaled so that its shorter side is `size` pixels (bicubic).

    With `size` full they keep their own size, except those downscaled to `px_per_cm` (`ScanScales`); images with a side
    below `least` pixels are then left out.

    Any mix of formats and sizes; folders in `leave_out` (a run's own) are skipped. Files that cannot be read, are too
    small or too long and thin are reported once through `on_unreadable` and left out, and so are images that turn out
    to be damaged or of one flat colour when first decoded (flat ones are kept with `flat_too`). UsageError if the
    folder is missing or fewer than `fewest` images are left; where one is enough, `root` may be its file. `prepare` is
    applied to each image, and with `grey` it is turned to grey then. With `half`, each file holds two images side by
    side, of which this folder has one.
    """

    def __init__(
        self,
        root: Path,
        size: Size,
        *,
        least: int = 1,
        px_per_cm: float | None = None,
        half: Half | None = None,
        flat_too: bool = False,
        prepare: Callable[[Pixels], Pixels] | None = None,
        grey: bool = False,
        fewest: int = 2,
        cache_bytes: int = 0,
        leave_out: Sequence[Path] = (),
        on_unreadable: Callable[[Path, str], None] | None = None,
    ) -> None:
        alone = fewest == 1 and root.is_file()
        if not root.is_dir() and not alone:
            raise UsageError(f"{root} is no folder", "training takes two folders of images: imgcycle train A/ B/")
        self.root = root
        self.size = size
        self.least = least
        self.half = half
        self._scales = None if px_per_cm is None else ScanScales(px_per_cm)
        self.flat_too = flat_too
        self._prepare, self._grey = prepare, grey
        self.left_out: set[int] = set()
        """Images with a valid header and damaged pixels; the next image replaces them."""
        self.file_bytes: dict[Path, int] = {}
        """Sizes of all files found, including those that were left out."""
        self.proportions: list[float] = []
        """Width / height of each file."""
        self._budget = cache_bytes
        self._cache: dict[int, Pixels] = {}
        self._lock = threading.Lock()
        self._report = on_unreadable or (lambda _path, _reason: None)
        self.paths: list[Path] = []
        passed_over = [path.resolve() for path in leave_out]
        found = [root] if alone else walk(root, leave_out=passed_over, closed=self._closed)
        bad: list[tuple[Path, str]] = []
        squarish = 0
        for path in sorted(p for p in found if kind_of(p) == "still"):
            try:
                self.file_bytes[path] = path.stat().st_size
                facts = measure_file(path)
                squarish += half is not None and facts.width < NARROWEST_PAIR * facts.height
                _check_shape(facts.width, facts.height, size, half)
            except (OSError, InputError) as error:
                bad.append((path, _reason(error)))
                continue
            self.paths.append(path)
            self.proportions.append(facts.width / facts.height)
        if len(self.paths) < 2 and squarish:
            raise UsageError(
                f"{root} holds ordinary pictures, not two side by side in each file",
                "pairs in two folders, with equal names: imgcycle train A/ B/ --method pix2pix",
            )
        for path, reason in bad:
            self._report(path, reason)
        if len(self.paths) < fewest:
            count = "no image" if not self.paths else "one image"
            raise UsageError(
                f"{root} holds {count} that can be read", "a domain is learnt from many: give at least two"
            )

    def __len__(self) -> int:
        return len(self.paths)

    def _closed(self, folder: str, reason: str) -> None:
        self._report(Path(folder), reason)

    def digest(self) -> str:
        """Hash of names and file sizes, by which a resumed run checks that the data are the same."""
        lines = (f"{path.relative_to(self.root)}\0{self.file_bytes[path]}" for path in self.paths)
        return hashlib.sha256(os.fsencode("\n".join(lines))).hexdigest()[:16]

    def image(self, index: int) -> Pixels:
        """The scaled image, HWC uint8 RGB; cached if there is memory.

        InputError if no image of the folder can be read any more.
        """
        while True:
            while index in self.left_out:
                index = self._after(index)
            kept = self._cache.get(index)
            if kept is not None:
                return kept
            try:
                pixels = self._read(self.paths[index])
            except InputError as error:
                self.leave_out(index, _reason(error))
                continue
            with self._lock:
                if self._budget >= pixels.nbytes and index not in self._cache:
                    self._budget -= pixels.nbytes
                    self._cache[index] = pixels
            return pixels

    def _read(self, path: Path) -> Pixels:
        scale = None if self._scales is None else self._scales.scale_of(path)
        pixels = read_scaled(path, self.size, self.half, scale)
        if min(pixels.shape[:2]) < self.least:
            raise InputError(f"its shorter side has {min(pixels.shape[:2])} pixels, fewer than a crop of {self.least}")
        if not self.flat_too:
            _check_flat(pixels)
        if self._prepare is not None:
            pixels = self._prepare(pixels)
        return in_grey(pixels) if self._grey else pixels

    def leave_out(self, index: int, reason: str) -> None:
        """Report an image, and replace it by the next one from now on."""
        with self._lock:
            if index not in self.left_out:
                self.left_out.add(index)
                self._report(self.paths[index], reason)

    def _after(self, index: int) -> int:
        if len(self.left_out) == len(self.paths):
            raise InputError(f"{self.root} has no image left that could be learnt from")
        return (index + 1) % len(self.paths)

    def crop(self, index: int, side: int, where: Placement, flip: bool = True) -> Pixels:
        """A `side` × `side` part of an image."""
        return cut(self.image(index), side, where, flip)

    def centre(self, index: int, side: int) -> Pixels:
        """The middle `side` × `side` part."""
        return self.crop(index, side, Placement(0.5, 0.5, False))


def cut(pixels: Pixels, side: int, where: Placement, flip: bool = True) -> Pixels:
    """A `side` × `side` crop of an image, mirrored if the placement says so and `flip` allows it."""
    height, width = pixels.shape[:2]
    top, left = int(where.top * (height - side + 1)), int(where.left * (width - side + 1))
    part = pixels[top : top + side, left : left + side]
    return part[:, ::-1] if flip and where.flip else part


def in_grey(pixels: Pixels) -> Pixels:
    """An image (H, W, 3) with its luma in all three channels."""
    return np.repeat(np.asarray(Image.fromarray(pixels).convert("L"))[..., None], 3, 2)


def _reason(error: OSError | InputError) -> str:
    """Reason for leaving out an image; without hints, which are about options of other commands."""
    return error.message if isinstance(error, InputError) else reason_of(error)


def _check_shape(width: int, height: int, size: Size, half: Half | None) -> None:
    """InputError for an image that is unsuitable for square crops."""
    if half is not None and width < NARROWEST_PAIR * height:
        raise InputError(f"{width}×{height} is not two pictures side by side")
    if min(_halved(width, half), height) < SMALLEST:
        raise InputError(f"{width}×{height} is too small: {SMALLEST} pixels a side are the least")
    _check_length(width, height, size, half)


def _check_length(width: int, height: int, size: Size, half: Half | None) -> None:
    """InputError for an image whose longer side would be enormous after scaling."""
    sides = _halved(width, half), height
    if size != "full" and max(sides) > LONGEST * min(sides):
        raise InputError(f"{width}×{height} is too long and thin, more than {LONGEST} to 1")


def _halved(width: int, half: Half | None) -> int:
    if half is None:
        return width
    if width == 1:
        raise InputError("it is one pixel wide, and has no halves")
    return width // 2


def _check_flat(pixels: Pixels) -> None:
    """InputError for an image of one colour: norms would divide by zero variance."""
    if int((pixels.max((0, 1)).astype(int) - pixels.min((0, 1))).max()) <= _FLAT:
        raise InputError("one flat colour: there is nothing to learn from it")


def read_scaled(path: Path, size: Size, half: Half | None = None, scale: float | None = None) -> Pixels:
    """Decode to HWC uint8 sRGB, upright, over white, the shorter side scaled to `size`.

    With `size` full both sides are multiplied by `scale`, if given and below 1. With `half`, that half of the image is
    taken first (of an odd width the middle column is in neither). InputError if it cannot be read, or is so long and
    thin that scaling would make it enormous.
    """
    try:
        facts = measure_file(path)
        _check_length(facts.width, facts.height, size, half)
        large = facts.width * facts.height > _LARGE
        with reported(InputError), _DECODING_LARGE if large else contextlib.nullcontext():
            return _scaled(read_still(read_file(path)), size, half, scale)
    except MemoryError as error:
        raise InputError("too large for the memory") from error


_DECODING_LARGE = threading.Lock()


def _scaled(still: Still, size: Size, half: Half | None, scale: float | None) -> Pixels:
    upright = Image.fromarray(_plain(still))
    if half is not None:
        width, height = upright.size
        left = 0 if half == "left" else width - width // 2
        upright = upright.crop((left, 0, left + width // 2, height))
    short = min(upright.size)
    wanted = round(short * min(1.0, scale or 1.0)) if size == "full" else size
    if short != wanted:
        width, height = (max(1, wanted, round(side * wanted / short)) for side in upright.size)
        upright = upright.resize((width, height), Image.Resampling.BICUBIC)
    return cast(Pixels, np.asarray(upright))


def _plain(still: Still) -> StillPixels:
    """Pixels in 8-bit sRGB over white; in bands, since a whole image in float32 would take several times its memory."""
    if still.alpha is None and not still.metadata.icc:
        return eight_bit(still.pixels)
    plain = np.empty(still.pixels.shape, np.uint8)
    for top in range(0, len(plain), _BAND):
        rows = slice(top, top + _BAND)
        band = over_white(still.pixels[rows], None if still.alpha is None else still.alpha[rows])
        plain[rows] = eight_bit(colour_management.in_srgb(band, still.metadata.icc))
    return plain
