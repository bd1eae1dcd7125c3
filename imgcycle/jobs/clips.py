"""The plan for clips: every clip, its result, and whether to convert, skip or keep, before the first frame."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imgcycle import __version__
from imgcycle.config import VideoOptions
from imgcycle.engine.translator import Style
from imgcycle.errors import ImgcycleError, UsageError
from imgcycle.jobs.ledger import Ledger
from imgcycle.jobs.planning import counted, judged, kept_notes
from imgcycle.jobs.tasks import ClipTask, Verdict
from imgcycle.media import formats, paths
from imgcycle.media.paths import Assignment, OnClash, Source
from imgcycle.media.video.containers import CONVERTED, SUFFIXES
from imgcycle.media.video.header import read_header
from imgcycle.media.video.sequences import is_pattern

MOVING = (formats.GIF, formats.WEBP, formats.PNG)
"""Pictures that may be animations: they are taken when they are named themselves."""
_KEY = "imgcycle"


@dataclass(frozen=True)
class ClipRequest:
    """What goes in and where it goes to, as `ConvertRequest` has it for pictures."""

    inputs: tuple[str, ...]
    output: str | None = None
    options: VideoOptions = field(default_factory=VideoOptions)
    recursive: bool = True
    overwrite: bool = False
    update: bool = False
    name: str | None = None
    on_clash: OnClash = "rename"


@dataclass(frozen=True)
class ClipPlan:
    """Tasks in order, and single lines on what else was found."""

    tasks: tuple[ClipTask, ...]
    notes: tuple[str, ...] = ()

    @property
    def to_convert(self) -> list[ClipTask]:
        """The tasks that mean work."""
        return [task for task in self.tasks if task.verdict == "convert"]


def plan_clips(request: ClipRequest, style: Style) -> ClipPlan:
    """Find clips and sequences, give each an output, look at what is there already. UsageError where that cannot be."""
    sequences = [Path(text) for text in request.inputs if is_pattern(text) and not os.path.lexists(text)]
    named = [text for text in request.inputs if Path(text) not in sequences]
    folder = request.output is not None and paths.names_folder(request.output, ("clip", "still"))
    leave_out = [Path(request.output)] if request.output and folder and not is_pattern(request.output) else []
    found = paths.gather(named, request.recursive, leave_out)
    moving = [s for s in found.sources if s.folder is None]
    clips = [s for s in (*found.clips, *moving) if s.folder is None or clip_recipe(s.path) is None]
    ours = len(found.clips) + len(moving) - len(clips)
    label = f"{style.name}-preview" if request.options.preview else style.name
    assigned = paths.assign(
        clips,
        request.output,
        label,
        lambda source: _suffix(source, request.options),
        request.name,
        request.on_clash,
        ("clip", "still"),
    )
    wanted = recipe_for(style, request.options)
    tasks = [_task(a, request, wanted) for a in assigned]
    tasks += [_sequence_task(pattern, request, label) for pattern in sequences]
    notes = [style.origin] if style.origin else []
    if ours:
        notes.append(f"{counted(ours, 'earlier result')} of imgcycle left out of the inputs")
    stills = len(found.sources) - len(moving)
    if stills:
        notes.append(f"{counted(stills, 'picture')} left alone (imgcycle convert takes them)")
    return ClipPlan(tuple(tasks), (*notes, *kept_notes(tasks)))


def recipe_for(style: Style, options: VideoOptions) -> dict[str, Any]:
    """What a result states of its making, apart from the digest of its input; options resolved."""
    values = options.to_dict()
    if options.work_size == "auto":
        values["work_size"] = style.work_size
    if options.detail is None:
        values["detail"] = style.detail
    return {"style": style.name, "weights": style.digest, "options": values, "version": __version__}


def metadata_for(recipe: dict[str, Any], container: str, present: dict[str, str]) -> dict[str, str]:
    """Where a container keeps a recipe; nothing where it has no place that is free (ts)."""
    text = json.dumps({_KEY: recipe}, sort_keys=True)
    if container in ("mkv", "webm"):
        return {_KEY.upper(): text}
    if container == "mp4" and "synopsis" not in present:
        return {"synopsis": text}
    return {"comment": text} if container in ("mp4", "mov") and "comment" not in present else {}


def clip_recipe(path: Path) -> dict[str, Any] | None:
    """The recipe in a clip's metadata; None when it has none or cannot be read."""
    try:
        found = read_header(path).metadata
    except (ImgcycleError, OSError):
        return None
    for text in found.values():
        if text.startswith(f'{{"{_KEY}"'):
            try:
                recipe = json.loads(text)[_KEY]
            except ValueError:
                continue
            return recipe if isinstance(recipe, dict) else None
    return None


def _task(assigned: Assignment, request: ClipRequest, wanted: dict[str, Any]) -> ClipTask:
    ledger = Ledger(assigned.root)
    verdict, reason = judged(assigned, request.overwrite, request.update, wanted, ledger, clip_recipe)
    source, output, root = (os.fspath(p) for p in (assigned.source.path, assigned.output, assigned.root))
    return ClipTask(source, output, root, request.options, verdict, reason)


def _sequence_task(pattern: Path, request: ClipRequest, label: str) -> ClipTask:
    """A sequence goes into one beside it (`frames-monet/%05d.png`), or where -o says: a pattern, a folder, a clip."""
    output = request.output
    if output is None:
        target = paths.output_root(pattern.parent, label) / pattern.name
    elif is_pattern(output) or not paths.names_folder(output, ("clip",)):
        target = Path(output)
    else:
        target = Path(output) / pattern.name
    if target.parent.resolve() / target.name == pattern.parent.resolve() / pattern.name:
        raise UsageError(f"{paths.shown(target)} is itself an input and is never written over", "choose another -o")
    verdict: Verdict = "convert"
    reason = ""
    there = any(target.parent.glob(f"*{target.suffix}")) if is_pattern(target) else os.path.lexists(target)
    if there and not request.overwrite:
        verdict, reason = "keep", "pictures or a clip are there already (--overwrite replaces them)"
    return ClipTask(os.fspath(pattern), os.fspath(target), os.fspath(target.parent), request.options, verdict, reason)


def _suffix(source: Source, options: VideoOptions) -> str:
    """The suffix of a clip's result: its own where that container holds the codec, else mp4 or mkv."""
    own = source.path.suffix
    known = formats.by_suffix(source.path)
    if known in MOVING:
        return own
    container = SUFFIXES.get(own.lower())
    if container is not None and options.codec in CONVERTED[container]:
        return own
    return ".mp4"
