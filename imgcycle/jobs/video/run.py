"""Converting clips: one (`convert_clip`), all of a plan (`convert_clips`)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from imgcycle._version import __version__
from imgcycle.config import VideoOptions
from imgcycle.engine.smoothing import TemporalSmoother
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, UsageError
from imgcycle.jobs.budget import DEFAULT_LIMITS, MemoryBudget, VideoLimits, frame_cost, image_cost
from imgcycle.jobs.disk import check_disk
from imgcycle.jobs.events import Ended, Event, FrameProgress, Note, Planned, heard
from imgcycle.jobs.images import pipeline
from imgcycle.jobs.ledger import Ledger, Record, at_work, relative_name
from imgcycle.jobs.progress import BatchProgress
from imgcycle.jobs.strokes import clip_options
from imgcycle.jobs.tasks import ClipRow, ClipTask, Row
from imgcycle.jobs.translators import translator_for
from imgcycle.jobs.video import animations
from imgcycle.jobs.video.checkpoint import SegmentStore
from imgcycle.jobs.video.fingerprints import facts_of, is_sequence
from imgcycle.jobs.video.flicker_stats import Stats
from imgcycle.jobs.video.pipeline import FramePipeline, stand_ins
from imgcycle.jobs.video.plan import MOVING, ClipPlan, check_style, recipe_for
from imgcycle.jobs.video.progress import VideoProgress
from imgcycle.jobs.video.sinks import ClipSink, FrameSink, SequenceSink
from imgcycle.jobs.video.sources import AnimationSource, ClipSource, FrameSource, OutputMedium, SequenceSource
from imgcycle.media import formats
from imgcycle.media.files import is_full
from imgcycle.media.image.read import measure_file
from imgcycle.media.paths import same_file, shown
from imgcycle.media.video.decoder import scaled_size, within_height
from imgcycle.media.video.probing.probe import probe_video
from imgcycle.media.video.sequences import find_sequence, is_pattern

SEGMENT = Fraction(5)
"""Seconds of a clip between two moments from which a killed conversion goes on."""
Listener = Callable[[Event], None]


def convert_video(
    input: str | Path,
    output: str | Path,
    style: Translator | str,
    options: VideoOptions | None = None,
    *,
    progress: Callable[[float], None] | None = None,
    listener: Listener | None = None,
) -> ClipRow:
    """Convert one clip, every frame at its own time, with all sound, subtitles and chapters.

    Parameters
    ----------
    input
        A clip, an animated picture, or an image sequence (`frames/%05d.png`).
    output
        The result, whose suffix says what it is. One that exists is replaced, unless it is the input.
    style
        What `load_translator` gave, or the name of a style, a weights file or a run folder.
    options
        How the clip is converted (`VideoOptions`): part, codec, smoothing, strength.
    progress
        Hears the share of the frames that is done, 0 to 1.
    listener
        Hears every event (`imgcycle.jobs.events`): notes, rates, estimates.

    Returns
    -------
    ClipRow
        Frames, size and seconds of the result. One whose `status` is `failed` was written all the same, with what
        could not be done in `error`.

    Raises
    ------
    UsageError
        When the output is the input, and for a style that clips cannot have.
    InputError, OutputError
        When the clip cannot be read, or the result cannot be written.

    Examples
    --------
    >>> from imgcycle import VideoOptions, convert_video
    >>> row = convert_video("a.mp4", "a-monet.mp4", "monet", VideoOptions(smooth="strong"))
    >>> row.frames
    240
    """
    source, target = Path(input), Path(output)
    translator = translator_for(style)
    check_style(translator.style)
    if same_file(source, target):
        raise UsageError(f"{target} is itself the input and is never written over")
    task = ClipTask(str(source), str(target), str(target.parent), options or VideoOptions())
    return convert_clip(task, translator, heard(listener, progress))


def convert_clips(
    plan: ClipPlan,
    translator: Translator,
    listener: Listener,
    *,
    resume: bool = True,
    fail_fast: bool = False,
    stats: Path | None = None,
    overwrite: bool = False,
    room: VideoLimits = DEFAULT_LIMITS,
) -> Iterator[Event]:
    """Carry out a plan, one clip after another; `listener` hears of frames between the events given here.

    UsageError before any work when memory that was promised is too small for a clip, or `stats` names a file that may
    not be replaced: an input, a result, and without `overwrite` any that holds no figures.
    """
    begun = time.perf_counter()
    if room.memory is not None and room.memory.promised:
        _check_memory(plan.to_convert, translator, room.memory)
    count = [t.verdict for t in plan.tasks].count
    yield Planned(len(plan.tasks), count("convert"), count("skip"), count("keep"), plan.notes)
    tally = BatchProgress(plan.tasks, begun, fail_fast)
    measured: dict[str, Any] = {} if stats is None else Stats.check(stats, plan.tasks, overwrite)
    if not any(bound for task in plan.to_convert for bound in task.options.span):
        check_disk(plan)
    roots = {Path(t.root) for t in plan.to_convert}
    with ExitStack() as stack:
        if roots:
            stack.enter_context(at_work(roots, {Path(t.output).parent for t in plan.to_convert}))
        for position, task in enumerate(plan.tasks):
            hear = _heard(listener, tally, position) if tally.total > 1 else listener
            made = _carried_out(task, translator, hear, resume, None if stats is None else measured, room)
            yield from tally.add(made.row, made.full)
            if tally.over:
                break
    if stats is not None:
        Stats.write(stats, measured)
    yield from tally.remarks()
    yield Ended(tally.summary())


def _check_memory(tasks: Iterable[ClipTask], translator: Translator, memory: MemoryBudget) -> None:
    for task in tasks:
        try:
            if animations.both_are_pictures(task):
                width, height, deep, held = animations.frames_held(task)
            elif is_sequence(Path(task.input)):
                pictures = find_sequence(Path(task.input), Fraction(task.options.fps))
                width, height, deep, held = pictures.width, pictures.height, pictures.deep, 0
            elif formats.by_suffix(task.input) in MOVING:
                facts = measure_file(Path(task.input))
                size = within_height(facts.width, facts.height, task.options.max_height)
                (width, height), deep = size, facts.deep
                held = image_cost(facts, Path(task.input).stat().st_size, task.options.picture(), "PNG").reading
            else:
                clip = probe_video(Path(task.input))
                (width, height), deep, held = scaled_size(clip, task.options.max_height), clip.depth > 8, 0
        except InputError:  # its row will say so
            continue
        net = translator.exact() if deep else translator
        picture, _ = clip_options(task.options, height, net.style)
        least = -(-(frame_cost(height, width, deep, picture, net).least + held) // 2**20)
        if least * 2**20 > memory.total:
            allowed = f"the {memory.total >> 20} MiB allowed"
            raise UsageError(
                f"{shown(task.input)}: frames of {width} × {height} need more than {allowed}",
                f"--memory {least}M, a smaller --work-size or --max-height",
            )


def _heard(listener: Listener, tally: BatchProgress, position: int) -> Listener:
    """Beside how far one clip is, how far all of them are."""

    def hear(event: Event) -> None:
        listener(event)
        if isinstance(event, FrameProgress):
            listener(tally.progressed(position, event.frame / event.frames))

    return hear


def _carried_out(
    task: ClipTask,
    translator: Translator,
    listener: Listener,
    resume: bool,
    measured: dict[str, Any] | None,
    room: VideoLimits,
) -> pipeline.Written:
    if task.verdict != "convert":
        left = pipeline.left_alone(task)
        return pipeline.Written(ClipRow(left.input, left.output, left.status, error=left.error))
    begun = time.perf_counter()
    stats = Stats(translator) if measured is not None else None
    try:
        row = convert_clip(task, translator, listener, resume=resume, stats=stats, room=room)
    except Exception as error:  # one clip's failure, of whatever kind, is that clip's
        failed: Row = pipeline.failure(task.input, task.output, error)
        row = ClipRow(**{**failed.to_dict(), "seconds": round(time.perf_counter() - begun, 3)})
        return pipeline.Written(row, full=is_full(error))
    if measured is not None and stats is not None:
        facts = {"output": task.output, "frames": row.frames, "measured": stats.measured, "seconds": row.seconds}
        measured[task.input] = facts | stats.figures()
    return pipeline.Written(row)


def convert_clip(
    task: ClipTask,
    translator: Translator,
    listener: Listener,
    *,
    resume: bool = True,
    stats: Stats | None = None,
    room: VideoLimits = DEFAULT_LIMITS,
) -> ClipRow:
    """Convert one clip as its task says, from where an earlier try got to when `resume` allows that.

    A frame to each core is in the net, as far as there is room.

    Raises InputError, OutputError, UsageError in one line. A row with status `failed` stands for a result that is
    there, with frames for which others stand in, or fewer than were promised.
    """
    begun = time.perf_counter()
    if animations.both_are_pictures(task):
        row, digest = animations.convert_moving(task, translator, listener, stats, room)
        _note_down(task, translator, digest)
        return replace(row, seconds=round(time.perf_counter() - begun, 3))
    footage = _footage(task)
    # Frames of more than 8 bits are for smooth skies, which a 16-bit float's 256 levels near ±1 would put into bands.
    net = translator.exact() if footage.deep else translator
    options = task.options
    takes = _takes(task, footage)
    for note in (*footage.notes, *takes.notes):
        listener(Note(f"{shown(task.input)}: {note}"))
    recipe = recipe_for(translator.style, options)
    making = {
        "input": footage.digest,
        "recipe": recipe,
        "precision": str(net.dtype),
        "coding": takes.making,
        "segment": str(SEGMENT),
        "version": __version__,
    }
    with SegmentStore(Path(task.root), Path(task.output), making, resume, takes.there) as shelf:
        failures: list[str] = []
        if shelf.problems is None:
            if shelf.frames:
                done = f"{shelf.frames} of {footage.frames} frames are done"
                listener(Note(f"{shown(task.input)}: {done} from an earlier try, and it goes on from there"))
            calm = TemporalSmoother(net, options.smooth)
            calm.load(shelf.memory())
            pace = VideoProgress(
                task.input, footage.frames, shelf.frames, listener, options, translator.style, footage.height
            )
            takes.begin(shelf)
            watcher = stats.watch if stats else None
            ends = footage.ends(SEGMENT)
            picture, said = clip_options(options, footage.height, translator.style)
            if said:
                listener(Note(f"{shown(task.input)}: {said}"))
            lanes = frame_cost(footage.height, footage.width, footage.deep, picture, net).lanes(net, room)
            filming = FramePipeline(calm, picture, translator.style, takes, ends, pace.count, watcher, lanes)
            pace.net_seconds = lambda: filming.net_seconds
            with takes, footage.open(shelf.last) as frames:
                filming.run(frames, footage.stop)
            if not shelf.frames:
                raise InputError("no frame could be decoded")
            shelf.complete(footage.problems)
            failures = filming.failures
        listener(FrameProgress(task.input, shelf.frames, footage.frames, stage="putting together"))
        for note in takes.finish(shelf, recipe | {"input": footage.digest}):
            listener(Note(f"{shown(task.input)}: {note}"))
        problems = [*(shelf.problems or ()), *filter(None, [stand_ins(shelf.failed, failures)])]
        _note_down(task, translator, footage.digest)
        shelf.remove()
        width, height = takes.size
        return ClipRow(
            task.input,
            task.output,
            "failed" if problems else "done",
            width,
            height,
            round(time.perf_counter() - begun, 3),
            "; ".join(problems) + " (the result is written)" if problems else None,
            shelf.frames,
        )


def _footage(task: ClipTask) -> FrameSource:
    start, end = task.options.span
    source = Path(task.input)
    medium = OutputMedium.of(Path(task.output), task.options.codec)
    if is_sequence(source):
        return SequenceSource(find_sequence(source, Fraction(task.options.fps)), start, end, medium)
    if (picture := formats.by_suffix(source)) in MOVING:
        return AnimationSource(source, start, end, task.options.max_height, medium)
    if picture is not None:
        raise InputError("a picture that does not move", "imgcycle convert takes it")
    return ClipSource(probe_video(source), start, end, task.options.max_height, medium)


def _takes(task: ClipTask, footage: FrameSource) -> FrameSink:
    if is_pattern(task.output):
        return SequenceSink(Path(task.output), footage, task.options.preview is not None)
    return ClipSink(task, footage)


def _note_down(task: ClipTask, translator: Translator, digest: str) -> None:
    """A line in the ledger, and the source's time on the result: nobody touched it since."""
    output, source = Path(task.output), facts_of(Path(task.input), digest)
    if not is_sequence(output):
        os.utime(output, ns=(output.stat().st_atime_ns, source.time))
    found = facts_of(output)
    record = Record(
        relative_name(Path(task.root), output),
        task.input,
        source.size,
        source.time,
        source.digest,
        found.size,
        found.time,
        found.digest,
        translator.style.digest,
        json.dumps(recipe_for(translator.style, task.options)["options"], sort_keys=True),
    )
    Ledger(Path(task.root)).append(record)
