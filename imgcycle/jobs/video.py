"""Converting clips: one (`convert_clip`), all of a plan (`convert_clips`)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from imgcycle import __version__
from imgcycle.config import VideoOptions
from imgcycle.engine.temporal import Calm
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, UsageError
from imgcycle.jobs import moving, pipeline
from imgcycle.jobs.clips import ClipPlan, recipe_for
from imgcycle.jobs.events import Ended, Event, Filmed, Finished, Noted, Planned
from imgcycle.jobs.footage import ClipFootage, Footage, SequenceFootage
from imgcycle.jobs.frames import Filming
from imgcycle.jobs.ledger import Ledger, Record, at_work, file_digest, relative_name
from imgcycle.jobs.pace import Pace
from imgcycle.jobs.segments import Shelf
from imgcycle.jobs.stats import Stats
from imgcycle.jobs.takes import ClipTakes, SequenceTakes, Takes
from imgcycle.jobs.tasks import ClipRow, ClipTask, Row, Summary
from imgcycle.media.paths import same_file, shown
from imgcycle.media.video.probe import probe_video
from imgcycle.media.video.sequences import find_sequence, is_pattern

SEGMENT = Fraction(5)
"""Seconds of a clip between two moments from which a killed conversion goes on."""
Listener = Callable[[Event], None]


def convert_video(
    input: str | Path, output: str | Path, translator: Translator, options: VideoOptions | None = None
) -> ClipRow:
    """Convert one clip, or an image sequence (`frames/%05d.png`), to another; the output's suffix says what it is.

    An existing output is replaced, unless it is the input: UsageError. InputError and OutputError say what else went
    wrong; a row whose status is `failed` was written all the same, with what could not be done in `error`.
    """
    source, target = Path(input), Path(output)
    if same_file(source, target):
        raise UsageError(f"{target} is itself the input and is never written over")
    task = ClipTask(str(source), str(target), str(target.parent), options or VideoOptions())
    return convert_clip(task, translator, lambda _: None)


def convert_clips(
    plan: ClipPlan,
    translator: Translator,
    listener: Listener,
    *,
    resume: bool = True,
    fail_fast: bool = False,
    stats: Path | None = None,
) -> Iterator[Event]:
    """Carry out a plan, one clip after another; `listener` hears of frames between the events given here."""
    begun = time.perf_counter()
    count = [t.verdict for t in plan.tasks].count
    yield Planned(len(plan.tasks), count("convert"), count("skip"), count("keep"), plan.notes)
    counts = {"done": 0, "skipped": 0, "kept": 0, "failed": 0}
    megapixels = 0.0
    measured: dict[str, Any] = {}
    roots = {Path(t.root) for t in plan.to_convert}
    with ExitStack() as stack:
        if roots:
            stack.enter_context(at_work(roots, {Path(t.output).parent for t in plan.to_convert}))
        for position, task in enumerate(plan.tasks, 1):
            row = _row(task, translator, listener, resume, measured if stats else None)
            counts[row.status] += 1
            megapixels += row.width * row.height * row.frames / 1e6
            yield Finished(row, position, len(plan.tasks), position / len(plan.tasks))
            if row.status == "failed" and fail_fast and position < len(plan.tasks):
                yield Noted(f"a failure: stopped with {len(plan.tasks) - position} to go")
                break
    if stats is not None:
        Stats.write(stats, measured)
    yield Ended(Summary(**counts, seconds=round(time.perf_counter() - begun, 3), megapixels=round(megapixels, 3)))


def _row(
    task: ClipTask, translator: Translator, listener: Listener, resume: bool, measured: dict[str, Any] | None
) -> ClipRow:
    if task.verdict != "convert":
        status = "skipped" if task.verdict == "skip" else "kept"
        return ClipRow(task.input, task.output, status, error=task.reason if status == "kept" else None)  # type: ignore[arg-type]
    begun = time.perf_counter()
    stats = Stats(translator) if measured is not None else None
    try:
        row = convert_clip(task, translator, listener, resume=resume, stats=stats)
    except UsageError:
        raise
    except Exception as error:  # one clip's failure, of whatever kind, is that clip's
        failed: Row = pipeline.failure(task.input, task.output, error)
        return ClipRow(**{**failed.to_dict(), "seconds": round(time.perf_counter() - begun, 3)})
    if measured is not None and stats is not None:
        measured[task.input] = {"frames": row.frames, "seconds": row.seconds, **stats.figures()}
    return row


def convert_clip(
    task: ClipTask,
    translator: Translator,
    listener: Listener,
    *,
    resume: bool = True,
    stats: Stats | None = None,
) -> ClipRow:
    """Convert one clip as its task says, from where an earlier try got to when `resume` allows that.

    Raises InputError, OutputError, UsageError in one line. A row with status `failed` stands for a result that is
    there, with frames for which others stand in, or fewer than were promised.
    """
    begun = time.perf_counter()
    if moving.both_are_pictures(task):
        row = moving.convert_moving(task, translator, stats)
        return replace(row, seconds=round(time.perf_counter() - begun, 3))
    footage = _footage(task)
    # Frames of more than 8 bits are for smooth skies, which a 16-bit float's 256 levels near ±1 would put into bands.
    net = translator.exact() if footage.deep else translator
    options = task.options
    takes = _takes(task, footage)
    for note in (*footage.notes, *takes.notes):
        listener(Noted(f"{shown(task.input)}: {note}"))
    recipe = recipe_for(translator.style, options)
    making = {
        "input": footage.digest,
        "recipe": recipe,
        "precision": str(net.dtype),
        "coding": takes.making,
        "segment": str(SEGMENT),
        "version": __version__,
    }
    with Shelf(Path(task.root), Path(task.output), making, resume) as shelf:
        calm = Calm(net, options.smooth)
        calm.load(shelf.memory())
        pace = Pace(task.input, footage.frames, shelf.frames, listener, options, translator.style, footage.height)
        takes.begin(shelf)
        filming = Filming(
            calm,
            options.picture(),
            translator.style,
            takes,
            footage.ends(shelf.frames, SEGMENT),
            pace.count,
            stats.watch if stats else None,
        )
        pace.net_seconds = lambda: filming.net_seconds
        with takes, footage.open(shelf.frames) as frames:
            filming.run(frames)
        if not shelf.frames:
            raise InputError("no frame could be decoded")
        listener(Filmed(task.input, shelf.frames, footage.frames, stage="putting together"))
        takes.finish(shelf, recipe | {"input": footage.digest})
        problems = [*footage.problems, *_stand_ins(shelf.failed, filming.failures)]
        _note_down(task, translator, footage, recipe)
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


def _footage(task: ClipTask) -> Footage:
    start, end = task.options.span
    if is_pattern(task.input) and not os.path.lexists(task.input):
        sequence = find_sequence(Path(task.input), Fraction(task.options.fps))
        return SequenceFootage(sequence, start, end)
    clip = probe_video(Path(task.input))
    return ClipFootage(clip, start, end, task.options.max_height, task.options.codec)


def _takes(task: ClipTask, footage: Footage) -> Takes:
    if is_pattern(task.output):
        return SequenceTakes(Path(task.output), footage, task.options.preview is not None)
    return ClipTakes(task, footage)


def _stand_ins(count: int, said: list[str]) -> list[str]:
    if not count:
        return []
    words = "1 frame" if count == 1 else f"{count} frames"
    why = f": {said[0]}" if said else ""
    return [f"{words} could not be translated, the result before stands in{why}"]


def _note_down(task: ClipTask, translator: Translator, footage: Footage, recipe: dict[str, Any]) -> None:
    """A line in the ledger, and the source's time on the result: nobody touched it since."""
    output = Path(task.output)
    if is_pattern(output) or footage.clip is None:
        return
    source = Path(task.input).stat()
    os.utime(output, ns=(source.st_atime_ns, source.st_mtime_ns))
    found = output.stat()
    record = Record(
        relative_name(Path(task.root), output),
        task.input,
        source.st_size,
        source.st_mtime_ns,
        footage.digest,
        found.st_size,
        found.st_mtime_ns,
        file_digest(output),
        translator.style.digest,
        json.dumps(recipe["options"], sort_keys=True),
    )
    Ledger(Path(task.root)).append(record)
