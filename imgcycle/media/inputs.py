"""Input files: folders walked, globs matched, each file once. Nothing here opens an image."""

from __future__ import annotations

import functools
import glob
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from imgcycle.errors import UsageError
from imgcycle.media.files import PARTIAL, opened
from imgcycle.media.formats import looks_like_image
from imgcycle.media.paths import check_name, kind_of, located, shown
from imgcycle.media.unsupported import foreign_by_suffix

_JUNK_FOLDERS = frozenset({"@eadir", "__macosx", "#recycle", "$recycle.bin", "system volume information"})
_JUNK_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Source:
    """One input file; `folder` is the folder argument it was found in, or None if it was named itself."""

    path: Path
    folder: Path | None = None

    @property
    def place(self) -> PurePath:
        """Path relative to `folder`; the bare name if it was named itself."""
        return self.path.relative_to(self.folder) if self.folder else PurePath(self.path.name)


@dataclass
class Gathered:
    """Files found for a set of arguments: images in order, what was skipped, and folders that could not be read.

    `raws` were found in folders, `named_raws` were named themselves; `closed` are paths with the system's reason.
    """

    sources: list[Source] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    clips: list[Source] = field(default_factory=list)
    raws: list[Path] = field(default_factory=list)
    foreign: dict[str, int] = field(default_factory=dict)
    """Images of formats that are not read, found on a walk: number of each."""
    named_raws: list[Path] = field(default_factory=list)
    closed: list[tuple[Path, str]] = field(default_factory=list)


def gather(
    arguments: Sequence[str],
    recursive: bool = True,
    leave_out: Sequence[Path] = (),
    with_raw: bool = False,
) -> Gathered:
    """Images of files, folders and globs, each once, in order of naming.

    Folders are walked, except for `leave_out` (an output folder inside them). UsageError for a name that does not exist
    and matches nothing. `with_raw` takes RAW files as images.
    """
    found = Gathered()
    seen: set[Path] = set()
    resolve = functools.cache(Path.resolve)
    excluded = {path.resolve() for path in leave_out}
    closed: dict[Path, str] = {}
    for argument in arguments:
        for path in _expanded(argument, closed.setdefault):
            if path.is_dir():
                found.folders.append(path)
                for candidate in walk(path, recursive, excluded, closed.setdefault):
                    _sort_in(found, candidate, path, seen, with_raw, resolve)
            else:
                _sort_in(found, path, None, seen, with_raw, resolve)
    found.closed = list(closed.items())
    return found


def _sort_in(
    found: Gathered,
    path: Path,
    folder: Path | None,
    seen: set[Path],
    with_raw: bool,
    resolve: Callable[[Path], Path],
) -> None:
    key = located(path, resolve)
    if key in seen:
        return
    kind = kind_of(path)
    if kind == "raw" and with_raw:
        kind = "still"
    if kind == "unknown" and folder is not None and not (path.suffix == "" and _sniffs(path)):
        if other := foreign_by_suffix(path):
            seen.add(key)
            found.foreign[other.name] = found.foreign.get(other.name, 0) + 1
        return
    seen.add(key)
    if kind == "clip":
        found.clips.append(Source(path, folder))
    elif kind == "raw":
        (found.named_raws if folder is None else found.raws).append(path)
    else:
        found.sources.append(Source(path, folder))


OnClosed = Callable[[Path, str], object]
"""Called with a folder that could not be read, and the reason."""


def _expanded(argument: str, closed: OnClosed) -> list[Path]:
    check_name(argument, "an input")
    path = Path(argument)
    if os.path.exists(argument):  # noqa: PTH110 - False for whatever the system says
        return [path]
    if glob.has_magic(argument):
        matches = [Path(p) for p in sorted(glob.glob(argument, recursive=True))]  # noqa: PTH207 - keeps `..` as typed
        if "**" in path.parts:
            # glob silently skips what it cannot read.
            for _ in walk(Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts)), closed=closed):
                pass
        if matches:
            return matches
        raise UsageError(f"nothing matches {shown(argument)}")
    if path.is_symlink():
        raise UsageError(f"{shown(path)} is a link to nothing")
    raise UsageError(f"there is no {shown(path)}", "check the name, or quote it when it holds spaces")


def walk(
    folder: Path,
    recursive: bool = True,
    leave_out: Iterable[Path] = (),
    closed: OnClosed = lambda _path, _why: None,
) -> Iterator[Path]:
    """All files below a folder except by-products, sorted by name, files before subfolders.

    Hidden folders, system folders, and resolved folders in `leave_out` are skipped; linked folders are not followed,
    since they may form cycles. `closed` is called with every folder that cannot be read, and the reason.
    """
    excluded = set(leave_out)

    def unread(error: OSError) -> None:
        closed(Path(os.fsdecode(error.filename or folder)), error.strerror or str(error))

    for where, folders, files in os.walk(folder, onerror=unread):
        here = Path(where)
        folders[:] = sorted(
            name
            for name in folders
            if recursive
            and not name.startswith(".")
            and name.lower() not in _JUNK_FOLDERS
            and (here / name).resolve() not in excluded
        )
        for name in sorted(files):
            if not is_junk(name):
                yield here / name


def is_junk(name: str) -> bool:
    """True for by-products of operating systems and for our own temporary files."""
    return name.startswith(("._", PARTIAL)) or name.lower() in _JUNK_FILES


def _sniffs(path: Path) -> bool:
    try:
        with opened(path) as file:
            return looks_like_image(file.read(16))
    except OSError:
        return False
