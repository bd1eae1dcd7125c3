"""Output paths: names, templates, clashes. Nothing here writes a file."""

from __future__ import annotations

import functools
import os
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from imgcycle.config.request import OnClash
from imgcycle.errors import UsageError
from imgcycle.media.formats import FORMATS, Format, by_suffix
from imgcycle.media.inputs import Source
from imgcycle.media.paths import STATE_FOLDER, identity, in_state_folder, key, kind_of, located, shown
from imgcycle.media.unsupported import foreign_by_suffix

WRITTEN = ", ".join(f.suffixes[0] for f in FORMATS if f.writable)
"""Suffixes of the formats that can be written."""


@dataclass(frozen=True)
class Assignment:
    """One input and its planned output; `renamed` if a clash made it keep its full name.

    `root` is the output folder that the user named or that a whole tree goes to, else the output's own folder.
    """

    source: Source
    output: Path
    root: Path
    renamed: bool = False


def names_folder(output: str, kinds: Sequence[str] = ("still",)) -> bool:
    """True if `-o` means a folder: it exists as one, ends in a slash, or has no suffix of the given kinds."""
    return output.endswith(("/", os.sep)) or os.path.isdir(output) or kind_of(Path(output)) not in kinds  # noqa: PTH112


def check_suffix(path: PurePath | str, wanted: Format | None = None) -> None:
    """Raise UsageError if an output's suffix belongs to a format that is not written, or not to `wanted`.

    A name without a known suffix passes.
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
    """Default output folder for an input folder: a sibling named after both."""
    name = folder.name or folder.resolve().name
    if not name or name == "..":
        folder = folder.resolve()
        name = folder.name
    if not name:
        raise UsageError(f"{shown(folder)} has no folder beside it", "say where to with -o")
    parent = folder.parent if folder.name else folder.resolve().parent
    return parent / f"{name}-{style}"


@dataclass(frozen=True)
class Naming:
    """How results are named: `-o`, the style's label, and the suffix (with its dot) of each source's result.

    `template` may use {dir} (the path in the tree, ending in a slash, or empty), {stem}, {style}, {ext}. `kinds` are
    the kinds of file that `output` may name.
    """

    output: str | None
    style: str
    suffix_for: Callable[[Source], str]
    template: str | None = None
    kinds: Sequence[str] = ("still",)


def assign(sources: Sequence[Source], naming: Naming, on_clash: OnClash = "rename") -> list[Assignment]:
    """An output for every input, all different, none of them an input.

    UsageError if an output is an input, and for any clash if `on_clash` is `refuse`; otherwise the later of two keeps
    its full name (`a.png.jpg`), or the one of another format than the result's: `a.png` stays `a.png`.
    """
    taken: dict[str, Path] = {}
    wanted = targets(sources, naming)
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
            final = replace(choice, output=_free(target, source, naming.suffix_for(source), taken), renamed=True)
        taken[key(final.output)] = source.path
        planned.append(final)
    _refuse_inputs(planned)
    return planned


def targets(sources: Sequence[Source], naming: Naming) -> list[Assignment]:
    """The output of every input, as for `assign`, before clashes are resolved.

    UsageError if several would go into one file, and if results would be among imgcycle's own records.
    """
    several, output = len({source.folder for source in sources if source.folder}) > 1, naming.output
    if output is None or names_folder(output, naming.kinds):
        wanted = [_target(source, naming, several) for source in sources]
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


def _target(source: Source, naming: Naming, several: bool) -> Assignment:
    output, style, template = naming.output, naming.style, naming.template
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
    suffix = naming.suffix_for(source)
    name = filled(template or default, {"dir": place, "stem": source.path.stem, "style": style, "ext": suffix})
    target = root / name
    if ".." in PurePath(name).parts or PurePath(name).is_absolute():
        raise UsageError(f"--name leads out of the output folder: {shown(name)}")
    if template and any(part.casefold().startswith(STATE_FOLDER) for part in PurePath(name).parts):
        raise UsageError(f"--name leads to imgcycle's own notes: {shown(name)}", f"names may not begin {STATE_FOLDER}")
    return Assignment(source, target, root)


def filled(template: str, values: dict[str, str]) -> str:
    """Template with {name} replaced; UsageError for other braces and unknown names."""
    try:
        for _, field_, spec, conversion in string.Formatter().parse(template):
            # Plain names only: a width of ten digits would be obeyed.
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
    resolve = functools.cache(Path.resolve)
    inputs = {key(located(a.source.path, resolve)) for a in planned}
    files = set()
    for assignment in planned:
        facts = identity(assignment.source.path)
        if facts:
            files.add(facts)
    for assignment in planned:
        # One file can have two names (a link, another case): then only device and inode tell.
        if key(located(assignment.output, resolve)) in inputs or identity(assignment.output) in files:
            raise UsageError(
                f"{shown(assignment.output)} is itself an input and is never written over",
                "choose another -o or --name",
            )
