"""Conversion of clips: one (`convert_video`), one task of a plan (`run_clip_task`), all of them (`convert_clips`)."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from imgcycle.config import VideoOptions
from imgcycle.device import precision_name
from imgcycle.engine.clips.planes import PlaneFrames
from imgcycle.engine.smoothing import TemporalSmoother
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, UsageError, is_full
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.disk import check_disk
from imgcycle.jobs.events import Ended, Event, FrameProgress, Note, Planned, heard
from imgcycle.jobs.images import pipeline
from imgcycle.jobs.ledger import Record, at_work
from imgcycle.jobs.pools.driver import Driver, TaskPool
from imgcycle.jobs.pools.worker import WorkOrder
from imgcycle.jobs.progress import BatchProgress
from imgcycle.jobs.recipe import clip_recipe_for, resolve_frames
from imgcycle.jobs.results.ledger import ledger_at
from imgcycle.jobs.results.staging import StagedTask, is_afar
from imgcycle.jobs.tasks import ClipRange, ClipRow, ClipTask, Outcome, TaskResult, left_alone
from imgcycle.jobs.translators import translator_for
from imgcycle.jobs.video.checkpoint import discard_segments, remove_segments
from imgcycle.jobs.video.cost import DEFAULT_LIMITS, VideoLimits, frame_cost
from imgcycle.jobs.video.fingerprints import fingerprint
from imgcycle.jobs.video.flicker_stats import Stats
from imgcycle.jobs.video.masks import frame_masks, mask_cost, with_clip_mask
from imgcycle.jobs.video.pipeline import FramePipeline, repeated_frames
from imgcycle.jobs.video.plan import ClipPlan, check_style, clip_task
from imgcycle.jobs.video.progress import VideoProgress
from imgcycle.jobs.video.ranges.parted import PartedClips
from imgcycle.jobs.video.ranges.places import SEGMENT, SegmentRule, ends_at_cuts, plane_frames
from imgcycle.jobs.video.sinks.choice import open_sink
from imgcycle.jobs.video.sinks.sink import FrameSink
from imgcycle.jobs.video.sources import FrameFacts, FrameSource, measure_frames, open_source
from imgcycle.media.inputs import Source
from imgcycle.media.paths import same_file, shown
from imgcycle.media.remote import is_remote
from imgcycle.media.video.y4m_pipes import Pipes

Listener = Callable[[Event], None]


@dataclass(frozen=True)
class ClipExecution:
    """How a clip's task is carried out, which changes nothing of its result.

    With `resume` an earlier attempt is continued. `limits` bound the frames in work at once; `stats` measures flicker;
    `pipes` are those of streams, which no ledger records.
    """

    resume: bool = True
    limits: VideoLimits = DEFAULT_LIMITS
    stats: Stats | None = None
    pipes: Pipes | None = None


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
    asked = options or VideoOptions()
    frames, missing = with_clip_mask(resolve_frames(asked, translator.style), Source(str(source)))
    if missing:
        raise InputError(missing)
    task = clip_task(source, target, target.parent, asked, frames)
    return committed(task, make_clip(task, translator, heard(listener, progress)))


def convert_clips(
    plan: ClipPlan,
    translator: Translator,
    listener: Listener,
    *,
    resume: bool = True,
    fail_fast: bool = False,
    stats: Path | None = None,
    overwrite: bool = False,
    limits: VideoLimits = DEFAULT_LIMITS,
    pool: TaskPool | None = None,
    order: WorkOrder | None = None,
) -> Iterator[Event]:
    """Carry out a plan, one clip after another; `listener` hears of frames between the events given here.

    With a `pool` each of its processes has a clip at a time, as its `order` says, or a range of one where clips are
    fewer than processes; rows come as clips are done.

    UsageError before any work when memory that was promised is too small for a clip, or `stats` names a file that may
    not be replaced: an input, a result, and without `overwrite` any that holds no figures.
    """
    begun = time.perf_counter()
    if limits.memory is not None and limits.memory.promised:
        _check_memory(plan.to_convert, translator, limits.memory)
    count = [t.verdict for t in plan.tasks].count
    yield Planned(len(plan.tasks), count("convert"), count("skip"), count("keep"), plan.notes)
    counts = BatchProgress(plan.tasks, begun, fail_fast, None if pool is None else len(pool.workers))
    measured: dict[str, Any] = {} if stats is None else Stats.check(stats, plan.tasks, overwrite)
    if not any(bound for task in plan.to_convert for bound in task.options.span):
        check_disk(plan)
    roots = {Path(t.root) for t in plan.to_convert}
    with at_work(roots, {Path(t.output).parent for t in plan.to_convert}) as sweep:
        to_make = () if stats is None else (n for n, task in enumerate(plan.tasks) if task.verdict == "convert")
        watched = {place: Stats(translator) for place in to_make}
        if pool is None:
            outcomes = _in_turn(plan, translator, listener, counts, watched, resume, limits)
        else:
            assert order is not None
            outcomes = _shared(plan, pool, order, listener, counts, resume)
        for outcome in outcomes:
            place, task = outcome.place, plan.tasks[outcome.place]
            row = committed(task, outcome.result)
            if place in watched and outcome.result.record is not None:
                measured[task.input] = watched[place].facts(task, row)
            yield from counts.add(row, outcome.result.disk_full, place, outcome.working)
            if counts.over:
                break
        else:
            if pool is not None:
                sweep()
    if stats is not None:
        Stats.write(stats, measured)
    yield from counts.remarks()
    yield Ended(counts.summary())


def _check_memory(tasks: Iterable[ClipTask], translator: Translator, memory: MemoryBudget) -> None:
    for task in tasks:
        with contextlib.suppress(InputError):  # its row will say so
            must_fit(task, measure_frames(task), translator, memory)


def must_fit(task: ClipTask, facts: FrameFacts, translator: Translator, memory: MemoryBudget) -> None:
    """UsageError for frames that need more memory than is allowed."""
    width, height, deep, held = facts
    options = task.frames
    net = options.net(translator, deep)
    masks = mask_cost(task, options.mask, height, width)
    need = frame_cost(height, width, deep, options, net, task.options.comparison, masks)
    least = -(-(need.least + held) // 2**20)
    if least * 2**20 > memory.total:
        allowed = f"the {memory.total >> 20} MiB allowed"
        raise UsageError(
            f"{shown(task.input)}: frames of {width} × {height} need more than {allowed}",
            f"--memory {least}M, a smaller --work-size or --max-height",
        )


def _in_turn(
    plan: ClipPlan,
    translator: Translator,
    listener: Listener,
    counts: BatchProgress,
    watched: Mapping[int, Stats],
    resume: bool,
    limits: VideoLimits,
) -> Iterator[Outcome]:
    """Yield the result of each task, one after another."""
    of_all = _heard_of_all(listener, counts)
    for place, task in enumerate(plan.tasks):
        hear = partial(of_all, place) if counts.total > 1 else listener
        result = run_clip_task(task, translator, hear, ClipExecution(resume, limits, watched.get(place)))
        yield Outcome(place, result)


def _shared(
    plan: ClipPlan, pool: TaskPool, order: WorkOrder, listener: Listener, counts: BatchProgress, resume: bool
) -> Iterator[Outcome]:
    """Yield the result of each task as workers carry them out, of parted clips when their ranges are joined."""
    begun = time.perf_counter()
    if not resume:
        for task in plan.to_convert:
            if not is_remote(task.root):
                discard_segments(Path(task.root), Path(task.output))
    parted = PartedClips.of(plan.tasks, len(pool.workers))
    for note in parted.notes:
        listener(Note(note))
    # What a worker that died has left is gone on with by another.
    order, hear = replace(order, resume=True), parted.heard(_heard_of_all(listener, counts))
    for outcome in Driver(parted.tasks, pool, order, hear, after=parted.ranges).run():
        if outcome.place in parted.ranges:
            row = replace(outcome.result.row, seconds=round(time.perf_counter() - begun, 3))
            yield replace(outcome, result=replace(outcome.result, row=row))
        elif outcome.place < len(plan.tasks):
            yield outcome


def _heard_of_all(listener: Listener, counts: BatchProgress) -> Callable[[int, float | Event], None]:
    """Beside how far the clip at a place is, how far all of them are."""

    def hear(place: int, event: float | Event) -> None:
        if isinstance(event, float):
            return
        listener(event)
        if isinstance(event, FrameProgress):
            listener(counts.progressed(place, event.frame / event.frames))

    return hear


def run_clip_task(
    task: ClipTask, translator: Translator, listener: Listener, execution: ClipExecution = ClipExecution()
) -> TaskResult:
    """Carry out one task; any error is in the result's row.

    The rest is done by `committed`: until then a result's segments stay, and another attempt finds everything done.
    """
    if task.verdict != "convert":
        left = left_alone(task)
        return TaskResult(ClipRow(left.input, left.output, left.status, error=left.error))
    begun = time.perf_counter()
    try:
        if not is_afar(task):
            return make_clip(task, translator, listener, execution)
        with StagedTask(task) as stage:
            made = make_clip(stage.task, translator, lambda event: listener(stage.told(event)), execution)
            return stage.delivered(made)
    except Exception as error:  # one clip's failure, of whatever kind, is that clip's
        line = pipeline.failure(task.input, task.output, error).error
        seconds = round(time.perf_counter() - begun, 3)
        row = ClipRow(task.input, task.output, "failed", seconds=seconds, error=line)
        return TaskResult(row, disk_full=is_full(error))


def committed(task: ClipTask, result: TaskResult) -> ClipRow:
    """Record a result in the ledger, then remove its segments; return its row."""
    if result.record is not None:
        ledger = ledger_at(Path(task.root))
        ledger.append(result.record)
        ledger.close()
        if not is_remote(task.root):
            remove_segments(Path(task.root), Path(task.output))
    assert isinstance(result.row, ClipRow)
    return result.row


def make_clip(
    task: ClipTask, translator: Translator, listener: Listener, execution: ClipExecution = ClipExecution()
) -> TaskResult:
    """Make one clip's result as its task says, or finish an earlier attempt.

    One frame per core is in the net, as far as memory allows. InputError, OutputError, UsageError in one line. A row
    with status `failed` stands for a result that exists, with repeated frames, or fewer than expected.
    """
    begun = time.perf_counter()
    source, memory = open_source(task, execution.pipes), execution.limits.memory
    if task.input_kind == "stream" and memory is not None and memory.promised:
        must_fit(task, FrameFacts(source.width, source.height, source.deep), translator, memory)
    # Frames of more than 8 bits often hold smooth skies, which a 16-bit float's 256 levels near ±1 would turn into
    # bands.
    net = translator.exact() if source.deep else translator
    planes = plane_frames(task, source)
    recipe = clip_recipe_for(task.options, task.frames, net.style) | {"precision": precision_name(net.dtype)}
    sink = open_sink(task, source, net, recipe, SEGMENT, execution.resume, execution.pipes)
    for note in (*source.notes, *sink.notes):
        listener(Note(f"{shown(task.input)}: {note}"))
    with sink:
        failures = [] if sink.problems is not None else _fill(task, source, sink, net, planes, listener, execution)
        if isinstance(task, ClipRange):
            seconds = round(time.perf_counter() - begun, 3)
            return TaskResult(ClipRow(task.input, task.output, "done", *sink.size, seconds, frames=sink.frames))
        listener(FrameProgress(task.input, sink.frames, source.frames, stage="putting together"))
        notes = sink.finish()
        problems = [*(sink.problems or ()), *filter(None, [repeated_frames(sink.failed, failures)])]
        filed = "stream" not in (task.input_kind, task.output_kind)
        record = _recorded(task, recipe, source.digest) if filed else None
    row = ClipRow(
        task.input,
        task.output,
        "failed" if problems else "done",
        *sink.size,
        round(time.perf_counter() - begun, 3),
        "; ".join(problems) + " (the result is written)" if problems else None,
        sink.frames,
        notes=notes,
    )
    return TaskResult(row, record)


def _fill(
    task: ClipTask,
    source: FrameSource,
    sink: FrameSink,
    net: Translator,
    planes: PlaneFrames | None,
    listener: Listener,
    execution: ClipExecution,
) -> list[str]:
    """Make all frames that are not there; return messages on frames that the net failed on."""
    wanted = range(task.first, task.stop) if isinstance(task, ClipRange) else source.span
    if sink.frames and not isinstance(task, ClipRange):
        done = f"{sink.frames} of {source.frames} frames are done"
        listener(Note(f"{shown(task.input)}: {done} from an earlier try, and it goes on from there"))
    at = wanted.start if sink.last is None else sink.last + 1
    failures = []
    while gap := sink.gap(at, wanted.stop):
        failures += _process_frames(task, source, sink, net, planes, listener, execution, gap)
        at = gap.stop
        sink.reach(at, source.problems)
    if not sink.frames:
        raise InputError("no frame could be decoded")
    if not isinstance(task, ClipRange):
        sink.complete()
    return failures


def _process_frames(
    task: ClipTask,
    source: FrameSource,
    sink: FrameSink,
    net: Translator,
    planes: PlaneFrames | None,
    listener: Listener,
    execution: ClipExecution,
    gap: range,
) -> list[str]:
    """Process some frames from source to sink; return messages on frames that the net failed on."""
    options = task.frames
    net = options.net(net)
    smoother = TemporalSmoother(net, task.options.smooth)
    smoother.load(sink.state())
    lines = source.height if task.output_kind != "animation" else 0  # which keep their size
    frames_in_all = task.stop - task.first if isinstance(task, ClipRange) else source.frames
    progress = VideoProgress(task.input, frames_in_all, sink.frames, listener, options.work_size, lines)
    size = source.height, source.width
    cost = mask_cost(task, options.mask, *size)
    need = frame_cost(*size, source.deep, options, net, task.options.comparison, cost)
    workers = need.workers(net, execution.limits)
    watch = execution.stats.watch if execution.stats else None
    after = gap.start - 1 if gap.start > source.span.start else None
    rule = SegmentRule(source.ends(SEGMENT), after, ends_at_cuts(task))
    with frame_masks(task, options.mask, source, after) as masks:
        stages = FramePipeline(smoother, options, sink, rule, progress.count, watch, workers, masks, planes)
        progress.net_seconds = lambda: stages.net_seconds
        with sink.recording(), source.open(after, gap.stop) as frames:
            stages.run(frames, source.stop, sink.stop)
    return stages.failures


def _recorded(task: ClipTask, recipe: dict[str, Any], digest: str) -> Record:
    """Record for the ledger; the result gets the source's time, which shows that it was not touched since."""
    output, source = Path(task.output), fingerprint(Path(task.input), digest)
    if task.output_kind != "sequence":
        os.utime(output, ns=(output.stat().st_atime_ns, source.time))
    return Record.of(Path(task.root), output, fingerprint(output), task.input, source, recipe)
