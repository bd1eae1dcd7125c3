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
from imgcycle.media.formats import FORMATS, Format, by_suffix, suffix_of
from imgcycle.media.inputs import Source, in_folder
from imgcycle.media.paths import STATE_FOLDER, identity, in_state_folder, key, kind_of, located, shown
from imgcycle.media.remote import address_of, is_remote, is_web
from imgcycle.media.unsupported import foreign_by_suffix

WRITTEN = ", ".join(f.suffixes[0] for f in FORMATS if f.writable)
"""Suffixes of the formats that can be written."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One input and the name of its planned output; `renamed` if a clash made it keep its full name.

    `root` is the output folder that the user named or that a whole tree goes to, else the output's own folder.
    """

    source: Source
    output: str
    root: str
    renamed: bool = False


def names_folder(output: str, kinds: Sequence[str] = ("still",)) -> bool:
    """True if `-o` means a folder: it exists as one, ends in a slash, or has no suffix of the given kinds."""
    return output.endswith(("/", os.sep)) or os.path.isdir(output) or kind_of(output) not in kinds  # noqa: PTH112


def check_suffix(path: PurePath | str, wanted: Format | None = None) -> None:
    """Raise UsageError if an output's suffix belongs to a format that is not written, or not to `wanted`.

    A name without a known suffix passes.
    """
    known, kind = by_suffix(path), kind_of(path)
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
    if is_remote(folder) and len(folder.parts) < 3:
        raise UsageError(f"{address_of(folder)} has no folder beside it", "say where to with -o")
    parent = folder.parent if folder.name else folder.resolve().parent
    return parent / f"{name}-{style}"


@dataclass(frozen=True)
class Naming:
    """How results are named: `-o`, the style's label, and the suffix (with its dot) of each source's result.

    `template` may use {dir} (the path in the tree, ending in a slash, or empty), {stem}, {style}, {ext}. `kinds` are
    the kinds of file that `output` may name. With `several` folders each has one of its own under `output`; None goes
    by the sources.
    """

    output: str | None
    style: str
    suffix_for: Callable[[Source], str]
    template: str | None = None
    kinds: Sequence[str] = ("still",)
    several: bool | None = None


def assign(sources: Sequence[Source], naming: Naming, on_clash: OnClash = "rename") -> list[Assignment]:
    """An output for every input, all different, none of them an input.

    UsageError if an output is an input, and for any clash if `on_clash` is `refuse`; otherwise the later of two keeps
    its full name (`a.png.jpg`), or the one of another format than the result's: `a.png` stays `a.png`.
    """
    wanted = targets(sources, naming)
    if len({key(choice.output) for choice in wanted}) < len(wanted):
        wanted = _renamed(wanted, naming, on_clash)
    _refuse_inputs(wanted)
    return wanted


def _renamed(wanted: Sequence[Assignment], naming: Naming, on_clash: OnClash) -> list[Assignment]:
    """The same, of which all but one that have the same output get another."""
    owners: dict[str, int] = {}
    for n, choice in enumerate(wanted):
        owner = owners.setdefault(key(choice.output), n)
        if owner != n and _keeps_suffix(choice) and not _keeps_suffix(wanted[owner]):
            owners[key(choice.output)] = n
    taken: dict[str, str] = {}
    planned = []
    for n, choice in enumerate(wanted):
        source, target, final = choice.source, choice.output, choice
        owner = owners[key(target)]
        if key(target) in taken or owner != n:
            if on_clash == "refuse":
                other = taken.get(key(target), wanted[owner].source.name)
                raise UsageError(
                    f"{shown(source.name)} and {shown(other)} would both become {shown(target)}",
                    "rename one, or use --name",
                )
            final = replace(choice, output=_free(target, source, naming.suffix_for(source), taken), renamed=True)
        taken[key(final.output)] = source.name
        planned.append(final)
    return planned


def targets(sources: Sequence[Source], naming: Naming) -> list[Assignment]:
    """The output of every input, as for `assign`, before clashes are resolved.

    UsageError if several would go into one file, and if results would be among imgcycle's own records.
    """
    several, output = naming.several, naming.output
    if several is None:
        several = len({source.folder for source in sources if source.folder}) > 1
    if output is None or names_folder(output, naming.kinds):
        target_of = _Targets(naming, several)
        wanted = [target_of(source) for source in sources]
    elif len(sources) > 1:
        raise UsageError(f"{len(sources)} inputs cannot go into one file {shown(output)}", "name a folder")
    else:
        target = Path(output)
        wanted = [Assignment(source, os.fspath(target), os.fspath(target.parent)) for source in sources]
    for root in {choice.root for choice in wanted}:
        if is_web(root):
            raise UsageError(f"{address_of(root)} is read and not written", "say where to with -o")
        if in_state_folder(Path(root)):
            raise UsageError(f"{shown(root)} is where imgcycle keeps its own notes", "choose another -o")
    return wanted


def _keeps_suffix(choice: Assignment) -> bool:
    return suffix_of(choice.source.name) == suffix_of(choice.output)


class _Targets:
    """Gives a source its output below a folder; `several` folders keep their own names in it."""

    def __init__(self, naming: Naming, several: bool) -> None:
        self._naming, self._several = naming, several
        self._output = None if naming.output is None else os.fspath(Path(naming.output))
        self._beside = functools.cache(lambda folder: os.fspath(output_root(Path(folder), naming.style)))
        self._own = functools.cache(lambda folder: Path(folder).name or Path(folder).resolve().name)

    def __call__(self, source: Source) -> Assignment:
        naming, folder = self._naming, source.folder
        inner, base = os.path.split(source.place)
        if self._output is not None:
            root, default = self._output, "{dir}{stem}{ext}"
            if self._several and folder is not None:
                inner = in_folder(self._own(folder), inner) if inner else self._own(folder)
        elif folder is not None:
            root, default = self._beside(folder), "{dir}{stem}{ext}"
        else:
            root, default = os.path.dirname(source.name) or ".", "{dir}{stem}-{style}{ext}"  # noqa: PTH120
        place = in_folder(inner, "") if inner else ""
        stem = base[: len(base) - len(suffix_of(base))]
        suffix = naming.suffix_for(source)
        if naming.template is None:
            # Nothing in it needs a look: an input's place leads nowhere else.
            name = f"{place}{stem}{suffix}" if default == "{dir}{stem}{ext}" else f"{stem}-{naming.style}{suffix}"
            return Assignment(source, in_folder(root, name), root)
        values = {"dir": place, "stem": stem, "style": naming.style, "ext": suffix}
        return Assignment(source, _inside(root, filled(naming.template, values)), root)


def _inside(root: str, name: str) -> str:
    """A filled template's place in a folder; UsageError if it leads out of that, or to imgcycle's own records."""
    parts = PurePath(name).parts
    if ".." in parts or PurePath(name).is_absolute():
        raise UsageError(f"--name leads out of the output folder: {shown(name)}")
    if any(part.casefold().startswith(STATE_FOLDER) for part in parts):
        raise UsageError(f"--name leads to imgcycle's own notes: {shown(name)}", f"names may not begin {STATE_FOLDER}")
    return os.fspath(Path(root) / name)


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


def _free(target: str, source: Source, suffix: str, taken: dict[str, str]) -> str:
    folder, base = os.path.split(target)[0], os.path.basename(source.name)  # noqa: PTH119
    full = os.path.join(folder, base + suffix)  # noqa: PTH118
    number = 2
    while key(full) in taken:
        full = os.path.join(folder, f"{base}.{number}{suffix}")  # noqa: PTH118
        number += 1
    return full


def _refuse_inputs(planned: Sequence[Assignment]) -> None:
    # One file can have two names (a link, another case), which only device and inode tell; of files that exist these
    # tell everything, so names are compared for the others alone.
    outputs = {facts for each in planned if (facts := identity(each.output)) is not None}
    resolve = functools.cache(os.path.realpath)
    missing, inputs = set(), set()
    for each in planned:
        facts = identity(each.source.name)
        if facts is None:
            missing.add(key(located(each.source.name, resolve)))
        elif facts in outputs:
            inputs.add(facts)
    if not (missing or inputs):
        return
    for each in planned:
        if (inputs and identity(each.output) in inputs) or key(located(each.output, resolve)) in missing:
            raise UsageError(
                f"{shown(each.output)} is itself an input and is never written over",
                "choose another -o or --name",
            )
