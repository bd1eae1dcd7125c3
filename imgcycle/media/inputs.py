"""Input files: folders walked, globs matched, each file once, and the mask of each. Nothing here opens an image."""

from __future__ import annotations

import contextlib
import functools
import glob
import itertools
import os
import stat
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imgcycle.errors import UsageError
from imgcycle.media import remote
from imgcycle.media.files import PARTIAL, opened
from imgcycle.media.formats import FORMATS, looks_like_image, suffix_of
from imgcycle.media.paths import STATE_FOLDER, check_name, is_plain, kind_of, located, shown
from imgcycle.media.unsupported import foreign_by_suffix

_JUNK_FOLDERS = frozenset({"@eadir", "__macosx", "#recycle", "$recycle.bin", "system volume information"})
_JUNK_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
ALPHA = "alpha"
"""In place of a file: the picture's own opacity is its mask."""


@dataclass(frozen=True, slots=True)
class Source:
    """One input file by its name; `folder` is the folder argument it was found in, or None if it was named itself.

    Both are text as `Path` spells it: of a million inputs a Path each would take a gigabyte.
    """

    name: str
    folder: str | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.name)

    @property
    def place(self) -> str:
        """Name relative to `folder`; the bare name if it was named itself."""
        if self.folder is None:
            return os.path.basename(self.name)  # noqa: PTH119
        before = in_folder(self.folder, "")
        return self.name[len(before) :] if self.name.startswith(before) else os.path.relpath(self.name, self.folder)


def in_folder(folder: str, name: str) -> str:
    """A name in a folder, as `Path` spells it: what is in `.` has its bare name."""
    if folder == ".":
        return name
    return f"{folder}{name}" if folder.endswith(os.sep) else f"{folder}{os.sep}{name}"


@dataclass
class Gathered:
    """Files found for a set of arguments: images in order, what was skipped, and folders that could not be read.

    `raws` counts those found in folders, `named_raws` were named themselves; `closed` are paths with the system's
    reason.
    """

    sources: list[Source] = field(default_factory=list)
    clips: list[Source] = field(default_factory=list)
    raws: int = 0
    foreign: dict[str, int] = field(default_factory=dict)
    """Images of formats that are not read, found on a walk: number of each."""
    named_raws: list[str] = field(default_factory=list)
    closed: list[tuple[str, str]] = field(default_factory=list)
    roots: list[Path] = field(default_factory=list)
    """Folders of stores with records of imgcycle's own."""


def gather(
    arguments: Sequence[str],
    recursive: bool = True,
    leave_out: Sequence[Path] = (),
    with_raw: bool = False,
    tolerant: bool = False,
) -> Gathered:
    """Images of files, folders and globs, each once, in order of naming.

    Folders are walked, except for `leave_out` (an output folder inside them). UsageError for a name that does not exist
    and matches nothing, unless `tolerant`. `with_raw` takes RAW files as images.
    """
    found = Gathered()
    excluded = {os.path.realpath(path) for path in leave_out}
    closed: dict[str, str] = {}
    # On a walk of one folder each file is met once.
    new = _Once() if len(arguments) > 1 or any(map(glob.has_magic, arguments)) else lambda _: True
    for argument in arguments:
        if remote.is_remote(argument):
            for source in _objects(found, argument, recursive, leave_out):
                _sort_in(found, source, new, with_raw)
            continue
        try:
            expanded = _expanded(argument, closed.setdefault)
        except UsageError:
            if not tolerant:
                raise
            continue
        for name, is_folder in expanded:
            if is_folder:
                for candidate in _walked(name, recursive, excluded, closed.setdefault):
                    _sort_in(found, Source(candidate, name), new, with_raw)
            else:
                _sort_in(found, Source(name), new, with_raw)
    found.closed = list(closed.items())
    return found


def _objects(found: Gathered, argument: str, recursive: bool, leave_out: Sequence[Path]) -> Iterator[Source]:
    """The objects that an address stands for. UsageError where nothing is, InputError if the store cannot tell."""
    remote.check_store_address(argument, "an input")
    pattern = remote.is_pattern_of_objects(argument)
    paths = remote.matching(argument) if pattern else [Path(argument)]
    if not paths:
        raise UsageError(f"nothing matches {argument}")

    def enters(folder: Path) -> bool:
        if folder.name == STATE_FOLDER:
            found.roots.append(folder.parent)
        return not _passed_over(folder.name) and folder not in leave_out

    for path in paths:
        kind = remote.kind_at(path)
        if not kind:
            raise UsageError(f"there is no {remote.address_of(path)}", "check the name")
        if kind != "folder":
            yield Source(os.fspath(path))
            continue
        for each in remote.walk_objects(path, recursive, enters):
            if not is_junk(each.name):
                yield Source(os.fspath(each), os.fspath(path))


class _Once:
    """Returns True for names that lead to a file not met before, with links in their folders resolved."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._resolve = functools.cache(os.path.realpath)

    def __call__(self, name: str) -> bool:
        count = len(self._seen)
        self._seen.add(located(name, self._resolve))
        return len(self._seen) > count


def _sort_in(found: Gathered, source: Source, new: Callable[[str], bool], with_raw: bool) -> None:
    name, walked = source.name, source.folder is not None
    kind = kind_of(name)
    if kind == "raw" and with_raw:
        kind = "still"
    if kind == "unknown" and walked and not (suffix_of(name) == "" and _sniffs(name)):
        if (other := foreign_by_suffix(name)) and new(name):
            found.foreign[other.name] = found.foreign.get(other.name, 0) + 1
        return
    if not new(name):
        return
    if kind == "clip":
        found.clips.append(source)
    elif kind != "raw":
        found.sources.append(source)
    elif walked:
        found.raws += 1
    else:
        found.named_raws.append(name)


OnClosed = Callable[[str, str], object]
"""Called with a folder that could not be read, and the reason."""


def _expanded(argument: str, closed: OnClosed) -> list[tuple[str, bool]]:
    """The names that an argument stands for, each with whether it is a folder."""
    name = argument if is_plain(argument) else os.fspath(Path(argument))
    try:
        return [(name, stat.S_ISDIR(os.stat(argument).st_mode))]  # noqa: PTH116 - a million of them
    except (OSError, ValueError):
        check_name(argument, "an input")
    if glob.has_magic(argument):
        matches = [os.fspath(Path(p)) for p in sorted(glob.glob(argument, recursive=True))]  # noqa: PTH207 - keeps `..`
        parts = Path(argument).parts
        if "**" in parts:
            # glob silently skips what it cannot read.
            for _ in walk(Path(*itertools.takewhile(lambda part: not glob.has_magic(part), parts)), closed=closed):
                pass
        if matches:
            return [(match, os.path.isdir(match)) for match in matches]  # noqa: PTH112
        raise UsageError(f"nothing matches {shown(argument)}")
    if os.path.islink(name):  # noqa: PTH114
        raise UsageError(f"{shown(name)} is a link to nothing")
    raise UsageError(f"there is no {shown(name)}", "check the name, or quote it when it holds spaces")


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
    return map(Path, _walked(os.fspath(folder), recursive, {os.fspath(path) for path in leave_out}, closed))


def _walked(folder: str, recursive: bool, excluded: Container[str], closed: OnClosed) -> Iterator[str]:
    """`walk` by names."""

    def unread(error: OSError) -> None:
        closed(os.fspath(Path(os.fsdecode(error.filename or folder))), error.strerror or str(error))

    for where, folders, files in os.walk(folder, onerror=unread):
        here = os.fspath(Path(where))
        folders[:] = sorted(
            name
            for name in folders
            if recursive
            and not _passed_over(name)
            and not (excluded and os.path.realpath(in_folder(here, name)) in excluded)
        )
        for name in sorted(files):
            if not is_junk(name):
                yield in_folder(here, name)


def _passed_over(folder: str) -> bool:
    return folder.startswith(".") or folder.lower() in _JUNK_FOLDERS


def is_junk(name: str) -> bool:
    """True for by-products of operating systems and for our own temporary files."""
    return name.startswith(("._", PARTIAL)) or name.lower() in _JUNK_FILES


def _sniffs(name: str) -> bool:
    try:
        with opened(Path(name)) as file:
            return looks_like_image(file.read(16))
    except OSError:
        return False


def check_mask(name: str | None) -> None:
    """UsageError when a mask is asked for that is not there."""
    if name is None or name == ALPHA or os.path.exists(name):  # noqa: PTH110
        return

    from imgcycle.media.video.sequences import is_pattern, picture_numbers

    with contextlib.suppress(OSError):
        if is_pattern(name) and picture_numbers(Path(name)):
            return
    raise UsageError(f"there is no mask {name}", "a picture, a folder of them, or alpha")


def mask_in(folder: Path, source: Source) -> Path | None:
    """A picture's mask in a folder: the same name, or the same but for its ending, in the same subfolder or none."""
    for whole in dict.fromkeys((folder / source.place, folder / source.path.name)):
        stems = (whole.with_suffix(suffix) for kind in FORMATS for suffix in kind.suffixes)
        found = next((path for path in (whole, *stems) if path.is_file()), None)
        if found is not None:
            return found
    return None
