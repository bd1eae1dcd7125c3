"""Plan of a conversion: every input, its output, and whether to convert, skip or keep, before the first pixel."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from imgcycle.config import ConvertRequest
from imgcycle.engine.style import Style
from imgcycle.errors import UsageError, counted
from imgcycle.jobs.ledger import check_state
from imgcycle.jobs.recipe import ResolvedOptions, check_strokes, recipe_for, resolve, with_mask
from imgcycle.jobs.results.history import results_among
from imgcycle.jobs.results.ledger import AnyLedger, ledger_at
from imgcycle.jobs.results.verdicts import judged
from imgcycle.jobs.shard import Shard
from imgcycle.jobs.tasks import ClipTask, Task
from imgcycle.media import formats, inputs, outputs, paths
from imgcycle.media.files import opened, read_file
from imgcycle.media.formats import Format
from imgcycle.media.inputs import Source
from imgcycle.media.metadata import xmp
from imgcycle.media.outputs import Assignment, Naming
from imgcycle.media.remote import Listings, address_of
from imgcycle.media.unsupported import EXPORT, foreign_by_suffix

_HEAD, _TAIL = 192 * 1024, 128 * 1024


@dataclass(frozen=True)
class Plan:
    """Tasks in order, and single lines on what else was found."""

    tasks: tuple[Task, ...]
    notes: tuple[str, ...] = ()

    @property
    def to_convert(self) -> list[Task]:
        """Tasks to convert."""
        return [task for task in self.tasks if task.verdict == "convert"]


def plan(request: ConvertRequest, style: Style) -> Plan:
    """Find the inputs, assign an output to each, check existing outputs. UsageError if any of it fails."""
    return plan_styles(request, [style])[0]


@dataclass(frozen=True)
class Arrivals:
    """Inputs that a plan is limited to, by name, since the others were planned before.

    `several` is True if more than one folder was named, whatever is in them now. `recipe_in` is `read_recipe`, or
    remembers what that found.
    """

    names: frozenset[str]
    several: bool
    recipe_in: Callable[[str], dict[str, Any] | None]


def find_inputs(request: ConvertRequest, tolerant: bool = False) -> inputs.Gathered:
    """All files that a request's arguments stand for, without its output folder; `tolerant` as for `gather`."""
    leave_out = [Path(request.output)] if request.output and outputs.names_folder(request.output) else []
    with_raw = request.options.raw != "none"
    return inputs.gather(request.inputs, request.recursive, leave_out, with_raw, tolerant)


def plan_styles(
    request: ConvertRequest, styles: Sequence[Style], apart: bool = False, arrivals: Arrivals | None = None
) -> list[Plan]:
    """A plan for each style, of the same inputs; notes on the inputs are in the first.

    With several styles (and with `apart` for a single one) each has a subfolder of the output folder, unless the name
    distinguishes them. UsageError also if two styles would write one file. With `arrivals` only these are planned,
    under the names that they have among all inputs, and arguments that are gone count as empty.
    """
    check_strokes(styles, request.options)
    shard = Shard.parse(request.shard)
    apart = apart or len(styles) > 1
    if request.format != "same" and request.format not in formats.CHOICES:
        raise UsageError(f"no format is called {request.format!r}", f"one of same, {', '.join(formats.CHOICES)}")
    if apart and request.output is not None and not outputs.names_folder(request.output):
        raise UsageError(f"{len(styles)} styles cannot go into one file {paths.shown(request.output)}", "name a folder")
    if request.output is not None and not request.output.endswith(("/", os.sep)) and not os.path.isdir(request.output):  # noqa: PTH112
        outputs.check_suffix(request.output, formats.CHOICES.get(request.format))
    found = find_inputs(request, tolerant=arrivals is not None)
    recipe_in = read_recipe if arrivals is None else arrivals.recipe_in
    recipes = {source: recipe for source in found.sources if (recipe := recipe_in(source.name)) is not None}
    recipes |= {source: {} for source in results_among(found)}
    results = [source for source, recipe in recipes.items() if "sheet" not in recipe]
    pages = [source for source, recipe in recipes.items() if "sheet" in recipe]
    each = [(style, replace(request, output=_output(request, style, apart))) for style in styles]

    def made_from(sources: Sequence[Source]) -> list[Assignment]:
        return [made for style, own in each for made in outputs.targets(sources, _naming(own, style, arrivals))]

    sources = chosen_inputs(found.sources, results, pages, made_from)
    options = resolve(request.options, styles[0])
    # What is none of this command's business is told by one of several processes alone.
    alone = tuple(_left_alone(found, options)) if shard.number == 1 else ()
    beside = Beside(alone, tuple(_beside(found)), len(found.sources) - len(sources))
    plans = []
    for n, (style, own) in enumerate(each):
        about = f" in {style.name}" if len(styles) > 1 else ""
        plans.append(_planned(sources, own, style, beside if n == 0 else None, about, arrivals))
    _refuse_meetings(plans)
    return plans


def chosen_inputs(
    found: Sequence[Source],
    results: Sequence[Source],
    pages: Sequence[Source],
    made_from: Callable[[Sequence[Source]], Sequence[Assignment]],
) -> list[Source]:
    """The inputs among the files found, without imgcycle's own `results` (which globs and walks include).

    If only results were named, they are the inputs, except those that `made_from` the others would be written now.
    `pages` (contact sheets) are inputs only if nothing else was named.
    """
    ours = {*results, *pages}
    if not ours:
        return list(found)
    if any(source not in ours for source in found):
        return [source for source in found if source not in ours]
    if not results:
        return [source for source in pages if source.folder is None]
    made = {paths.key(each.output): each.source for each in made_from(results)}
    return [source for source in results if made.get(paths.key(source.name), source) == source]


def _output(request: ConvertRequest, style: Style, apart: bool) -> str | None:
    """Output folder of a style's results."""
    if not apart or request.output is None or "{style}" in (request.name or ""):
        return request.output
    return f"{Path(request.output) / style.name}{os.sep}"


@dataclass(frozen=True)
class Beside:
    """Other files found beside the inputs: tasks for what cannot be converted, notes, number of earlier results."""

    tasks: tuple[Task, ...]
    notes: tuple[str, ...]
    results: int


def _naming(request: ConvertRequest, style: Style, arrivals: Arrivals | None) -> Naming:
    """Naming of a style's results."""
    several = None if arrivals is None else arrivals.several
    suffix = functools.partial(_suffix, wanted=request.format)
    return Naming(request.output, style.name, suffix, request.name, several=several)


def _planned(
    sources: Sequence[Source],
    request: ConvertRequest,
    style: Style,
    beside: Beside | None,
    about: str,
    arrivals: Arrivals | None,
) -> Plan:
    """Plan of a style; `beside` is reported once for all styles, None if it was."""
    # Outputs are assigned before selection: a sample must get the same names as the whole.
    assigned = outputs.assign(sources, _naming(request, style, arrivals), request.on_clash)
    if request.name is not None:
        _check_names(assigned, request.format)
    every = chosen(assigned, request.sample, request.limit)
    shard = Shard.parse(request.shard)
    assigned = shard.of(every)
    if arrivals is not None:
        assigned = [each for each in assigned if each.source.name in arrivals.names]
    ledgers = open_ledgers(assigned)
    options = resolve(request.options, style)
    wanted = recipe_for(options, style)
    listings = Listings()
    tasks = tuple(_task(a, request, options, wanted, ledgers[a.root], listings) for a in assigned)
    recognised = [style.origin] if style.origin else []
    notes = kept_notes(tasks, about)
    if arrivals is not None:
        return Plan(tasks, tuple(notes))
    if beside is None:
        return Plan(tasks, (*recognised, *notes))
    part = shard.note(len(assigned), len(every))
    once = (*beside.notes, *left_out(beside.results), *_renamed(assigned), *part)
    # Failures come first: with --fail-fast, and for the user, they should be known before the work.
    return Plan((*beside.tasks, *tasks), (*recognised, *once, *notes))


def open_ledgers(assigned: Sequence[Assignment]) -> dict[str, AnyLedger]:
    """Ledger of every output root; UsageError if one is a symbolic link."""
    roots = {each.root for each in assigned}
    for root in roots:
        check_state(Path(root))
    return {root: ledger_at(Path(root)) for root in roots}


def _check_names(assigned: Sequence[Assignment], wanted: str) -> None:
    """UsageError if --name gives a result the suffix of another format."""
    target = formats.CHOICES.get(wanted)
    for assignment in assigned:
        outputs.check_suffix(assignment.output, target)
        if target is not None and formats.by_suffix(assignment.output) is None:
            raise UsageError(f"{paths.shown(assignment.output)} has no suffix of {target.name}", "end --name in {ext}")


def _refuse_meetings(plans: Sequence[Plan]) -> None:
    """UsageError if plans of several styles have an output in common."""
    if len(plans) == 1:  # whose outputs differ already, and may be a million
        return
    taken: set[str] = set()
    for plan in plans:
        outputs = {os.path.normpath(task.output) for task in plan.tasks if task.output}
        if met := taken & outputs:
            raise UsageError(f"several styles would be written to {paths.shown(min(met))}", "put {style} into --name")
        taken |= outputs


def chosen(assigned: list[Assignment], sample: int | None, limit: int | None) -> list[Assignment]:
    """`sample` of them, evenly spaced from the first to the last, then at most `limit`."""
    if sample is not None and sample < len(assigned):
        last = len(assigned) - 1
        at = sorted({round(n * last / max(1, sample - 1)) for n in range(sample)})
        assigned = [assigned[n] for n in at]
    return assigned if limit is None else assigned[:limit]


def _suffix(source: Source, wanted: str) -> str:
    lower = formats.suffix_of(source.name)
    own = source.name[len(source.name) - len(lower) :]
    known = formats.by_suffix(source.name) or _misnamed(source.name)
    if wanted != "same":
        target = formats.CHOICES[wanted]
        return own if lower in target.suffixes else target.suffixes[0]
    if paths.kind_of(source.name) == "raw":
        return formats.JPEG.suffixes[0]
    if known is None or (known.writable and lower in known.suffixes):
        return own
    return formats.written_as(known).suffixes[0]


def _misnamed(path: str) -> Format | None:
    """Actual format of a file whose suffix is that of a format which is not read; None for any other."""
    if foreign_by_suffix(path) is None:
        return None
    try:
        with opened(path) as file:
            return formats.by_content(file.read(16))
    except OSError:
        return None


def _task(
    assigned: Assignment,
    request: ConvertRequest,
    options: ResolvedOptions,
    wanted: dict[str, Any],
    ledger: AnyLedger,
    listings: Listings,
) -> Task:
    options, missing = with_mask(options, assigned.source)
    if options.mask is not None:
        wanted = wanted | {"options": wanted["options"] | {"mask": options.mask_digest}}
    verdict, reason = judged(assigned, request.overwrite, request.update, wanted, ledger, read_recipe, listings)
    if missing and verdict == "convert":
        verdict, reason = "fail", missing
    return Task(
        address_of(assigned.source.name),
        address_of(assigned.output),
        address_of(assigned.root),
        options,
        verdict,
        reason,
    )


def read_recipe(path: Path | str) -> dict[str, Any] | None:
    """Recipe in an image's metadata; None if it has none or cannot be read."""
    try:
        return xmp.recipe_in(read_file(path)) if _marked(path) else None
    except OSError:
        return None


def _marked(path: Path | str) -> bool:
    """True if a recipe's namespace is near the start or the end, where all output formats have it."""
    mark = xmp.RECIPE.encode()
    with opened(path) as file:
        head = file.read(_HEAD)
        if mark in head:
            return True
        size = file.seek(0, 2)
        file.seek(max(0, len(head) - len(mark), size - _TAIL))
        return mark in file.read()


_VIDEO, _RAW = "imgcycle video takes them", "--raw preview or --raw develop takes them"


def _beside(found: inputs.Gathered) -> list[str]:
    """A line for each kind of other file found among the inputs."""
    notes = []
    if found.clips:
        notes.append(f"{counted(len(found.clips), 'video clip')} left alone ({_VIDEO})")
    if raws := found.raws + len(found.named_raws):
        notes.append(f"{counted(raws, 'RAW file')} left alone ({_RAW})")
    if found.foreign:
        kinds = ", ".join(counted(number, f"{name} file") for name, number in found.foreign.items())
        notes.append(f"{kinds} left alone (not read: {EXPORT})")
    return notes


def _left_alone(found: inputs.Gathered, options: ResolvedOptions) -> Iterator[Task]:
    """A task for each folder that cannot be read, and for each named file that this command does not convert.

    They have no output.
    """
    for path, why in found.closed:
        yield Task(address_of(path), "", "", options, "fail", unread(why))
    for clip in found.clips:
        if clip.folder is None:
            yield Task(address_of(clip.name), "", "", options, "keep", f"a video clip ({_VIDEO})")
    for path in found.named_raws:
        yield Task(address_of(path), "", "", options, "keep", f"a RAW file ({_RAW})")


def unread(why: str) -> str:
    """Message for a folder that cannot be read."""
    return f"a folder that cannot be read: {why}"


def left_out(results: int) -> list[str]:
    """A line on earlier results among the inputs, and how to convert them."""
    if not results:
        return []
    return [f"{counted(results, 'earlier result')} of imgcycle left out of the inputs (named alone, they are taken)"]


def _renamed(assigned: Sequence[Assignment]) -> list[str]:
    renamed = [a for a in assigned if a.renamed]
    if not renamed:
        return []
    first = renamed[0]
    return [
        f"{counted(len(renamed), 'output')} kept the full name, another having the short one:"
        f" {paths.shown(first.source.name)} → {paths.shown(Path(first.output).name)}"
    ]


def kept_notes(tasks: Sequence[Task | ClipTask], about: str = "") -> list[str]:
    """A line for each reason for which results are kept; `about` names the style."""
    kept: dict[str, int] = {}
    for task in tasks:
        if task.verdict == "keep" and task.output:
            kept[task.reason] = kept.get(task.reason, 0) + 1
    return [f"{counted(number, 'output')}{about} kept: {reason}" for reason, number in kept.items()]
