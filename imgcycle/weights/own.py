"""The user's own styles: weights kept in the user's folder under a name, with an entry in its index."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from imgcycle.errors import UsageError, WeightsError
from imgcycle.media.files import atomic_write, write_text
from imgcycle.weights.find import FOREIGN, NATIVE, Direction, FoundStyle, find_style, homes, known_styles
from imgcycle.weights.importers import convert_checkpoint
from imgcycle.weights.index import INDEX, IndexEntry, read_index
from imgcycle.weights.native import digest, inspect_weights, is_ours, load_generator

_LONGEST = 64
_RESERVED = ("all",)
"""`--to all` means every style."""
_UNKNOWN = "unknown"
_KEPT: dict[str, type | tuple[type, ...]] = {
    "method": str,
    "direction": str,
    "work_size": int,
    "detail": (int, float),
    "figures": dict,
}


def add_style(source: str, name: str, direction: Direction = "A2B") -> tuple[IndexEntry, tuple[str, ...]]:
    """Copy weights (a file of ours or another program's, a run folder, a known style) so that `--to name` finds them.

    Returns the new entry, and what was recognised and assumed of a foreign file. UsageError for a name that is
    taken or cannot be one; UnknownStyle and WeightsError for the source. The weights are in place before the index
    names them.
    """
    check_name(name)
    found = find_style(source, direction)
    home = homes()[0]
    path = home / f"{name}{NATIVE}"
    if path.exists():
        raise UsageError(f"{path} is in the way, and no index names it", "move it away, or choose another name")
    notes: tuple[str, ...] = ()
    if not found.is_foreign and is_ours(found.path):
        load_generator(found.path)
        content = found.path.read_bytes()
        with atomic_write(path) as file:
            file.write(content)
    else:
        about = convert_checkpoint(found.path, path, direction)
        notes = (f"recognised as {about.recognised}", *about.notes)
    entry = _entry(name, path, found)
    _append(home / INDEX, entry)
    return entry, notes


def remove_style(name: str) -> Path:
    """Take a style of the user's own out of the index and delete its weights; the path they had.

    UsageError for a style that is not the user's own.
    """
    home = homes()[0]
    entry = read_index(home).get(name)
    if entry is None:
        where = known_styles().get(name)
        raise UsageError(f"{name} is not one of your own styles" + (f" but lies at {where.path}" if where else ""))
    index = home / INDEX
    text = _without(index.read_text("utf-8"), name)
    # The weights go last: a kill in between leaves a file without a name, not a name without a file.
    write_text(index, text)
    if name in read_index(home):
        raise WeightsError(f"{index} names {name} in a way of its own", "edit it by hand")
    entry.path.unlink(missing_ok=True)
    return entry.path


def check_name(name: str) -> None:
    """UsageError unless a new style may be called this: a plain word, not taken, not to be read as a path."""
    if not re.fullmatch(r"\w[\w.-]*", name) or len(name) > _LONGEST or name.endswith("."):
        raise UsageError(f"{name!r} cannot be a style's name", "letters, digits, . _ and -, beginning with no sign")
    if name.casefold() in _RESERVED or Path(name).suffix.lower() in (NATIVE, *FOREIGN):
        raise UsageError(f"{name!r} has a meaning of its own", "choose another name")
    taken = next((known for known in known_styles() if known.casefold() == name.casefold()), None)
    if taken is not None:
        own = read_index(homes()[0])
        hint = f"imgcycle models remove {taken}, or another name" if taken in own else "choose another name"
        raise UsageError(f"there is a style {taken} already", hint)


def _entry(name: str, path: Path, found: FoundStyle) -> IndexEntry:
    """The entry of new weights: what the index they came from says, else their card; unknown where neither does."""
    card = inspect_weights(path).card
    said: dict[str, Any] = {
        key: card[key] for key, kind in _KEPT.items() if isinstance(card.get(key), kind) and card[key] != ""
    }
    if said.get("direction") in ("A2B", "B2A"):
        del said["direction"]  # says nothing outside the run it comes from
    licence, data = (_words(card.get(key)) for key in ("licence", "data"))
    if found.entry is not None:
        licence, data = found.entry.licence, found.entry.data
        said |= {key: value for key in _KEPT if (value := getattr(found.entry, key)) not in (None, "", {})}
    return IndexEntry(name, path, digest(path), licence, data, **said)


def _words(value: Any) -> str:
    return value if isinstance(value, str) and value else _UNKNOWN


def _append(index: Path, entry: IndexEntry) -> None:
    """Add an entry at the end of an index, leaving what a person wrote there as it is."""
    before = index.read_text("utf-8") if index.exists() else "schema = 1\n"
    values = {
        "file": entry.path.name,
        "sha256": entry.sha256,
        "licence": entry.licence,
        "data": entry.data,
        **{key: value for key in _KEPT if (value := getattr(entry, key)) not in (None, "", {})},
    }
    lines = [f"{key} = {_toml(value)}" for key, value in values.items()]
    write_text(index, "\n".join([before.rstrip("\n"), "", f"[style.{json.dumps(entry.name)}]", *lines, ""]))


def _without(text: str, name: str) -> str:
    """An index without the tables of a style."""
    kept, inside = [], False
    header = re.compile(rf"""\s*\[\s*style\s*\.\s*(["']?){re.escape(name)}\1\s*[.\]]""")
    for line in text.splitlines():
        if line.lstrip().startswith("["):
            inside = header.match(line) is not None
        if not inside:
            kept.append(line)
    return "\n".join(kept).rstrip("\n") + "\n"


def _toml(value: Any) -> str:
    """A JSON value as TOML, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict):
        pairs = [f"{_toml(str(key))} = {_toml(inner)}" for key, inner in value.items() if inner is not None]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(inner) for inner in value if inner is not None)}]"
    text = str(value).encode("utf-8", "replace").decode()
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
