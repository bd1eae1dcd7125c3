"""Animated GIF, WebP, PNG and AVIF as clips: the same calm frames, written as the animation they were."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from imgcycle.config import VideoOptions
from imgcycle.engine.smoothing import State, TemporalSmoother
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError
from imgcycle.jobs.budget import DEFAULT_LIMITS, VideoLimits, frame_cost, image_cost
from imgcycle.jobs.events import Event, FrameProgress, Note
from imgcycle.jobs.images import image
from imgcycle.jobs.strokes import clip_options
from imgcycle.jobs.tasks import ClipRow, ClipTask, Status
from imgcycle.jobs.video.fingerprints import is_sequence
from imgcycle.jobs.video.flicker_stats import Stats
from imgcycle.jobs.video.pipeline import FramePipeline, stand_ins
from imgcycle.jobs.video.plan import MOVING, recipe_for
from imgcycle.media import formats
from imgcycle.media.animation.frames import Animation, read_picture
from imgcycle.media.animation.writer import AnimationWriter
from imgcycle.media.files import atomic_write, unwritten
from imgcycle.media.image.pixels import Pixels, side_by_side
from imgcycle.media.image.read import Still, measure_file
from imgcycle.media.paths import shown
from imgcycle.media.video.decoder import TimedFrame
from imgcycle.media.video.sequences import is_pattern


def both_are_pictures(task: ClipTask) -> bool:
    """Whether an animated picture is to become one."""
    if is_sequence(task.input) or is_pattern(task.output):
        return False
    return formats.by_suffix(task.input) in MOVING and formats.by_suffix(task.output) in MOVING


def frames_held(task: ClipTask) -> tuple[int, int, bool, int]:
    """Width and height of an animation's frames, whether they are deep, and the bytes that reading and writing one of
    them takes beside the frames on their way.

    InputError when it cannot be read.
    """
    source, target = Path(task.input), formats.by_suffix(task.output)
    facts = measure_file(source)
    assert target is not None
    need = image_cost(facts, source.stat().st_size, task.options.picture(), target.name)
    return facts.width, facts.height, facts.deep, max(need.reading, need.held + need.writing)


def open_animation(path: Path) -> tuple[Animation, str]:
    """A file's animation, and the file's SHA-256; InputError for a picture that does not move."""
    data = image.load_bytes(path)
    found = read_picture(data)
    if not isinstance(found, Animation):
        raise InputError("a picture that does not move", "imgcycle convert takes it")
    return found, hashlib.sha256(data).hexdigest()


def convert_moving(
    task: ClipTask,
    translator: Translator,
    listener: Callable[[Event], None] = lambda _: None,
    stats: Stats | None = None,
    room: VideoLimits = DEFAULT_LIMITS,
) -> tuple[ClipRow, str]:
    """Convert an animation, of which a few frames at a time are in memory; its row, and the SHA-256 of what was read.

    `listener` hears how far it is. InputError when the picture does not move, OutputError when it cannot be written.
    """
    found, digest = open_animation(Path(task.input))
    chosen = found.span(*task.options.span)
    if not chosen:
        raise InputError(f"no frame lies there: the animation is {float(found.starts[-1]):.3f} s long")
    target = formats.by_suffix(task.output)
    assert target is not None
    net = translator.exact() if found.deep else translator
    recipe = recipe_for(translator.style, task.options) | {"input": digest}
    try:
        with atomic_write(Path(task.output)) as file:
            cover = _cover(found, task.options, net) if target is formats.PNG else None
            writer = AnimationWriter(file, found, target, None, recipe, "none", cover)
            sink = _Sink(found, writer, task.options.preview is not None)
            failures = _filmed(task, found, chosen, net, sink, listener, stats, room)
            writer.finish()
    except OSError as error:
        raise unwritten("", error) from error
    said = stand_ins(sink.stood_in, failures)
    status: Status = "failed" if said else "done"
    line = f"{said} (the result is written)" if said else None
    row = ClipRow(task.input, task.output, status, *sink.size, error=line, frames=len(chosen), notes=writer.notes)
    return row, digest


def _filmed(
    task: ClipTask,
    animation: Animation,
    chosen: range,
    net: Translator,
    sink: _Sink,
    listener: Callable[[Event], None],
    stats: Stats | None,
    room: VideoLimits,
) -> list[str]:
    """Carry the chosen frames through; what was said of those that the net failed with."""
    width, height = animation.size
    options, said = clip_options(task.options, height, net.style)
    if said:
        listener(Note(f"{shown(task.input)}: {said}"))
    lanes = frame_cost(height, width, animation.deep, options, net).lanes(net, room)
    watcher = stats.watch if stats else None

    def hear(count: int) -> None:
        listener(FrameProgress(task.input, count, len(chosen)))

    calm = TemporalSmoother(net, task.options.smooth)
    filming = FramePipeline(calm, options, net.style, sink, lambda _: False, hear, watcher, lanes)
    filming.run(timed_frames(animation, chosen))
    return filming.failures


def _cover(animation: Animation, options: VideoOptions, net: Translator) -> Still | None:
    """What becomes of the picture that is no frame: it has none before it to be held to."""
    if animation.cover is None:
        return None
    still = animation.cover
    sink = _Sink(animation, None, options.preview is not None)
    image, _ = clip_options(options, animation.size[1], net.style)
    filming = FramePipeline(TemporalSmoother(net, "off"), image, net.style, sink, lambda _: False, lambda _: None)
    filming.run([TimedFrame(Fraction(0), still.pixels, Fraction(0), 0, still.alpha)])
    return sink.last


def timed_frames(animation: Animation, chosen: range) -> Iterator[TimedFrame]:
    """The frames of those numbers with the seconds at which viewers show them."""
    if not chosen:
        return
    for number, still in zip(range(chosen.stop), animation.frames(), strict=False):
        if number >= chosen.start:
            at, ends = animation.starts[number : number + 2]
            yield TimedFrame(at, still.pixels, ends - at, number, still.alpha)


class _Sink:
    """Hands every result on to a writer as it comes, beside its source where `compare` asks for it."""

    def __init__(self, animation: Animation, writer: AnimationWriter | None, compare: bool) -> None:
        self._animation, self._writer, self._compare = animation, writer, compare
        self.stood_in = 0
        self.size = (0, 0)
        self.last: Still | None = None

    def write(self, frame: TimedFrame, pixels: Pixels, stands_in: bool) -> None:
        """Take a frame."""
        alpha = frame.alpha
        if self._compare:
            pixels = side_by_side(frame.frame, pixels)
            alpha = None if alpha is None else side_by_side(alpha, alpha)
        still = replace(self._animation.like, pixels=pixels, alpha=alpha)
        if self._writer is None:
            self.last = still
        else:
            self._writer.add(still, self._animation.delays[frame.number])
        self.size = still.size
        self.stood_in += stands_in

    def close_segment(self, memory: State) -> None:
        """Nothing ends before the end."""
        del memory
