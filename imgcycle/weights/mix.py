"""Styles from what the user typed: one, or several with shares, as in `monet:0.6,vangogh:0.4`."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imgcycle.config.program import ValueRange
from imgcycle.errors import UsageError
from imgcycle.weights.find import Direction, FoundStyle, find_style, known_styles, remote_styles, with_range

_EXAMPLE = "as in monet:0.6,vangogh:0.4"
_EVEN = 1e-6
"""Sums of shares as near to 1 as this are 1."""


@dataclass(frozen=True)
class FoundMix:
    """Several styles with their shares, which add to 1; `note` says in one line if they did not."""

    parts: tuple[tuple[float, FoundStyle], ...]
    note: str = ""

    @property
    def label(self) -> str:
        """Name in outputs, with shares in percent: `monet60-vangogh40`."""
        return "-".join(f"{_apart(found.label)}{_percent(share)}" for share, found in self.parts)

    @property
    def spelling(self) -> str:
        """The mix as it is typed, with names in place of files."""
        return ",".join(f"{found.label}:{share:.6g}" for share, found in self.parts)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of its styles."""
        return tuple(found.path for _, found in self.parts)

    def at(self, paths: Sequence[Path]) -> FoundMix:
        """The same mix with its files elsewhere."""
        moved = ((share, found.at([path])) for (share, found), path in zip(self.parts, paths, strict=True))
        return replace(self, parts=tuple(moved))

    @property
    def is_onnx(self) -> bool:
        """True if all styles are nets for onnxruntime."""
        return all(found.is_onnx for _, found in self.parts)


ChosenStyle = FoundStyle | FoundMix


def find_styles(text: str, direction: Direction = "A2B", value_range: ValueRange | None = None) -> ChosenStyle:
    """The style or the mix that a text names; raises what `find_style` and `with_range` raise, and UsageError for a mix
    that is none.
    """
    named = named_styles(text)
    if len(named) == 1:
        return with_range(find_style(text, direction), value_range)
    shares, note = _normalised(named)
    found = [find_style(name, direction) for name, _ in named]
    if value_range is not None:
        if not any(each.is_onnx for each in found):
            found = [with_range(each, value_range) for each in found]
        found = [with_range(each, value_range) if each.is_onnx else each for each in found]
    for n, each in enumerate(found):
        if any(_same(each, other) for other in found[:n]):
            raise UsageError(f"{each.label} is in the mix twice", "name it once, with the sum of its shares")
    return FoundMix(tuple(zip(shares, found, strict=True)), note)


def named_styles(text: str) -> list[tuple[str, float | None]]:
    """Names in a text with the shares given; a text that names one style, or a file, as it stands is that.

    UsageError for shares that are none, and for a single style with a share.
    """
    if _is_there(text) or ("," not in text and ":" not in text):
        return [(text, None)]
    tokens, found = text.split(","), list[tuple[str, float | None]]()
    while tokens:
        # Names of files may hold commas: the longest one that is there.
        held = next((n for n in range(len(tokens), 1, -1) if _is_there(_name(",".join(tokens[:n])))), 1)
        found.append(_parted(",".join(tokens[:held])))
        tokens = tokens[held:]
    if len(found) == 1:
        name, share = found[0]
        if share is not None and _is_there(name):
            raise UsageError(f"{text!r} mixes a style with no other", f"{_EXAMPLE}; --strength makes it weaker")
        return [(text, None)]
    if any(not name for name, _ in found):
        raise UsageError(f"a style is missing in {text!r}", _EXAMPLE)
    return found


def _name(text: str) -> str:
    """What may be a name before a share."""
    name, _, said = text.rpartition(":")
    return text if _is_there(text) or "," in said else name


def _parted(text: str) -> tuple[str, float | None]:
    """Name and share; the share is None where there is none."""
    name, colon, said = text.rpartition(":")
    if not colon or _is_there(text):
        return text, None
    try:
        share = float(said)
    except ValueError:
        if not _is_there(name):
            return text, None
        raise UsageError(f"the share of {name} is {said!r}, which is no number", _EXAMPLE) from None
    if not (share > 0 and math.isfinite(share)):
        raise UsageError(f"the share of {name} is {said}", f"shares are above 0, {_EXAMPLE}")
    return name, share


def _normalised(named: Sequence[tuple[str, float | None]]) -> tuple[list[float], str]:
    """Shares that add to 1, and a line if they did not; without any they are equal."""
    given = [share for _, share in named if share is not None]
    if given and len(given) < len(named):
        bare = next(name for name, share in named if share is None)
        raise UsageError(f"{bare} has no share in the mix, others have", _EXAMPLE)
    given = given or [1.0] * len(named)
    total = math.fsum(given)
    shares = [share / total for share in given]
    if named[0][1] is None or abs(total - 1) <= _EVEN:
        return shares, ""
    parts = ", ".join(f"{name} {_percent(share)} %" for (name, _), share in zip(named, shares, strict=True))
    return shares, f"shares add to {total:g}, not to 1: {parts}"


def _is_there(name: str) -> bool:
    """True if a style has this name, installed or published, or a file or folder is called so."""
    if not name:
        return False
    if name in known_styles() or name in remote_styles():
        return True
    try:
        return os.path.lexists(Path(name).expanduser())
    except (OSError, RuntimeError, ValueError):
        return False


def _same(one: FoundStyle, other: FoundStyle) -> bool:
    return one.path.resolve() == other.path.resolve()


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f}" if percent >= 1 else f"{percent:.2g}"


def _apart(label: str) -> str:
    """A name that a number may follow."""
    return f"{label}_" if label[-1:].isdigit() else label
