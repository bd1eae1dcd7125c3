"""Clips that are parted among workers: their ranges as tasks, their own tasks after these, progress of each as one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from imgcycle.errors import ImgcycleError
from imgcycle.jobs.events import Estimate, Event, FrameProgress, Note
from imgcycle.jobs.results.staging import is_afar
from imgcycle.jobs.tasks import ClipRange, ClipTask
from imgcycle.jobs.video.ranges.places import range_starts
from imgcycle.jobs.video.sources import FrameSource, open_source
from imgcycle.media.paths import shown

Hears = Callable[[int, "float | Event"], None]
"""Hears an event of the task at a place."""


@dataclass(frozen=True)
class PartedClips:
    """Tasks of a plan, and behind them ranges of some of its clips.

    `ranges` are the places of a clip's ranges by its own: its task joins what they made, when all of them are over.
    """

    tasks: tuple[ClipTask, ...]
    ranges: Mapping[int, Sequence[int]]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, tasks: Sequence[ClipTask], workers: int) -> PartedClips:
        """Clips are parted if there are fewer of them than workers, each by its share of all frames.

        Those in object stores are not: each range would have to bring the whole clip.
        """
        todo = [n for n, task in enumerate(tasks) if task.verdict == "convert"]
        if len(todo) >= workers:
            return cls(tuple(tasks), {})
        sources = {place: source for place in todo if (source := _parted_source(tasks[place])) is not None}
        whole = sum(source.frames for source in sources.values())
        every: list[ClipTask] = list(tasks)
        ranges: dict[int, Sequence[int]] = {}
        notes = []
        for place, source in sources.items():
            task = tasks[place]
            starts = range_starts(task, source, math.ceil(workers * source.frames / whole))
            if len(starts) > 1:
                ranges[place] = range(len(every), len(every) + len(starts))
                notes.append(f"{shown(task.input)}: made in {len(starts)} ranges at once")
                every += [_range_of(task, *each) for each in pairwise([*starts, source.span.stop])]
        return cls(tuple(every), ranges, tuple(notes))

    def heard(self, hear: Hears) -> Hears:
        """Has the ranges of a clip heard as that clip: its frames are all of theirs, what all say is said once."""
        clips = {place: clip for clip, places in self.ranges.items() for place in places}
        last: dict[int, FrameProgress] = {}
        said: set[tuple[int, str]] = set()

        def listen(place: int, event: float | Event) -> None:
            clip = clips.get(place, place)
            if clip not in self.ranges:
                hear(place, event)
                return
            what = event.text if isinstance(event, Note) else "estimate" if isinstance(event, Estimate) else ""
            if (clip, what) in said:
                return
            if what:
                said.add((clip, what))
            if isinstance(event, FrameProgress) and place != clip:
                last[place] = event
                event = _together([last[n] for n in self.ranges[clip] if n in last], self._frames(clip))
            hear(clip, event)

        return listen

    def _frames(self, clip: int) -> int:
        ranges = [task for n in self.ranges[clip] if isinstance(task := self.tasks[n], ClipRange)]
        return sum(each.stop - each.first for each in ranges)


def _range_of(task: ClipTask, first: int, stop: int) -> ClipRange:
    values = {name: getattr(task, name) for name in ClipTask.__dataclass_fields__}
    return ClipRange(**values, first=first, stop=stop)


def _parted_source(task: ClipTask) -> FrameSource | None:
    """The frames of a task that can be parted; None for any other, and of one that cannot be opened."""
    if task.output_kind != "clip" or task.input_kind not in ("clip", "sequence") or is_afar(task):
        return None
    try:
        source = open_source(task)
    except (ImgcycleError, OSError):
        return None
    return None if source.clip is not None and not source.clip.seekable else source


def _together(parts: Sequence[FrameProgress], frames: int) -> FrameProgress:
    done = sum(min(part.frame, part.frames) for part in parts)
    rate = sum(part.per_second for part in parts if part.frame < part.frames)
    return FrameProgress(parts[0].input, done, frames, rate, (frames - done) / rate if rate else None)
