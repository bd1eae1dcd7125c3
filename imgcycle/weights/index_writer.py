"""Editing of the user's own index: entries are added and removed, everything else is left as written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
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
        named, pinned = named_in(home, "style"), named_in(home, "pin")  # first: they say what is wrong with an index
        text = _read(index) if index.exists() else "schema = 1\n"
        if entry.name in named:
            text = _without(text, entry.name)
        if pin is not None and entry.name not in pinned:
            text = _with(index, text, "pin", entry.name, dataclasses.asdict(pin))
        values = dataclasses.asdict(entry) | {"file": entry.path.name}
        order = ("file", *(key for key in values if key not in ("file", "name", "path")))
        write_text(index, _with(index, text, "style", entry.name, {key: values[key] for key in order}))


def drop_entry(home: Path, name: str) -> None:
    """Remove a style from the index of a folder, but not its pin."""
    with locked(home / STATE_FOLDER / _LOCK):
        index = home / INDEX
        if name in named_in(home, "style"):
            write_text(index, _without(_read(index), name))


def _read(index: Path) -> str:
    with index.open(encoding="utf-8", newline="") as file:  # its line ends are kept
        return file.read()


def _without(text: str, name: str) -> str:
    """The text of an index without the tables of a style, whatever form they are written in."""
    import tomlkit

    document = tomlkit.parse(text)
    del document["style"][name]
    return tomlkit.dumps(document)


def _with(index: Path, text: str, kind: str, name: str, values: Mapping[str, Any]) -> str:
    """The text of an index with a table at its end; WeightsError if the index can take none there."""
    import tomllib

    import tomlkit

    # At the end, and not through the document: tomlkit may insert a table above keys that belong to the one before.
    table = {key: _plain(value) for key, value in values.items() if value not in (None, "", {})}
    made = f"{text.rstrip()}\n\n{tomlkit.dumps({kind: {name: table}})}"
    try:
        tomllib.loads(made)
    except tomllib.TOMLDecodeError:  # all styles in one inline table, which nothing can be added to
        raise WeightsError(f"{index} names its styles in a way of its own", "edit it by hand") from None
    return made


def _plain(value: Any) -> Any:
    """A JSON value for one line of TOML, without what that does not know: null, and half of a surrogate pair."""
    import tomlkit

    if isinstance(value, Mapping):
        inner = tomlkit.inline_table()
        inner.update({key: _plain(each) for key, each in value.items() if each is not None})
        return inner
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value if each is not None]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
