"""Paired images: two folders with equal names, or files that hold both side by side."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from imgcycle.data.folders import ImageFolder, Pixels
from imgcycle.errors import UsageError
from imgcycle.media.files import read_file
from imgcycle.media.paths import identity

ALIKE = 0.02
"""Largest difference of a pair's aspect ratios, as a share: more is not rounding but another image."""

UNLIKE_A_SQUARE = 0.05
"""How far the halves of files may be from squares before a word is said: pairs are published as squares."""


def open_domains(
    a: Path,
    b: Path,
    size: int | Literal["full"],
    paired: bool,
    cache_bytes: int = 0,
    on_unreadable: Callable[[Path, str], None] | None = None,
    leave_out: Sequence[Path] = (),
    least: int = 1,
    px_per_cm: float | None = None,
    prepare_a: Callable[[Pixels], Pixels] | None = None,
    fewest_b: int = 2,
    grey: bool = False,
) -> tuple[ImageFolder, ImageFolder, list[Path]]:
    """The folders of two domains, each with its own cache; if `paired`, image n of both is one pair.

    Folders in `leave_out` are skipped; `size`, `least`, `px_per_cm` and `grey` as for ImageFolder, `prepare_a` is its
    `prepare` for A, `fewest_b` its `fewest` for B. Pairs are in one folder given twice, A at the left and B at the
    right of every file, or in two as files of equal names except for the suffix; the third value lists those without a
    partner. UsageError as for ImageFolder, if both folders hold the same images, and if `paired` and fewer than two
    names are in both folders or one is twice in a folder.
    """
    together = a.resolve() == b.resolve()
    if together and not paired:
        raise UsageError(f"{a} and {b} are one folder", "one look is turned into another: give a folder of each")
    folder = partial(
        ImageFolder, size=size, least=least, px_per_cm=px_per_cm, grey=grey,
        cache_bytes=cache_bytes, leave_out=leave_out,
        flat_too=paired,  # a label may fill an image with one flat colour, and is valid
    )  # fmt: skip
    first = folder(a, half="left" if together else None, on_unreadable=on_unreadable, prepare=prepare_a)
    # Of one folder, unreadable files were reported by the first.
    second = folder(b, half="right") if together else folder(b, on_unreadable=on_unreadable, fewest=fewest_b)
    if not together:
        _check_apart(first, second)
    return first, second, _pair_up(first, second) if paired else []


def remarks_on_pairs(a: ImageFolder, alone: Sequence[Path]) -> Iterator[str]:
    """What is to be said of pairs: files that may not be two pictures side by side, and names without a partner."""
    middle = sorted(a.proportions)[len(a) // 2]
    if a.half is not None and abs(middle / 2 - 1) > UNLIKE_A_SQUARE:
        said = f"each file of {a.root} is taken for two pictures side by side, of {middle / 2:.2f} to 1 each"
        yield f"{said}; pairs in two folders are learnt from A/ B/"
    if alone:
        many = "1 picture has" if len(alone) == 1 else f"{len(alone)} pictures have"
        are = "is" if len(alone) == 1 else "are"
        yield f"{many} no partner of the same name and {are} left out: {', '.join(map(str, alone[:3]))}"


def _check_apart(a: ImageFolder, b: ImageFolder) -> None:
    """UsageError if one domain is contained in the other: the same files, or as many with the same content."""
    files_a, files_b = ({identity(path) for path in folder.file_bytes} for folder in (a, b))
    within = files_a <= files_b or files_b <= files_a
    if not within and sorted(a.file_bytes.values()) == sorted(b.file_bytes.values()):
        within = _contents(a) == _contents(b)
    if within:
        hint = "one look is turned into another: give a folder of each"
        raise UsageError(f"{a.root} and {b.root} hold the same pictures", hint)


def _contents(folder: ImageFolder) -> list[bytes]:
    """Hashes of its files' contents; one that cannot be read any more equals no other."""
    found = []
    for path in folder.file_bytes:
        try:
            found.append(hashlib.sha256(read_file(path)).digest())
        except OSError:
            found.append(os.fsencode(path))
    return sorted(found)


def pair_of(a: ImageFolder, b: ImageFolder, index: int) -> tuple[Pixels, Pixels]:
    """Both images of a pair, B's scaled to the size of A's; mismatched pairs are reported and skipped."""
    while True:
        known = len(a.left_out)
        one, other = a.image(index), b.image(index)
        if len(a.left_out) != known:
            continue  # the two may have been read before and after the mismatch was found
        if one.shape == other.shape:
            return one, other
        (height, width), (high, wide) = one.shape[:2], other.shape[:2]
        if abs(height - high) <= ALIKE * height and abs(width - wide) <= ALIKE * width:
            resized = Image.fromarray(other).resize((width, height), Image.Resampling.BICUBIC)
            return one, np.asarray(resized)
        while index in a.left_out:
            index = (index + 1) % len(a.paths)
        a.leave_out(index, f"its partner has another shape, {wide}×{high} where it has {width}×{height}")


def _pair_up(a: ImageFolder, b: ImageFolder) -> list[Path]:
    """Reduce both folders to the pairs, in one order and with one common record of images left out."""
    named_a, named_b = _by_name(a), _by_name(b)
    common = sorted(named_a.keys() & named_b.keys())
    if len(common) < 2:
        raise UsageError(
            f"{a.root} and {b.root} hold {len(common)} pairs of pictures",
            "the two of a pair have the same name in both folders, or lie side by side in one file: "
            "imgcycle train PAIRS/ --method pix2pix",
        )
    alone = [folder[name] for folder in (named_a, named_b) for name in sorted(folder) if name not in common]
    a.paths, b.paths = [named_a[name] for name in common], [named_b[name] for name in common]
    b.left_out = a.left_out
    return alone


def _by_name(folder: ImageFolder) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in folder.paths:
        name = path.relative_to(folder.root).with_suffix("").as_posix()
        if name in found:
            raise UsageError(f"{found[name]} and {path} have the same name, by which pairs are found", "rename one")
        found[name] = path
    return found
