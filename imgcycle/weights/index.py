"""`pretrained/index.toml`: every style known by name, where its weights are, and what may be done with them.

    schema = 1

    [style.monet]
    file = "monet.safetensors"     # beside the index
    sha256 = "…"                   # of that file
    direction = "photograph → painting"
    licence = "…"                  # of the weights
    data = "…"                     # what they were learnt from
    method = "…"                   # how, with which command
    work_size = 512                # √(width × height) in pixels at which the style looks right
    detail = 0.5                   # share of the photograph's fine detail laid over the result, 0..1
    strokes = 0.8                  # optional: share of the fine strokes of a style's second net, 0..1
    inverse = "photo"              # optional: the style that leads back
    [style.monet.figures]          # optional: what was measured, on what
    kid = 0.128

    [source.cyclegan]              # who publishes weights that can be fetched
    bases = ["https://…/", "http://…/"]    # addresses of their folder, the one to try first first
    licence = "…"
    method = "…"
    megabytes = 46                 # of each file, about

    [remote.horse2zebra]           # a style that can be fetched: what a style has, but no weights beside the index
    source = "cyclegan"
    file = "horse2zebra.pth"       # below the bases
    data = "…"                     # sha256 (of that file) only where it is known

    [pin.horse2zebra]              # in the user's own index: what the first fetch gave, and every later one must
    sha256 = "…"                   # of the file as published
    url = "…"
    date = "2026-11-22"

`file`, `sha256`, `licence` and `data` of a style are required; a name holds letters, digits, `.`, `_` and `-`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from imgcycle.errors import WeightsError, from_system
from imgcycle.media.files import read_file
from imgcycle.media.paths import shown

INDEX = "index.toml"
T = TypeVar("T")
Document = dict[str, Any]
RANGES: dict[str, tuple[int, int]] = {"work_size": (16, 65536), "detail": (0, 1), "strokes": (0, 1)}
"""Allowed ranges of a style's numbers."""
_REQUIRED = ("file", "sha256", "licence", "data")
_TYPES: dict[str, type | tuple[type, ...]] = {
    "file": str,
    "sha256": str,
    "licence": str,
    "data": str,
    "method": str,
    "direction": str,
    "inverse": str,
    "work_size": int,
    "detail": (int, float),
    "strokes": (int, float),
    "figures": dict,
}
_REMOTE: dict[str, type | tuple[type, ...]] = {
    **{key: kind for key, kind in _TYPES.items() if key not in ("licence", "method", "figures", "strokes")},
    "source": str,
}
_SOURCE: dict[str, type | tuple[type, ...]] = {"bases": list, "licence": str, "method": str, "megabytes": int}
_PIN: dict[str, type | tuple[type, ...]] = {"sha256": str, "url": str, "date": str}


@dataclass(frozen=True)
class IndexEntry:
    """One style of an index; `path` is where its weights should be, present or not."""

    name: str
    path: Path
    sha256: str
    licence: str
    data: str
    method: str = ""
    direction: str = ""
    inverse: str = ""
    work_size: int | None = None
    detail: float | None = None
    strokes: float | None = None
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RemoteEntry:
    """A style published by others. `file` is its name below each of `bases`; `sha256` is empty if none is known.

    `megabytes` is the approximate size of the download, 0 if unknown.
    """

    name: str
    file: str
    bases: tuple[str, ...]
    licence: str
    data: str
    sha256: str = ""
    method: str = ""
    direction: str = ""
    inverse: str = ""
    work_size: int | None = None
    detail: float | None = None
    megabytes: int = 0

    @property
    def urls(self) -> tuple[str, ...]:
        """URLs as published, by priority."""
        return tuple(f"{base.rstrip('/')}/{self.file}" for base in self.bases)


@dataclass(frozen=True)
class Pin:
    """Result of the first fetch of a published file: its digest, source and date."""

    sha256: str
    """Of the file as published."""
    url: str = ""
    """Where it came from."""
    date: str = ""
    """On which day, as 2026-11-22."""


@dataclass(frozen=True)
class Sound(Generic[T]):
    """The valid tables of one kind in an index, and an error for each invalid one."""

    entries: dict[str, T]
    damage: tuple[WeightsError, ...] = ()


def sound_index(folder: Path) -> Sound[IndexEntry]:
    """Valid styles of the index in a folder, by name, and errors of the others."""
    return _sound(folder / INDEX, "style", _entry)


def sound_remote(folder: Path) -> Sound[RemoteEntry]:
    """Valid published styles of the index in a folder, by name, and errors of the others."""
    return _sound(folder / INDEX, "remote", _remote)


def read_index(folder: Path) -> dict[str, IndexEntry]:
    """Styles of the index in a folder, by name; empty without one. WeightsError if it is damaged."""
    return _all(sound_index(folder))


def read_pins(folder: Path) -> dict[str, Pin]:
    """Pins of earlier fetches, by name. WeightsError if the index is damaged."""
    return _all(_sound(folder / INDEX, "pin", _pin))


def named_in(folder: Path, kind: str) -> set[str]:
    """Names of all tables of one kind in an index, valid or not. WeightsError if the whole file is damaged."""
    index = folder / INDEX
    return set(_tables(index, kind, _document(index)))


def _sound(index: Path, kind: str, read: Callable[[Path, str, Any, Document], T]) -> Sound[T]:
    found: dict[str, T] = {}
    damage: list[WeightsError] = []
    try:
        document = _document(index)
        for name, values in _tables(index, kind, document).items():
            try:
                found[name] = read(index, name, values, document)
            except WeightsError as error:
                damage.append(error)
    except WeightsError as error:
        damage.append(error)
    return Sound(found, tuple(damage))


def _all(sound: Sound[T]) -> dict[str, T]:
    if sound.damage:
        raise sound.damage[0]
    return sound.entries


def _document(index: Path) -> Document:
    """A whole index, empty if there is none."""
    try:
        document = tomllib.loads(read_file(index).decode("utf-8"))
    except FileNotFoundError:
        return {"schema": 1}
    except OSError as error:
        raise from_system(WeightsError, error, f"{index} cannot be read") from error
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{index} cannot be read: {shown(str(error))}", "mend it, or move it away") from error
    if document.get("schema") != 1:
        raise WeightsError(f"{index} has schema {document.get('schema')!r}", "this imgcycle knows schema 1")
    return document


def _tables(index: Path, kind: str, document: Document) -> Document:
    """All tables of one kind."""
    found = document.get(kind, {})
    if not isinstance(found, dict):
        raise WeightsError(f"{index}: {kind} should hold tables")
    return found


def _entry(index: Path, name: str, values: Any, _: Document) -> IndexEntry:
    where = f"{index}, style.{name}"
    _check(where, name, values, _REQUIRED, _TYPES)
    rest = {key: value for key, value in values.items() if key != "file"}
    return IndexEntry(name, index.parent / values["file"], **rest)


def _pin(index: Path, name: str, values: Any, _: Document) -> Pin:
    _check(f"{index}, pin.{name}", name, values, ("sha256",), _PIN)
    return Pin(**values)


def _remote(index: Path, name: str, values: Any, document: Document) -> RemoteEntry:
    where = f"{index}, remote.{name}"
    _check(where, name, values, ("source", "file", "data"), _REMOTE)
    rest = dict(values)
    chosen = rest.pop("source")
    sources = _tables(index, "source", document)
    if chosen not in sources:
        raise WeightsError(f"{where}: there is no source {chosen!r}")
    _check(f"{index}, source.{chosen}", chosen, sources[chosen], ("bases", "licence"), _SOURCE)
    source = dict(sources[chosen])
    bases = source.pop("bases")
    if not bases or not all(isinstance(base, str) for base in bases):
        raise WeightsError(f"{index}, source.{chosen}: bases should be addresses")
    return RemoteEntry(name, bases=tuple(bases), **source, **rest)


def _check(
    where: str, name: str, values: Any, required: tuple[str, ...], types: dict[str, type | tuple[type, ...]]
) -> None:
    """WeightsError unless a table has all required keys, no unknown ones, and files beside the index or below a
    base URL.
    """
    # Names become file names, so none may lead to another folder.
    if not re.fullmatch(r"[\w.-]*\w[\w.-]*", name) or not isinstance(values, dict):
        raise WeightsError(f"{shown(where)} is no style")
    missing = [key for key in required if key not in values]
    if missing:
        raise WeightsError(f"{where} lacks {', '.join(missing)}")
    for key, value in values.items():
        if key not in types:
            raise WeightsError(f"{where} has an unknown key {key!r}")
        if not isinstance(value, types[key]) or isinstance(value, bool):
            raise WeightsError(f"{where}: {key} is {repr(value)[:80]}, of the wrong type")
        low, high = RANGES.get(key, (0, 0))
        if key in RANGES and isinstance(value, int | float) and not low <= value <= high:
            raise WeightsError(f"{where}: {key} is {value!r}, not {low} to {high}")
    if Path(values.get("file", "x")).name != values.get("file", "x"):
        raise WeightsError(f"{where}: file should be a plain name beside the index")
