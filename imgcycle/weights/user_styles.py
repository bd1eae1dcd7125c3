"""The user's own styles: weights kept in the user's folder under a name, with an entry in its index."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from imgcycle.errors import OutputError, UsageError, reported
from imgcycle.media.files import atomic_write, read_file
from imgcycle.media.locks import locked
from imgcycle.media.paths import STATE_FOLDER
from imgcycle.weights.description import digest, inspect_weights
from imgcycle.weights.find import (
    FOREIGN,
    NATIVE,
    Direction,
    FoundStyle,
    check_way,
    find_style,
    homes,
    index_entry,
    known_styles,
)
from imgcycle.weights.importers import import_checkpoint, save_imported
from imgcycle.weights.index import RANGES, IndexEntry, named_in, sound_index
from imgcycle.weights.index_writer import add_entry, drop_entry
from imgcycle.weights.native import load_generator

_LONGEST = 64
_LOCK = "add"
_RESERVED = ("all", "con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)))
"""`--to all` means every style; the others are devices on Windows, with any suffix."""
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
    taken or cannot be one; UnknownStyle and WeightsError for the source; OutputError when the user's folder cannot be
    written. The weights are in place before the index names them.
    """
    name = unicodedata.normalize("NFC", name)
    check_style_name(name)
    found = find_style(source, direction)
    # Read before anything is written: an unsuitable file leaves no trace.
    notes, write = _read(found, direction)
    home = homes()[0]
    path = home / f"{name}{NATIVE}"
    # Of two processes that add the same name at once, the second finds it taken.
    with reported(OutputError, f"{home} cannot be changed"), locked(home / STATE_FOLDER / _LOCK):
        check_style_name(name)
        if path.exists():
            raise UsageError(f"{path} is in the way, and no index names it", "move it away, or choose another name")
        with _only_with_an_entry(path):
            write(path)
            entry = _entry(name, path, found)
            add_entry(home, entry)
    return entry, notes


def _read(found: FoundStyle, direction: Direction) -> tuple[tuple[str, ...], Callable[[Path], None]]:
    """Notes on weights that were read, and a function that writes them as our own file."""
    if found.is_foreign:
        net, about = import_checkpoint(found.path, direction)
        check_way(str(found.path), direction, about.direction)
        return (f"recognised as {about.recognised}", *about.notes), lambda path: save_imported(path, net, about)
    _, held = load_generator(found.path)
    check_way(str(found.path), found.direction, held.card.get("direction"))
    content = read_file(found.path)

    def copy(path: Path) -> None:
        with atomic_write(path) as file:
            file.write(content)

    return (), copy


@contextlib.contextmanager
def _only_with_an_entry(path: Path) -> Iterator[None]:
    """Delete new weights again if a later step fails: without an entry they would only be in the way."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def remove_style(name: str) -> Path:
    """Remove a style of the user's own from the index and delete its weights; return their path.

    A fetched style stays pinned: fetched again it must be the same. UsageError for a style that is not the user's own;
    OutputError if the user's folder cannot be written.
    """
    home = homes()[0]
    index = sound_index(home)
    entry = index.entries.get(name)
    if entry is None:
        if name in named_in(home, "style"):
            raise next(each for each in index.damage if name in each.message)
        where = known_styles().get(name)
        raise UsageError(f"{name} is not one of your own styles" + (f" but lies at {where.path}" if where else ""))
    # The weights are deleted last: a kill in between leaves a file without an entry, not an entry without a file.
    with reported(OutputError, f"{home} cannot be changed"):
        drop_entry(home, name)
        entry.path.unlink(missing_ok=True)
    return entry.path


def check_style_name(name: str) -> None:
    """UsageError unless a new style may have this name: a plain word, not taken, not a path."""
    if not re.fullmatch(r"\w[\w.-]*", name) or len(name) > _LONGEST or name.endswith("."):
        raise UsageError(f"{name!r} cannot be a style's name", "letters, digits, . _ and -, beginning with no sign")
    if name.partition(".")[0].casefold() in _RESERVED or Path(name).suffix.lower() in (NATIVE, *FOREIGN):
        raise UsageError(f"{name!r} has a meaning of its own", "choose another name")
    taken = next((known for known in known_styles() if known.casefold() == name.casefold()), None)
    if taken is not None:
        own = sound_index(homes()[0]).entries
        hint = f"imgcycle models remove {taken}, or another name" if taken in own else "choose another name"
        raise UsageError(f"there is a style {taken} already", hint)


def _entry(name: str, path: Path, found: FoundStyle) -> IndexEntry:
    """Entry of new weights: from the index they came from, else from their card; unknown if neither tells."""
    card = inspect_weights(path).card
    # A wrong type would make the whole index unreadable: True is an int in Python, not in TOML.
    said: dict[str, Any] = {
        key: value
        for key, kind in _KEPT.items()
        if isinstance(value := card.get(key), kind) and not isinstance(value, bool) and value != ""
    }
    said = {key: value for key, value in said.items() if key not in RANGES or RANGES[key][0] <= value <= RANGES[key][1]}
    if said.get("direction") in ("A2B", "B2A"):
        del said["direction"]  # meaningless outside its run
    licence, data = _words(card.get("licence")), _words(_learnt_from(card))
    sha256 = digest(path)
    entry = found.entry or index_entry(sha256)
    if entry is not None:
        licence, data = entry.licence, entry.data
        said |= {key: value for key in _KEPT if (value := getattr(entry, key)) not in (None, "", {})}
    return IndexEntry(name, path, sha256, licence, data, **said)


def _learnt_from(card: dict[str, Any]) -> Any:
    """Data of a card in words: `train`'s cards hold a folder and a number of images for each domain."""
    data: Any = card.get("data")
    try:
        sides = [f"{data[domain]['folder']} ({data[domain]['images']})" for domain in "AB"]
    except (KeyError, TypeError, IndexError):
        return data
    return " to ".join(reversed(sides) if card.get("direction") == "B2A" else sides)


def _words(value: Any) -> str:
    return value if isinstance(value, str) and value else _UNKNOWN
