"""Selection and reading of the images of an evaluation: listed, paired, prefetched, cropped to squares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from imgcycle.concurrency import ordered_map
from imgcycle.config import EvaluateRequest
from imgcycle.data.folders import Pixels, read_scaled
from imgcycle.data.sampling import evenly_spaced
from imgcycle.errors import InputError, UsageError
from imgcycle.jobs.evaluation.pairing import pair_up
from imgcycle.jobs.evaluation.types import LeftOut
from imgcycle.media.inputs import Source, gather
from imgcycle.media.paths import shown

T = TypeVar("T")
R = TypeVar("R")
READING = "shorter side scaled to {0} px (bicubic, antialiased), middle {0}×{0}, 8-bit sRGB, upright, alpha on white"


@dataclass(frozen=True)
class Subject:
    """One result to measure, with its original and the image translated back from it, if asked for."""

    output: Path
    input: Path | None = None
    back: Path | None = None


@dataclass(eq=False)
class LoadedSample:
    """A subject as squares of one size, HWC uint8 RGB; `partner` is a random image of the reference."""

    output: Pixels
    input: Pixels | None = None
    back: Pixels | None = None
    partner: Pixels | None = None


def find_samples(request: EvaluateRequest) -> tuple[list[Subject], list[LeftOut]]:
    """Subjects to measure, and results without an input or without a way back.

    UsageError if a folder is missing or has no images, or if no names match.
    """
    if request.back is not None and request.inputs is None:
        raise UsageError("--back needs the pictures that the results were made from", "name them with --inputs")
    outputs = pictures(request.outputs)
    found = [Subject(source.path) for source in outputs]
    if request.inputs is None:
        return evenly_spaced(found, request.sample), []
    alone: list[LeftOut] = []
    originals = pictures(request.inputs, apart_from=request.outputs)
    mates = dict(pair_up(outputs, originals).pairs)
    _some(mates, request.outputs, request.inputs)
    # In a folder shared with its inputs, an unpaired file is an input.
    if not same_place(request.inputs, request.outputs):
        alone += _unmatched(found, mates, request.inputs)
    found = [replace(s, input=mates[s.output]) for s in found if s.output in mates]
    if request.back is not None:
        backs = pictures(request.back)
        # An image translated back is named after the output, or like the input: `convert` keeps the names of a tree.
        by_output, by_input = (
            {mate: b for b, mate in pair_up(backs, sources).pairs} for sources in (outputs, originals)
        )
        ways = {s.output: by_output.get(s.output) or by_input.get(s.input) for s in found if s.input is not None}
        mates = {output: back for output, back in ways.items() if back is not None}
        _some(mates, request.outputs, request.back)
        alone += _unmatched(found, mates, request.back)
        found = [replace(s, back=mates[s.output]) for s in found if s.output in mates]
    return evenly_spaced(found, request.sample), alone


def pictures(argument: str, apart_from: str | None = None) -> list[Source]:
    """Images of a folder, file or glob, without those of another folder inside it.

    UsageError for none, InputError for a subfolder that cannot be read.
    """
    inside = [Path(apart_from)] if apart_from is not None and not same_place(argument, apart_from) else []
    found = gather([argument], leave_out=inside)
    if found.closed:  # figures of a part would be taken for the whole's
        path, why = found.closed[0]
        raise InputError(f"{shown(path)} cannot be read: {why}")
    if not found.sources:
        raise UsageError(f"{shown(argument)} holds no pictures")
    return found.sources


def same_place(one: str, other: str) -> bool:
    """True if two arguments name the same folder."""
    return Path(one).resolve() == Path(other).resolve()


def _some(mates: dict[Path, Path], one: str, other: str) -> None:
    if not mates:
        raise UsageError(
            f"no file in {shown(one)} has the name of one in {shown(other)}",
            "pairs share their name: photos/a.jpg with photos-monet/a.jpg or a-monet.jpg",
        )


def _unmatched(found: Sequence[Subject], mates: dict[Path, Path], where: str) -> list[LeftOut]:
    reason = f"nothing in {shown(where)} belongs to it"
    return [LeftOut(str(s.output), reason) for s in found if s.output not in mates]


def look_at(subject: Subject, partner: Path | None, size: int) -> LoadedSample:
    """Read a subject; InputError if one of its images cannot be read or differs in content from the output."""
    output = read_scaled(subject.output, size)
    others: list[Pixels | None] = []
    for path in (subject.input, subject.back):
        pixels = None if path is None else _read(path, size)
        if pixels is not None and not _alike(pixels, output):
            # A result beside its input (--compare), or a crop: pixels that do not show the same place.
            sides = " and ".join("{1}×{0}".format(*p.shape) for p in (output, pixels))
            raise InputError(f"not of the same shape as {shown(str(path))} ({sides} after scaling)")
        others.append(pixels)
    squares = [None if p is None else square(p, size) for p in others]
    beside = None if partner is None else square(_read(partner, size), size)
    return LoadedSample(square(output, size), squares[0], squares[1], beside)


def _read(path: Path, size: int) -> Pixels:
    try:
        return read_scaled(path, size)
    except InputError as error:
        raise error.at(shown(path)) from error


def _alike(one: Pixels, other: Pixels) -> bool:
    return max(abs(a - b) for a, b in zip(one.shape, other.shape, strict=True)) <= 2


def square(pixels: Pixels, size: int) -> Pixels:
    """Central `size` × `size` crop."""
    top, left = (pixels.shape[0] - size + 1) // 2, (pixels.shape[1] - size + 1) // 2
    return pixels[top : top + size, left : left + size]


def read_ahead(make: Callable[[T], R], items: Sequence[T], jobs: int) -> Iterator[tuple[T, R | InputError]]:
    """Yield `make`'s result for each item, in order, or its InputError; `jobs` threads prefetch."""

    def tried(item: T) -> tuple[T, R | InputError]:
        try:
            return item, make(item)
        except InputError as error:
            return item, error

    return ordered_map(tried, items, jobs, ahead=2 * jobs, name="imgcycle-read")
