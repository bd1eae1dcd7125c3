"""Animated GIF, WebP and PNG as clips: the same calm frames, written as the animation they were."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from imgcycle.engine.temporal import Calm, State
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError
from imgcycle.jobs import picture
from imgcycle.jobs.clips import MOVING, recipe_for
from imgcycle.jobs.frames import Filming, stand_ins
from imgcycle.jobs.memory import ROOM, Room, clip_need, need_of
from imgcycle.jobs.numbered import is_sequence
from imgcycle.jobs.stats import Stats
from imgcycle.jobs.tasks import ClipRow, ClipTask, Status
from imgcycle.media import formats
from imgcycle.media.animation import Animation, encode_animation, read_picture
from imgcycle.media.files import atomic_write, unwritten
from imgcycle.media.pixels import Pixels, side_by_side
from imgcycle.media.stills import Still, measure_file
from imgcycle.media.video.decode import TimedFrame
from imgcycle.media.video.sequences import is_pattern


def both_are_pictures(task: ClipTask) -> bool:
    """Whether an animated picture is to become one."""
    if is_sequence(task.input) or is_pattern(task.output):
        return False
    return formats.by_suffix(task.input) in MOVING and formats.by_suffix(task.output) in MOVING


def frames_held(task: ClipTask) -> tuple[int, int, int]:
    """Width and height of an animation's frames, and the bytes that all of them take: they are in memory at once.

    InputError when it cannot be read.
    """
    source, target = Path(task.input), formats.by_suffix(task.output)
    facts = measure_file(source)
    assert target is not None
    need = need_of(facts, source.stat().st_size, task.options.picture(), target.name)
    return facts.width, facts.height, max(need.reading, need.held + need.writing)


def convert_moving(
    task: ClipTask, translator: Translator, stats: Stats | None = None, room: Room = ROOM
) -> tuple[ClipRow, str]:
    """Convert an animation; its row, and the SHA-256 of what was read.

    InputError when the picture does not move, OutputError when it cannot be written.
    """
    data = picture.load_bytes(Path(task.input))
    digest = hashlib.sha256(data).hexdigest()
    found = read_picture(data)
    if not isinstance(found, Animation):
        raise InputError("a picture that does not move", "imgcycle convert takes it")
    frames = list(_chosen(found, *task.options.span))
    if not frames:
        raise InputError(f"no frame lies there: the animation is {sum(found.durations) / 1000:.3f} s long")
    kept = _Kept()
    width, height = found.frames[0].size
    need = clip_need(height, width, False, task.options.picture(), translator)
    filming = Filming(
        Calm(translator, task.options.smooth),
        task.options.picture(),
        translator.style,
        kept,
        lambda _: False,
        lambda _: None,
        stats.watch if stats else None,
        need.lanes(translator, room),
    )
    filming.run(frames)
    numbers = [frame.number for frame in frames]
    stills = tuple(found.frames[n].with_pixels(made) for n, made in zip(numbers, kept.pixels, strict=True))
    if task.options.preview is not None:
        stills = tuple(_beside(found.frames[n], made) for n, made in zip(numbers, stills, strict=True))
    durations = tuple(found.durations[n] for n in numbers)
    target = formats.by_suffix(task.output)
    assert target is not None
    recipe = recipe_for(translator.style, task.options) | {"input": digest}
    data = encode_animation(replace(found, frames=stills, durations=durations), target, None, recipe, "none")
    try:
        with atomic_write(Path(task.output)) as file:
            file.write(data)
    except OSError as error:
        raise unwritten("", error) from error
    said = stand_ins(kept.stood_in, filming.failures)
    status: Status = "failed" if said else "done"
    line = f"{said} (the result is written)" if said else None
    return ClipRow(task.input, task.output, status, *stills[0].size, error=line, frames=len(stills)), digest


def _beside(source: Still, made: Still) -> Still:
    """A frame and what became of it as one."""
    alpha = None if source.alpha is None else side_by_side(source.alpha, source.alpha)
    return replace(made, pixels=side_by_side(source.pixels, made.pixels), alpha=alpha)


def _chosen(animation: Animation, start: Fraction | None, end: Fraction | None) -> Iterator[TimedFrame]:
    at = Fraction(0)
    for number, (still, duration) in enumerate(zip(animation.frames, animation.durations, strict=True)):
        length = Fraction(duration, 1000)
        if (start is None or at >= start) and (end is None or at < end):
            yield TimedFrame(at, still.pixels, length, number, still.alpha)
        at += length


class _Kept:
    """Keeps every result."""

    def __init__(self) -> None:
        self.pixels: list[Pixels] = []
        self.stood_in = 0

    def write(self, frame: TimedFrame, pixels: Pixels, stands_in: bool) -> None:
        """Take a frame."""
        del frame
        self.pixels.append(pixels)
        self.stood_in += stands_in

    def close_segment(self, memory: State) -> None:
        """Nothing ends before the end."""
        del memory
