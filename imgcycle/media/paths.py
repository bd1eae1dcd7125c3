"""Which files go in, and where each result goes: walking, naming, clashes. Nothing here opens a picture."""

from __future__ import annotations

import errno
import glob
import itertools
import os
import re
import string
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Literal

from imgcycle.config.pictures import OnClash
from imgcycle.errors import UsageError
from imgcycle.media.files import PARTIAL, opened
from imgcycle.media.foreign import foreign_by_suffix
from imgcycle.media.formats import (
    CLIP_SUFFIXES,
    FORMATS,
    RAW_SUFFIXES,
    STILL_SUFFIXES,
    Format,
    by_suffix,
    looks_like_image,
)

STATE_FOLDER = ".imgcycle"
"""What imgcycle notes for itself in an output folder; never walked into."""

WRITTEN = ", ".join(f.suffixes[0] for f in FORMATS if f.writable)
"""Suffixes of the formats that are written."""
_SAID = 60
"""Letters of a name that is too long to be one."""
_JUNK_FOLDERS = frozenset({"@eadir", "__macosx", "#recycle", "$recycle.bin", "system volume information"})
_JUNK_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Source:
    """One input file; `folder` is the folder the user named that it was found in, or None when named itself."""

    path: Path
    folder: Path | None = None

    @property
    def place(self) -> PurePath:
        """Its path inside `folder`; only its name when it was named itself."""
        return self.path.relative_to(self.folder) if self.folder else PurePath(self.path.name)


@dataclass
class Gathered:
    """What a set of arguments names: pictures in order, what was left alone, and folders that could not be read.

    `raws` were found in folders, `named_raws` named themselves; `closed` are paths with the system's reason.
    """

    sources: list[Source] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    clips: list[Source] = field(default_factory=list)
    raws: list[Path] = field(default_factory=list)
    foreign: dict[str, int] = field(default_factory=dict)
    """Pictures of formats that are not read, met on a walk: how many of each."""
    named_raws: list[Path] = field(default_factory=list)
    closed: list[tuple[Path, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Assignment:
    """One input and the output planned for it; `renamed` when a clash made it keep its full name.

    `root` is the output folder that the user named or that a whole tree goes to, else the output's own.
    """

    source: Source
    output: Path
    root: Path
    renamed: bool = False


def kind_of(path: PurePath) -> Literal["still", "clip", "raw", "unknown"]:
    """What a file is by its suffix."""
    suffix = path.suffix.lower()
    if suffix in STILL_SUFFIXES:
        return "still"
    if suffix in CLIP_SUFFIXES:
        return "clip"
    return "raw" if suffix in RAW_SUFFIXES else "unknown"


def gather(
    arguments: Sequence[str],
    recursive: bool = True,
    leave_out: Sequence[Path] = (),
    with_raw: bool = False,
) -> Gathered:
    """The pictures behind files, folders and globs, each once, in order of naming.

    Folders are walked, `leave_out` (an output folder inside them) excepted. A name that does not exist and matches
    nothing raises UsageError. `with_raw` takes RAW files as pictures.
    """
    found = Gathered()
    seen: set[Path] = set()
    excluded = {path.resolve() for path in leave_out}
    closed: dict[Path, str] = {}
    for argument in arguments:
        for path in _expanded(argument, closed.setdefault):
            if path.is_dir():
                found.folders.append(path)
                for candidate in walk(path, recursive, excluded, closed.setdefault):
                    _sort_in(found, candidate, path, seen, with_raw)
            else:
                _sort_in(found, path, None, seen, with_raw)
    found.closed = list(closed.items())
    return found


def _sort_in(found: Gathered, path: Path, folder: Path | None, seen: set[Path], with_raw: bool) -> None:
    key = path.parent.resolve() / path.name
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


Reporter = Callable[[Path, str], object]
"""Hears of a folder that could not be read, and why."""


def _expanded(argument: str, closed: Reporter) -> list[Path]:
    check_name(argument, "an input")
    path = Path(argument)
    if os.path.exists(argument):  # noqa: PTH110 - False for whatever the system says
        return [path]
    if glob.has_magic(argument):
        matches = [Path(p) for p in sorted(glob.glob(argument, recursive=True))]  # noqa: PTH207 - keeps `..` as typed
        if "**" in path.parts:
            # A glob passes over what it cannot read, and says nothing.
            for _ in walk(Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts)), closed=closed):
                pass
        if matches:
            return matches
        raise UsageError(f"nothing matches {shown(argument)}")
    if path.is_symlink():
        raise UsageError(f"{shown(path)} is a link to nothing")
    raise UsageError(f"there is no {shown(path)}", "check the name, or quote it when it holds spaces")


_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
"""A scheme of one letter would be a drive of Windows."""


def check_name(text: str, what: str) -> None:
    """UsageError for what no file here can be called: an address, a name too long, a place that nobody may look at.

    `what` begins the line: the option, or what the name stands for.
    """
    if _ADDRESS.match(text):
        raise UsageError(f"{what} is an address, {shown(text)}", "files and folders of this machine are taken")
    try:
        os.stat(Path(text))  # noqa: PTH116 - which follows links and tells all
    except (FileNotFoundError, NotADirectoryError):
        return  # which may be right: what is made need not be there, and each says for itself what it lacks
    except ValueError:
        raise UsageError(f"{what} {shown(text)} is no name of a file") from None
    except OSError as error:
        said = f"{shown(text[:_SAID])}…" if error.errno == errno.ENAMETOOLONG else shown(text)
        raise UsageError(f"{what} {said} cannot be used: {error.strerror}", "choose another") from error


def walk(
    folder: Path,
    recursive: bool = True,
    leave_out: Iterable[Path] = (),
    closed: Reporter = lambda _path, _why: None,
) -> Iterator[Path]:
    """All files below a folder that are not junk, sorted by name, files before subfolders.

    Hidden folders, folders of operating systems, and resolved folders in `leave_out` are passed over; linked
    folders are not followed, since they may lead back. `closed` hears of every folder that cannot be read, and why.
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
    """Whether a file of this name is an operating system's or our own by-product."""
    return name.startswith(("._", PARTIAL)) or name.lower() in _JUNK_FILES


def _sniffs(path: Path) -> bool:
    try:
        with opened(path) as file:
            return looks_like_image(file.read(16))
    except OSError:
        return False


def names_folder(output: str, kinds: Sequence[str] = ("still",)) -> bool:
    """Whether `-o` means a folder: it is one, ends in a slash, or its suffix is of none of the kinds of file."""
    return output.endswith(("/", os.sep)) or os.path.isdir(output) or kind_of(Path(output)) not in kinds  # noqa: PTH112


def check_suffix(path: PurePath | str, wanted: Format | None = None) -> None:
    """Raise UsageError where a result's name stands for a kind of file that is not written, or not for `wanted`.

    A name that stands for no kind of file passes.
    """
    known, kind = by_suffix(path), kind_of(PurePath(path))
    if known is not None and known.writable:
        if wanted is not None and wanted is not known:
            raise UsageError(
                f"{shown(path)} is {known.name} by its name, and {wanted.name} was asked for",
                f"end the name in {wanted.suffixes[0]}, or leave --format out",
            )
    elif kind == "clip":
        raise UsageError(f"{shown(path)} is a video clip by its name", "imgcycle video makes those")
    elif known is not None or kind == "raw" or foreign_by_suffix(path) is not None:
        raise UsageError(
            f"{shown(path)}: files of that format are not written",
            f"end the name in one of {WRITTEN}; a folder's ends in a slash",
        )


def output_root(folder: Path, style: str) -> Path:
    """Where the results of a folder go by default: a sibling called after both."""
    name = folder.name or folder.resolve().name
    if not name or name == "..":
        folder = folder.resolve()
        name = folder.name
    if not name:
        raise UsageError(f"{shown(folder)} has no folder beside it", "say where to with -o")
    parent = folder.parent if folder.name else folder.resolve().parent
    return parent / f"{name}-{style}"


def assign(
    sources: Sequence[Source],
    output: str | None,
    style: str,
    suffix_for: Callable[[Source], str],
    template: str | None = None,
    on_clash: OnClash = "rename",
    kinds: Sequence[str] = ("still",),
) -> list[Assignment]:
    """An output for every input, all different, none of them an input.

    `kinds` are those of file that `output` may name. `suffix_for` gives the suffix (with its dot) of a source's
    result. `template` may use {dir} (the place in the tree, ending in a slash, or empty), {stem}, {style}, {ext}.
    Raises UsageError where an output is an input, and for any clash when `on_clash` is `refuse`; else the later of two
    keeps its full name (`a.png.jpg`), or the one of another format than the result's: `a.png` stays `a.png`.
    """
    taken: dict[str, Path] = {}
    wanted = targets(sources, output, style, suffix_for, template, kinds)
    owners: dict[str, Assignment] = {}
    for choice in wanted:
        owner = owners.setdefault(key(choice.output), choice)
        if _keeps_suffix(choice) and not _keeps_suffix(owner):
            owners[key(choice.output)] = choice
    planned = []
    for choice in wanted:
        source, target, final = choice.source, choice.output, choice
        owner = owners[key(target)]
        if key(target) in taken or owner is not choice:
            if on_clash == "refuse":
                other = taken.get(key(target), owner.source.path)
                raise UsageError(
                    f"{shown(source.path)} and {shown(other)} would both become {shown(target)}",
                    "rename one, or use --name",
                )
            final = replace(choice, output=_free(target, source, suffix_for(source), taken), renamed=True)
        taken[key(final.output)] = source.path
        planned.append(final)
    _refuse_inputs(planned)
    return planned


def targets(
    sources: Sequence[Source],
    output: str | None,
    style: str,
    suffix_for: Callable[[Source], str],
    template: str | None = None,
    kinds: Sequence[str] = ("still",),
) -> list[Assignment]:
    """The output that every input asks for, as `assign` has it, whoever else asks for it.

    UsageError where several cannot go into one file, and where results would lie among imgcycle's own notes.
    """
    several = len({source.folder for source in sources if source.folder}) > 1
    if output is None or names_folder(output, kinds):
        wanted = [_target(source, output, style, suffix_for(source), template, several) for source in sources]
    elif len(sources) > 1:
        raise UsageError(f"{len(sources)} inputs cannot go into one file {shown(output)}", "name a folder")
    else:
        wanted = [Assignment(source, Path(output), Path(output).parent) for source in sources]
    for root in {choice.root for choice in wanted}:
        if in_state_folder(root):
            raise UsageError(f"{shown(root)} is where imgcycle keeps its own notes", "choose another -o")
    return wanted


def _keeps_suffix(choice: Assignment) -> bool:
    return choice.source.path.suffix.lower() == choice.output.suffix.lower()


def _target(
    source: Source, output: str | None, style: str, suffix: str, template: str | None, several: bool
) -> Assignment:
    inner = source.place.parent
    if output is not None:
        root, default = Path(output), "{dir}{stem}{ext}"
        if several and source.folder:
            inner = PurePath(source.folder.name or source.folder.resolve().name) / inner
    elif source.folder is not None:
        root, default = output_root(source.folder, style), "{dir}{stem}{ext}"
    else:
        root, default = source.path.parent, "{dir}{stem}-{style}{ext}"
    place = "" if inner == PurePath() else f"{inner}{os.sep}"
    name = filled(template or default, {"dir": place, "stem": source.path.stem, "style": style, "ext": suffix})
    target = root / name
    if ".." in PurePath(name).parts or PurePath(name).is_absolute():
        raise UsageError(f"--name leads out of the output folder: {shown(name)}")
    if template and any(part.casefold().startswith(STATE_FOLDER) for part in PurePath(name).parts):
        raise UsageError(f"--name leads to imgcycle's own notes: {shown(name)}", f"names may not begin {STATE_FOLDER}")
    return Assignment(source, target, root)


def in_state_folder(path: Path) -> bool:
    """Whether a path leads, by whatever links, to where imgcycle notes things for itself."""
    return STATE_FOLDER in (part.casefold() for part in (*path.parts, *path.resolve().parts))


def filled(template: str, values: dict[str, str]) -> str:
    """A template with {name} replaced; other braces, and unknown names, raise UsageError."""
    try:
        for _, field_, spec, conversion in string.Formatter().parse(template):
            # Nothing but names: a width of ten digits would be obeyed.
            if field_ is not None and (field_ not in values or spec or conversion):
                raise ValueError(field_)
        name = template.format_map(values)
    except ValueError as error:
        known = ", ".join(f"{{{key}}}" for key in values)
        raise UsageError(f"--name {template!r} cannot be filled in", f"it may use {known}") from error
    if not PurePath(name).name or "\0" in name:
        raise UsageError(f"--name {template!r} gives no file name")
    return name


def _free(target: Path, source: Source, suffix: str, taken: dict[str, Path]) -> Path:
    full = target.with_name(source.path.name + suffix)
    number = 2
    while key(full) in taken:
        full = target.with_name(f"{source.path.name}.{number}{suffix}")
        number += 1
    return full


def _refuse_inputs(planned: Sequence[Assignment]) -> None:
    inputs = {key(_located(a.source.path)) for a in planned}
    files = set()
    for assignment in planned:
        facts = identity(assignment.source.path)
        if facts:
            files.add(facts)
    for assignment in planned:
        # The same file can have two names (a link, another spelling of the case): then only its number tells.
        if key(_located(assignment.output)) in inputs or identity(assignment.output) in files:
            raise UsageError(
                f"{shown(assignment.output)} is itself an input and is never written over",
                "choose another -o or --name",
            )


def same_file(one: Path, other: Path) -> bool:
    """Whether two names lead to one file, by way of links, spellings or `..`, even through folders yet to be made."""
    facts = identity(one)
    return key(_located(one)) == key(_located(other)) or (facts is not None and facts == identity(other))


def _located(path: Path) -> Path:
    return path.parent.resolve() / path.name


def identity(path: str | Path) -> tuple[int, int] | None:
    """What tells a file from all others whatever it is called; None when it is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 - ten thousand of them, and no Path made of each
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def key(path: Path) -> str:
    """What two names share when this system's usual file system takes them for one."""
    text = os.path.normpath(path)
    return text if sys.platform == "linux" else unicodedata.normalize("NFC", text).casefold()


def shown(path: PurePath | str) -> str:
    """A path for one line of text: control characters and undecodable bytes escaped."""
    text = str(path)
    if text.isprintable() and text == text.strip():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
