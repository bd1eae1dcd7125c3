"""Plan for clips: every clip, its result, and whether to convert, skip or keep, before the first frame."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from imgcycle.config import ClipRequest, VideoOptions
from imgcycle.engine.style import Style
from imgcycle.errors import ImgcycleError, UsageError, counted
from imgcycle.jobs.images.plan import (
    chosen_inputs,
    kept_notes,
    left_out,
    open_ledgers,
    read_recipe,
    unread,
)
from imgcycle.jobs.recipe import ResolvedOptions, check_strokes, clip_recipe_for, resolve_frames
from imgcycle.jobs.results.ledger import AnyLedger, ledger_at
from imgcycle.jobs.results.verdicts import judged, verdict_for
from imgcycle.jobs.shard import Shard
from imgcycle.jobs.tasks import ClipTask, Verdict
from imgcycle.jobs.video.checkpoint import is_begun
from imgcycle.jobs.video.fingerprints import fingerprint
from imgcycle.jobs.video.kinds import MOVING, input_kind, is_sequence, output_kind
from imgcycle.jobs.video.masks import with_clip_mask
from imgcycle.media import formats, inputs, outputs, paths
from imgcycle.media.inputs import Source
from imgcycle.media.outputs import Assignment, Naming
from imgcycle.media.remote import Listings, address_of, is_remote
from imgcycle.media.video.containers import CONVERTED, SUFFIXES
from imgcycle.media.video.encoder import plan_coding
from imgcycle.media.video.probing.report import read_header
from imgcycle.media.video.sequences import SequenceWriter, is_pattern, picture_numbers
from imgcycle.media.video.streams import container_for

_OF_CLIPS = ("max_height", "codec", "crf", "preset", "hardware")
"""Options without effect on animations that stay animations."""
_DEFAULTS = VideoOptions().to_dict()
_KEY = "imgcycle"
_OWN_SOUNDS = (".webm", ".ogv", ".wmv")
"""Files whose sound would have to be re-encoded for MP4, but not for Matroska."""


@dataclass(frozen=True)
class ClipPlan:
    """Tasks in order, and single lines on what else was found."""

    tasks: tuple[ClipTask, ...]
    notes: tuple[str, ...] = ()

    @property
    def to_convert(self) -> list[ClipTask]:
        """Tasks to convert."""
        return [task for task in self.tasks if task.verdict == "convert"]


def plan_clips(request: ClipRequest, style: Style) -> ClipPlan:
    """Find clips and sequences, assign an output to each, check existing outputs.

    UsageError if that fails, and for a codec, quality or container that would only fail after hours.
    """
    shard = Shard.parse(request.shard)
    check_style(style)
    check_strokes([style], request.options)
    if request.output == "-":
        raise UsageError("a stream is not planned", "convert_frames converts one, and so does imgcycle video")
    chosen = request.options
    plan_coding(64, 64, chosen.codec, crf=chosen.crf, preset=chosen.preset, hardware=chosen.hardware)
    if request.output and is_pattern(request.output):
        SequenceWriter(Path(request.output))
    sequences = [text for text in request.inputs if is_sequence(text)]
    for text in (*sequences, request.output or ""):
        if is_remote(text) and is_pattern(text):
            raise UsageError(f"{text}: sequences are read and written on this machine alone", "name a clip")
    named = [text for text in request.inputs if text not in sequences]
    folder = request.output is not None and outputs.names_folder(request.output, ("clip", "still"))
    leave_out = [Path(request.output)] if request.output and folder and not is_pattern(request.output) else []
    found = inputs.gather(named, request.recursive, leave_out)
    moving = [s for s in found.sources if s.folder is None]
    ledger = cache(ledger_at)
    label = style.name + ("-preview" if chosen.preview else "-compare" if chosen.compare != "none" else "")
    naming = Naming(
        request.output, label, lambda source: _suffix(source, request.options), request.name, ("clip", "still")
    )

    def made_from(sources: Sequence[Source]) -> list[Assignment]:
        return outputs.targets(sources, naming)

    both = (*found.clips, *moving)
    clips = chosen_inputs(both, [s for s in both if _is_ours(s, ledger)], (), made_from)
    ours = len(both) - len(clips)
    assigned = outputs.assign(clips, naming, request.on_clash)
    assigned += [_sequence(Path(text), request, label) for text in sequences]
    every, assigned = len(assigned), shard.of(assigned)
    frames = resolve_frames(chosen, style)
    todo = [clip_task(each.source.path, Path(each.output), Path(each.root), chosen, frames) for each in assigned]
    _check_outputs(todo)
    wanted = clip_recipe_for(chosen, frames, style)
    ledgers = open_ledgers(assigned)
    tasks, listings = [], Listings()
    if shard.number == 1:  # what is none of this command's business is told once
        tasks += [ClipTask(address_of(path), "", "", chosen, "fail", unread(why)) for path, why in found.closed]
        raw = "a RAW file (imgcycle convert takes it)"
        tasks += [ClipTask(address_of(path), "", "", chosen, "keep", raw) for path in found.named_raws]
    for task, each in zip(todo, assigned, strict=True):
        own, missing = with_clip_mask(task.frames, each.source)
        recipe = wanted if own is task.frames else clip_recipe_for(chosen, own, style)
        judged_task = _judged(task.replace(frames=own), each, request, recipe, ledgers[each.root], listings)
        if missing and judged_task.verdict == "convert":
            judged_task = judged_task.replace(verdict="fail", reason=missing)
        tasks.append(judged_task)
    notes = [style.origin] if style.origin else []
    notes += left_out(ours)
    stills = len(found.sources) - len(moving) + found.raws + len(found.named_raws)
    if stills:
        notes.append(f"{counted(stills, 'picture')} left alone (imgcycle convert takes them)")
    notes += shard.note(len(assigned), every)
    return ClipPlan(tuple(tasks), (*notes, *_unheeded(todo), *kept_notes(tasks)))


def check_style(style: Style) -> None:
    """Raise UsageError for a style that is not suitable for clips."""
    if not style.clips:
        raise UsageError(
            f"{style.name} searches anew for every picture, for seconds, and no two frames would be alike",
            "it is for single pictures: imgcycle convert",
        )


def clip_task(source: Path, output: Path, root: Path, options: VideoOptions, frames: ResolvedOptions) -> ClipTask:
    """A task of the kinds given by its names."""
    kind = input_kind(source)
    names = address_of(source), address_of(output), address_of(root)
    return ClipTask(*names, options, frames=frames, input_kind=kind, output_kind=output_kind(kind, output))


def metadata_for(recipe: dict[str, Any], container: str, present: Mapping[str, str]) -> dict[str, str]:
    """Metadata that store a recipe in a container; empty if there is no free field (ts).

    The field of an earlier recipe is free: it describes what is now the source.
    """
    text = json.dumps({_KEY: recipe}, sort_keys=True)
    if container in ("mkv", "webm"):
        return {_KEY.upper(): text}
    places = {"mp4": ("synopsis", "comment"), "mov": ("comment",)}.get(container, ())
    free = [place for place in places if place not in present or _recipe_in(present[place]) is not None]
    return {free[0]: text} if free else {}


def clip_recipe(path: Path | str) -> dict[str, Any] | None:
    """Recipe in a clip's or an animation's metadata; None if it has none or cannot be read."""
    path = Path(path)
    if formats.by_suffix(path) in MOVING:
        return read_recipe(path)
    try:
        found = read_header(path).metadata
    except (ImgcycleError, OSError):
        return None
    return next((recipe for text in found.values() if (recipe := _recipe_in(text)) is not None), None)


def _is_ours(source: Source, ledger: Callable[[Path], AnyLedger]) -> bool:
    """True if a clip is a result, by its metadata or by a ledger, since not all containers can store a recipe."""
    path = source.path
    if not is_remote(path) and clip_recipe(path) is not None:
        return True
    roots = [path.parent]
    if source.folder is not None:
        folder = Path(source.folder)
        roots += [above for above in path.parents[1:] if above == folder or folder in above.parents]
    return any(ledger(root).get(path) is not None for root in roots)


def _recipe_in(text: str) -> dict[str, Any] | None:
    if not text.startswith(f'{{"{_KEY}"'):
        return None
    try:
        recipe = json.loads(text)[_KEY]
    except ValueError:
        return None
    return recipe if isinstance(recipe, dict) else None


def _check_outputs(tasks: Sequence[ClipTask]) -> None:
    """Raise UsageError for two results of one name, and for a name that cannot be written."""
    places: set[Path] = set()
    for task in tasks:
        output = Path(task.output)
        place = output.parent.resolve() / output.name
        if place in places:
            raise UsageError(f"two inputs would become {paths.shown(output)}", "give each its own -o")
        places.add(place)
        if task.output_kind == "sequence":
            SequenceWriter(output)
        elif task.output_kind == "clip":
            container_for(None, task.options.codec, output.suffix)


def _unheeded(tasks: Sequence[ClipTask]) -> list[str]:
    """A line on given options without effect on animations that stay animations."""
    moving = [task for task in tasks if task.output_kind == "animation"]
    given = [name for name in _OF_CLIPS for task in moving[:1] if getattr(task.options, name) != _DEFAULTS[name]]
    if not given:
        return []
    first, names = paths.shown(moving[0].input), ", ".join(f"--{name.replace('_', '-')}" for name in given)
    which = first if len(moving) == 1 else f"{first} and {counted(len(moving) - 1, 'other')}"
    return [f"{which}: animations stay such, without {names} (-o FILE.mp4 makes a clip)"]


def _judged(
    task: ClipTask,
    assigned: Assignment,
    request: ClipRequest,
    wanted: dict[str, Any],
    ledger: AnyLedger,
    listings: Listings,
) -> ClipTask:
    """The task with verdict and reason."""
    if "sequence" in (task.input_kind, task.output_kind):
        verdict, reason = _judged_pictures(assigned, request, wanted, ledger)
    else:
        verdict, reason = judged(assigned, request.overwrite, request.update, wanted, ledger, clip_recipe, listings)
    return task.replace(verdict=verdict, reason=reason)


def _judged_pictures(
    assigned: Assignment, request: ClipRequest, wanted: dict[str, Any], ledger: AnyLedger
) -> tuple[Verdict, str]:
    """`judged` for sequences, which hold no recipe themselves."""
    source, output = assigned.source.path, Path(assigned.output)
    pictures = is_sequence(output)
    try:
        if not (os.path.lexists(output) or (pictures and output.parent.is_dir() and picture_numbers(output))):
            return "convert", ""
        if request.overwrite:
            return "convert", "replaced"
        if pictures and is_begun(Path(assigned.root), output):
            return "convert", "begun before"
        recipe = None if pictures else clip_recipe(output)
        record, now = ledger.get(output), fingerprint(source)
        if record is None:
            untouched = not pictures and output.stat().st_mtime_ns == now.time
            return verdict_for(untouched, (recipe or {}).get("input") == now.digest, recipe, request.update, wanted)
        untouched = fingerprint(output).digest == record.output_digest
        return verdict_for(untouched, now.digest == record.input_digest, record.recipe, request.update, wanted)
    except OSError as error:
        return "keep", f"cannot be read: {error.strerror}"


def _sequence(pattern: Path, request: ClipRequest, label: str) -> Assignment:
    """Output of a sequence: one beside it (`frames-monet/%05d.png`), or as -o says: a pattern, a folder, a clip."""
    output = request.output
    if output is None:
        folder = outputs.output_root(pattern.parent, label)
        # A format that cannot be written is replaced by the nearest that can, as for single images.
        own = formats.by_suffix(pattern)
        suffix = pattern.suffix if own is None or own.writable else formats.written_as(own).suffixes[0]
        target = folder / f"{pattern.stem}{suffix}"
    elif is_pattern(output) or not outputs.names_folder(output, ("clip", "still")):
        target = Path(output)
    else:
        target = Path(output) / pattern.name
    if paths.same_file(target, pattern):
        raise UsageError(f"{paths.shown(target)} is itself an input and is never written over", "choose another -o")
    return Assignment(Source(os.fspath(pattern)), os.fspath(target), os.fspath(target.parent))


def _suffix(source: Source, options: VideoOptions) -> str:
    """Suffix of a clip's result: its own if that container holds the codec, else one that holds its sound."""
    own = source.path.suffix
    known = formats.by_suffix(source.name)
    if known in MOVING:
        return own
    container = SUFFIXES.get(own.lower())
    if container is not None and options.codec in CONVERTED[container]:
        return own
    return ".mkv" if own.lower() in _OWN_SOUNDS else ".mp4"
