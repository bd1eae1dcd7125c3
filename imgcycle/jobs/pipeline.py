"""Tasks to rows: decoding and encoding in threads while the net works, in order, in bounded memory.

Whatever goes wrong with one picture ends in its row.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from imgcycle.engine.translator import Style, Translator
from imgcycle.errors import ImgcycleError, OutputError
from imgcycle.jobs import picture
from imgcycle.jobs.ledger import Record, relative_name
from imgcycle.jobs.memory import Memory, planned
from imgcycle.jobs.picture import Prepared, Result
from imgcycle.jobs.planning import existing
from imgcycle.jobs.room import Room
from imgcycle.jobs.tasks import Row, Status, Task
from imgcycle.media.files import atomic_write


@dataclass(frozen=True)
class Written:
    """What a task came to: its row, and for the ledger what was written."""

    row: Row
    record: Record | None = None


@dataclass
class Begun:
    """A picture read (or its row, when there is nothing to translate), the seconds that took, the room it takes."""

    value: Prepared | Row
    seconds: float
    size: int = 0


def rows(
    tasks: Sequence[Task],
    translator: Translator,
    jobs: int,
    memory: Memory,
    listener: Callable[[int, float], None],
) -> Iterator[Written]:
    """What each task came to, in order; `jobs` threads read and as many write.

    `listener` hears which task the net is at, and how much of it is done, 0 to 1.
    """
    reading: deque[tuple[Task, Future[Begun]]] = deque()
    writing: deque[Future[Written]] = deque()
    waiting = iter(enumerate(tasks))
    room = Room(memory.for_pictures(translator))
    position = 0
    readers = ThreadPoolExecutor(jobs, "imgcycle-read")
    writers = ThreadPoolExecutor(jobs, "imgcycle-write")
    try:
        while True:
            while len(reading) < jobs + 1 and (entry := next(waiting, None)) is not None:
                ticket, task = entry
                reading.append((task, readers.submit(begin, task, translator, memory, room, ticket)))
            if not reading:
                break
            task, future = reading.popleft()
            hear = partial(listener, position)
            writing.append(_through_the_net(task, future.result(), translator, memory, writers, room, hear))
            position += 1
            while writing and (len(writing) > jobs or writing[0].done()):
                yield writing.popleft().result()
        while writing:
            yield writing.popleft().result()
    finally:
        # Waiting for the writers costs a moment and saves their work; readers' work is lost either way.
        room.close()
        readers.shutdown(wait=False, cancel_futures=True)
        writers.shutdown(wait=True)


def begin(task: Task, translator: Translator, memory: Memory, room: Room, ticket: int = 0) -> Begun:
    """Read and reduce one picture, once there is room for it."""
    started = time.perf_counter()
    size = 0
    entered = False
    try:
        if task.verdict == "convert":
            data = picture.load_bytes(Path(task.input))
            size, _ = planned(data, task, translator, memory)
        room.enter(ticket, size)
        entered = True
        if task.verdict != "convert":
            return Begun(left_alone(task), 0.0)
        prepared = picture.prepare(data, task.input, task.options, translator.style)
        return Begun(prepared, time.perf_counter() - started, size)
    except Exception as error:
        # Whoever comes next waits for this ticket, used or not.
        if entered:
            room.leave(size)
        else:
            _pass(room, ticket)
        return Begun(failed(task, error), 0.0)


def _pass(room: Room, ticket: int) -> None:
    try:
        room.enter(ticket, 0)
    except ImgcycleError:
        return


def _through_the_net(
    task: Task,
    read: Begun,
    translator: Translator,
    memory: Memory,
    writers: ThreadPoolExecutor,
    room: Room,
    listener: Callable[[float], None],
) -> Future[Written]:
    if isinstance(read.value, Row):
        return _ready(read.value)
    started = time.perf_counter()
    try:
        results = picture.translate(
            read.value, task.options, translator, memory, listener, spill_folder(Path(task.output).parent)
        )
    except Exception as error:
        room.leave(read.size)
        return _ready(failed(task, error))
    seconds = read.seconds + time.perf_counter() - started
    return writers.submit(end, task, replace(read, seconds=seconds), results, translator.style, room)


def spill_folder(results: Path) -> Path:
    """Where temporary planes lie: where TMPDIR says, else on the disk that the results go to.

    The system's own folder for temporary files is often a piece of memory.
    """
    return Path(os.environ.get("TMPDIR") or existing(results))


def end(task: Task, read: Begun, results: list[Result], style: Style, room: Room) -> Written:
    """Restore, encode and write one picture."""
    started = time.perf_counter()
    assert isinstance(read.value, Prepared)
    try:
        written = write(task, read.value, results, style)
    except Exception as error:
        return Written(failed(task, error))
    finally:
        room.leave(read.size)
    row = replace(written.row, seconds=round(read.seconds + time.perf_counter() - started, 4))
    return replace(written, row=row)


def _ready(row: Row) -> Future[Written]:
    future: Future[Written] = Future()
    future.set_result(Written(row))
    return future


def write(task: Task, prepared: Prepared, results: list[Result], style: Style) -> Written:
    """Encode and write one result, whole, with its source's time; OutputError when that fails."""
    path = Path(task.output)
    data = picture.finish(prepared, results, task.options, style, picture.target_format(task.output, prepared))
    try:
        source = Path(task.input).stat()
        times = (source.st_atime_ns, source.st_mtime_ns)
        with atomic_write(path) as file:
            file.write(data)
            # Before the name counts, so that no kill leaves a result with another time than its source's.
            file.flush()
            if os.utime in os.supports_fd:
                os.utime(file.fileno(), ns=times)
        if os.utime not in os.supports_fd:
            os.utime(path, ns=times)
        found = path.stat()
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}") from error
    recipe = picture.recipe_for(style, task.options)
    record = Record(
        relative_name(Path(task.root), path),
        task.input,
        source.st_size,
        source.st_mtime_ns,
        prepared.digest,
        found.st_size,
        found.st_mtime_ns,
        hashlib.sha256(data).hexdigest(),
        style.digest,
        json.dumps(recipe["options"], sort_keys=True),
    )
    width, height = prepared.size(task.options)
    return Written(Row(task.input, task.output, "done", width, height), record)


def left_alone(task: Task) -> Row:
    """The row of a task that the plan skips or keeps."""
    status: Status = "skipped" if task.verdict == "skip" else "kept"
    return Row(task.input, task.output, status, error=task.reason if status == "kept" else None)


def failed(task: Task, error: Exception) -> Row:
    """The row of a task that an exception ended."""
    return failure(task.input, task.output, error)


def failure(source: str, output: str, error: Exception) -> Row:
    """The row of what an exception ended; with IMGCYCLE_DEBUG set, the traceback as well."""
    text = str(error) if isinstance(error, ImgcycleError) else f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError):
        text = "not enough memory"
    if os.environ.get("IMGCYCLE_DEBUG"):
        text = "".join(traceback.format_exception(error))
    return Row(source, output, "failed", error=text if "\n" not in text.strip() else text.strip())
