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
    inverse = "photo"              # optional: the style that leads back
    [style.monet.figures]          # optional: what was measured, on what
    kid = 0.128

`file`, `sha256`, `licence` and `data` are required; a name holds letters, digits, `.`, `_` and `-`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imgcycle.errors import WeightsError

INDEX = "index.toml"
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
    "figures": dict,
}


@dataclass(frozen=True)
class IndexEntry:
    """One style of an index; `path` is where its weights should lie, present or not."""

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
    figures: dict[str, Any] = field(default_factory=dict)


def read_index(folder: Path) -> dict[str, IndexEntry]:
    """The styles of the index in a folder, by name; empty without one. WeightsError when it is damaged."""
    path = folder / INDEX
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
    if table.get("schema") != 1:
        raise WeightsError(f"{path} has schema {table.get('schema')!r}", "this imgcycle knows schema 1")
    styles = table.get("style", {})
    if not isinstance(styles, dict):
        raise WeightsError(f"{path}: style should hold tables")
    return {name: _entry(path, name, values) for name, values in styles.items()}


def _entry(index: Path, name: str, values: Any) -> IndexEntry:
    where = f"{index}, style.{name}"
    if not re.fullmatch(r"[\w.-]+", name) or not isinstance(values, dict):
        raise WeightsError(f"{where} is no style")
    missing = [key for key in _REQUIRED if key not in values]
    if missing:
        raise WeightsError(f"{where} lacks {', '.join(missing)}")
    for key, value in values.items():
        if key not in _TYPES:
            raise WeightsError(f"{where} has an unknown key {key!r}")
        if not isinstance(value, _TYPES[key]) or isinstance(value, bool):
            raise WeightsError(f"{where}: {key} is {value!r}")
    if Path(values["file"]).name != values["file"]:
        raise WeightsError(f"{where}: file should be a plain name beside the index")
    rest = {key: value for key, value in values.items() if key != "file"}
    return IndexEntry(name, index.parent / values["file"], **rest)
