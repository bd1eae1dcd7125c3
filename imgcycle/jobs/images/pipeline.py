"""Pipeline from tasks to rows: decoding and encoding in threads while the net works, in order, in bounded memory.

Any error with one image ends in its row.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from imgcycle.concurrency import ByteBudget, ordered_map
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import ImgcycleError, OutputError, is_full, reported
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.disk import existing
from imgcycle.jobs.images.cost import ImagePlan, plan_file
from imgcycle.jobs.images.image import LoadedImage
from imgcycle.jobs.images.streamed import StreamedImage
from imgcycle.jobs.ledger import Fingerprint, Record
from imgcycle.jobs.recipe import recipe_for
from imgcycle.jobs.results.staging import StagedTask, is_afar
from imgcycle.jobs.tasks import Row, Task, TaskResult, left_alone

_AFAR = 8
"""Threads that fetch from a store, and as many that send there, at least."""


class Picture(Protocol):
    """One task's image after reading: translated, written, and closed in any case.

    `digest` is the SHA-256 of its file, `source` the file status before reading. `notes`, complete after writing, are
    single lines on what the result could not keep.
    """

    digest: str
    source: os.stat_result
    notes: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the result."""
        ...

    def translate(
        self, translator: Translator, memory: MemoryBudget, listener: Callable[[float], None] | None = None
    ) -> None:
        """Run the net; `listener` is called with the share that is done."""
        ...

    def write(self) -> str:
        """Finish the result, with its source's times; return its SHA-256."""
        ...

    def close(self) -> None:
        """Close files and discard what is not finished."""
        ...


@dataclass
class Begun:
    """An image that was read (or its result, if there is nothing to translate), the seconds taken, its memory."""

    value: Picture | TaskResult
    seconds: float
    size: int = 0
    stage: StagedTask[Task] | None = None
    """Its files here, if they are in a store."""

    def close(self) -> None:
        """Close the image."""
        if not isinstance(self.value, TaskResult):
            self.value.close()
        if self.stage is not None:
            self.stage.close()


def rows(
    tasks: Sequence[Task],
    translator: Translator,
    jobs: int,
    memory: MemoryBudget,
    listener: Callable[[int, float], None],
) -> Iterator[TaskResult]:
    """Yield each task's result, in order; `jobs` threads read and as many write.

    `listener` is called with the position of the current task, and the share of it that is done, 0 to 1.
    """
    room = ByteBudget(memory.for_pictures(translator))
    if any(is_afar(task) for task in tasks):
        jobs = max(jobs, _AFAR)  # which mostly wait for the net

    def begun(entry: tuple[int, Task]) -> tuple[Task, Begun]:
        ticket, task = entry
        return task, begin(task, translator, memory, room, ticket)

    def translated() -> Iterator[tuple[Task, Begun]]:
        for position, (task, picture) in enumerate(reading):
            yield task, _through_the_net(task, picture, translator, memory, room, partial(listener, position))

    def ended(entry: tuple[Task, Begun]) -> TaskResult:
        return end(*entry, translator.style, room)

    reading = ordered_map(
        begun, enumerate(tasks), jobs, stop=room.close, drop=lambda left: left[1].close(), name="imgcycle-read"
    )
    # Writes in progress are completed, whatever happens: that takes a moment and saves the work.
    written = ordered_map(ended, translated(), jobs, prompt=True, finishing=True, name="imgcycle-write")
    with closing(reading), closing(written):
        yield from written


def begin(task: Task, translator: Translator, memory: MemoryBudget, room: ByteBudget, ticket: int = 0) -> Begun:
    """Read and downscale one image, once there is memory for it."""
    plan = ImagePlan(0)
    entered = False
    stage: StagedTask[Task] | None = None
    here = task
    try:
        if task.verdict == "convert":
            if is_afar(task):
                stage = StagedTask(task)
                here = stage.task
            plan = plan_file(here, translator, memory)
        room.enter(ticket, plan.size)
        entered = True
        if task.verdict != "convert":
            return Begun(TaskResult(left_alone(task)), 0.0)
        started = time.perf_counter()
        return Begun(open_picture(here, plan), time.perf_counter() - started, plan.size, stage)
    except Exception as error:
        # The next task waits for this ticket, used or not.
        if entered:
            room.leave(plan.size)
        else:
            _pass(room, ticket)
        if stage is not None:
            stage.close()
        return Begun(failed(task, error), 0.0)


def open_picture(task: Task, plan: ImagePlan) -> Picture:
    """A task's image, read and downscaled, as planned."""
    folder = spill_folder(Path(task.output).parent)
    if plan.by_rows:
        return StreamedImage(task, plan, folder)
    if plan.moves:
        from imgcycle.jobs.images.animated import MovingPicture

        return MovingPicture(task, plan, folder)
    return LoadedImage(task, plan, folder)


def _pass(room: ByteBudget, ticket: int) -> None:
    try:
        room.enter(ticket, 0)
    except ImgcycleError:
        return


def _through_the_net(
    task: Task,
    begun: Begun,
    translator: Translator,
    memory: MemoryBudget,
    room: ByteBudget,
    listener: Callable[[float], None],
) -> Begun:
    if isinstance(begun.value, TaskResult):
        return begun
    started = time.perf_counter()
    try:
        begun.value.translate(translator, memory, listener)
    except BaseException as error:
        begun.close()
        room.leave(begun.size)
        if not isinstance(error, Exception):
            raise
        return Begun(failed(task, error), 0.0)
    return replace(begun, seconds=begun.seconds + time.perf_counter() - started)


def spill_folder(results: Path) -> Path:
    """Folder for temporary files: TMPDIR if set, else on the disk of the results.

    The system's own folder for temporary files is often in memory.
    """
    return Path(os.environ.get("TMPDIR") or existing(results))


def end(task: Task, begun: Begun, style: Style, room: ByteBudget) -> TaskResult:
    """Restore, encode and write one image, if there is one."""
    if isinstance(begun.value, TaskResult):
        return begun.value
    started = time.perf_counter()
    try:
        if begun.stage is None:
            written = write_picture(task, begun.value, style)
        else:
            written = begun.stage.delivered(write_picture(begun.stage.task, begun.value, style))
    except Exception as error:
        return failed(task, error)
    finally:
        begun.close()
        room.leave(begun.size)
    row = replace(written.row, seconds=round(begun.seconds + time.perf_counter() - started, 4))
    return replace(written, row=row)


def write_picture(task: Task, picture: Picture, style: Style) -> TaskResult:
    """Encode and write one result atomically, with its source's times; OutputError if that fails."""
    path = Path(task.output)
    with reported(OutputError, "cannot be written"):
        digest = picture.write()
        found = path.stat()
    result, source = Fingerprint.of(found, digest), Fingerprint.of(picture.source, picture.digest)
    record = Record.of(Path(task.root), path, result, task.input, source, recipe_for(task.options, style))
    return TaskResult(Row(task.input, task.output, "done", *picture.size, notes=picture.notes), record)


def failed(task: Task, error: Exception) -> TaskResult:
    """Result of a task that an exception ended."""
    return TaskResult(failure(task.input, task.output, error), disk_full=is_full(error))


def failure(source: str, output: str, error: Exception) -> Row:
    """Row for an exception; with IMGCYCLE_DEBUG set, including the traceback."""
    text = str(error) if isinstance(error, ImgcycleError) else f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError):
        text = "not enough memory"
    if os.environ.get("IMGCYCLE_DEBUG"):
        text = "".join(traceback.format_exception(error))
    return Row(source, output, "failed", error=text if "\n" not in text.strip() else text.strip())
