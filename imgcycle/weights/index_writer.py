"""Editing of the user's own index: entries are added and removed, everything else is left as written."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from imgcycle.errors import WeightsError
from imgcycle.media.files import write_text
from imgcycle.media.locks import locked
from imgcycle.media.paths import STATE_FOLDER
from imgcycle.weights.index import INDEX, IndexEntry, Pin, named_in

_LOCK = "index"
"""Its name in the state folder, where locks of single styles have a suffix."""


def add_entry(home: Path, entry: IndexEntry, pin: Pin | None = None) -> None:
    """Add a style to the index of a folder, replacing one of that name, and its pin if there is none yet."""
    with locked(home / STATE_FOLDER / _LOCK):
        index = home / INDEX
        named = named_in(home, "style")  # first, since it reports what is wrong with an unreadable index
        text = index.read_text("utf-8") if index.exists() else "schema = 1\n"
        if entry.name in named:
            text = _dropped(index, text, entry.name)
        if pin is not None and entry.name not in named_in(home, "pin"):
            text = _with(text, "pin", entry.name, dataclasses.asdict(pin))
        values = dataclasses.asdict(entry) | {"file": entry.path.name}
        order = ("file", *(key for key in values if key not in ("file", "name", "path")))
        write_text(index, _with(text, "style", entry.name, {key: values[key] for key in order}))


def drop_entry(home: Path, name: str) -> None:
    """Remove a style from the index of a folder, but not its pin; WeightsError if it has to be edited by hand."""
    with locked(home / STATE_FOLDER / _LOCK):
        index = home / INDEX
        write_text(index, _dropped(index, index.read_text("utf-8"), name))


def _with(text: str, kind: str, name: str, values: dict[str, Any]) -> str:
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if value not in (None, "", {})]
    key = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
    return "\n".join([text.rstrip("\n"), "", f"[{kind}.{key}]", *lines, ""])


def _dropped(index: Path, text: str, name: str) -> str:
    import tomllib

    rest = _without(text, name)
    try:
        left = name in tomllib.loads(rest).get("style", {})
    except tomllib.TOMLDecodeError:  # a multi-line value with a line that looks like the head of a table
        left = True
    if left:
        raise WeightsError(f"{index} names {name} in a way of its own", "edit it by hand")
    return rest


def _without(text: str, name: str) -> str:
    """The text of an index without the tables of a style."""
    kept, inside = [], False
    header = re.compile(rf"""\s*\[\s*style\s*\.\s*(["']?){re.escape(name)}\1\s*[.\]]""")
    # At newlines alone: a card may hold other Unicode line breaks, which TOML does not treat as such.
    for line in text.split("\n"):
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
