"""The plan of a conversion: every input, its output, and whether to convert, skip or keep, before the first pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imgcycle.config import ConvertOptions
from imgcycle.engine.translator import Style
from imgcycle.errors import ImgcycleError
from imgcycle.jobs.picture import recipe_for, same_making
from imgcycle.jobs.tasks import Task, Verdict
from imgcycle.media import formats, paths, xmp
from imgcycle.media.paths import Assignment, Source
from imgcycle.media.stills import open_image

_HEAD, _TAIL = 192 * 1024, 128 * 1024


@dataclass(frozen=True)
class ConvertRequest:
    """What goes in and where it goes to, as the user said it; how it is converted stands in `options`."""

    inputs: tuple[str, ...]
    output: str | None = None
    options: ConvertOptions = field(default_factory=ConvertOptions)
    recursive: bool = True
    overwrite: bool = False


@dataclass(frozen=True)
class Plan:
    """Tasks in order, and single lines on what else was found."""

    tasks: tuple[Task, ...]
    notes: tuple[str, ...] = ()


def plan(request: ConvertRequest, style: Style) -> Plan:
    """Find the inputs, give each an output, look at what is there already. UsageError when any of it cannot be."""
    leave_out = [Path(request.output)] if request.output and paths.names_folder(request.output) else []
    found = paths.gather(request.inputs, request.recursive, leave_out)
    sources = [s for s in found.sources if s.folder is None or not _is_ours(s.path)]
    assigned = paths.assign(sources, request.output, style.name, _suffix)
    tasks = tuple(_task(a, request, style) for a in assigned)
    return Plan(tasks, tuple(_notes(found, assigned)))


def _suffix(source: Source) -> str:
    known = formats.by_suffix(source.path)
    if known is None or known.writable:
        return source.path.suffix
    return formats.written_as(known).suffixes[0]


def _task(assigned: Assignment, request: ConvertRequest, style: Style) -> Task:
    verdict, reason = _verdict(assigned, request, style)
    return Task(str(assigned.source.path), str(assigned.output), request.options, verdict, reason)


def _verdict(assigned: Assignment, request: ConvertRequest, style: Style) -> tuple[Verdict, str]:
    if request.overwrite or not assigned.output.exists():
        return "convert", ""
    recipe = read_recipe(assigned.output)
    if recipe is None:
        return "keep", "it is there already and was not written by imgcycle (--overwrite replaces it)"
    if same_making(recipe, recipe_for(style, request.options)):
        return "skip", "converted before"
    return "keep", "it was made with other weights or options (--overwrite replaces it)"


def read_recipe(path: Path) -> dict[str, object] | None:
    """The recipe in a picture's metadata; None when it has none or cannot be read."""
    try:
        if not _marked(path):
            return None
        packet = open_image(path.read_bytes()).info.get("xmp")
    except (OSError, ValueError, SyntaxError, ImgcycleError):
        return None
    return xmp.recipe_of(packet.encode() if isinstance(packet, str) else packet) if packet else None


def _marked(path: Path) -> bool:
    """Whether a recipe's namespace stands near the start or the end, where every format written here has it."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if xmp.RECIPE.encode() in head:
            return True
        size = file.seek(0, 2)
        file.seek(max(len(head) - len(xmp.RECIPE), size - _TAIL))
        return xmp.RECIPE.encode() in file.read()


def _is_ours(path: Path) -> bool:
    return read_recipe(path) is not None


def _notes(found: paths.Gathered, assigned: Sequence[Assignment]) -> list[str]:
    notes = []
    if found.clips:
        notes.append(f"{_count(len(found.clips), 'video clip')} left alone")
    if found.raws:
        notes.append(f"{_count(len(found.raws), 'RAW file')} left alone")
    renamed = [a for a in assigned if a.renamed]
    if renamed:
        first = renamed[0]
        notes.append(
            f"{_count(len(renamed), 'output')} would have had the name of another and kept the full name:"
            f" {paths.shown(first.source.path)} → {paths.shown(first.output.name)}"
        )
    return notes


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")
