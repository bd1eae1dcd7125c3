"""Pairing of results with their originals by the names that `convert` gives."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TypeVar

from imgcycle.media.inputs import Source
from imgcycle.media.paths import same_file

T = TypeVar("T")


@dataclass
class Pairing:
    """Pairs of (result, original) in the order of the results, and results without an original."""

    pairs: list[tuple[Path, Path]] = field(default_factory=list)
    alone: list[Path] = field(default_factory=list)


def pair_up(results: Sequence[Source], originals: Sequence[Source]) -> Pairing:
    """Pair every result with the original of the same relative folder and name.

    By the name without suffix (`a.jpg` from `a.webp`): one of the same suffix before others, else in order, but an
    original that has a result under its full name (`a.png.jpg`, used for clashes) last; by that full name; by the name
    without what follows one of its dashes, shortest cut first (`a-monet.jpg`). A file is never paired with itself.
    """
    full = {PurePath(original.place).as_posix(): original for original in originals}
    short: dict[str, list[Source]] = {}
    for original in originals:
        short.setdefault(_bare(original), []).append(original)
    claimed = {full[name].path for result in results if (name := _bare(result)) in full and name not in short}
    found = Pairing()
    for result in results:
        candidates = (
            original
            for name in _names(result)
            for original in [*_nearest(result, short.get(name, []), claimed), *([full[name]] if name in full else [])]
        )
        match = next((original for original in candidates if not same_file(original.path, result.path)), None)
        if match is None:
            found.alone.append(result.path)
        else:
            found.pairs.append((result.path, match.path))
    return found


def _nearest(result: Source, originals: Sequence[Source], claimed: Container[Path]) -> list[Source]:
    """Originals of one name, likeliest first."""
    suffix = result.path.suffix

    def unlikely(original: Source) -> tuple[bool, bool, bool]:
        own = original.path.suffix
        return original.path in claimed, own.lower() != suffix.lower(), own != suffix

    return sorted(originals, key=unlikely)


def _bare(source: Source) -> str:
    return PurePath(source.place).with_suffix("").as_posix()


def _names(result: Source) -> Iterator[str]:
    name = _bare(result)
    yield name
    folder, slash, stem = name.rpartition("/")
    while "-" in stem:
        stem = stem.rpartition("-")[0]
        yield folder + slash + stem
