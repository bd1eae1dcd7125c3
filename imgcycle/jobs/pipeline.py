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
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from imgcycle.device import default_memory
from imgcycle.engine.translator import Style, Translator
from imgcycle.errors import ImgcycleError, OutputError
from imgcycle.jobs import picture
from imgcycle.jobs.ledger import Record, relative_name
from imgcycle.jobs.picture import Prepared
from imgcycle.jobs.room import Room
from imgcycle.jobs.tasks import Row, Status, Task
from imgcycle.media.files import atomic_write
from imgcycle.media.pixels import Floats


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


def rows(tasks: Sequence[Task], translator: Translator, jobs: int) -> Iterator[Written]:
    """What each task came to, in order; `jobs` threads read and as many write."""
    reading: deque[tuple[Task, Future[Begun]]] = deque()
    writing: deque[Future[Written]] = deque()
    waiting = iter(enumerate(tasks))
    room = Room(default_memory())
    readers = ThreadPoolExecutor(jobs, "imgcycle-read")
    writers = ThreadPoolExecutor(jobs, "imgcycle-write")
    try:
        while True:
            while len(reading) < jobs + 1 and (entry := next(waiting, None)) is not None:
                ticket, task = entry
                reading.append((task, readers.submit(begin, task, translator.style, room, ticket)))
            if not reading:
                break
            task, future = reading.popleft()
            writing.append(_through_the_net(task, future.result(), translator, writers, room))
            while writing and (len(writing) > jobs or writing[0].done()):
                yield writing.popleft().result()
        while writing:
            yield writing.popleft().result()
    finally:
        # Waiting for the writers costs a moment and saves their work; readers' work is lost either way.
        room.close()
        readers.shutdown(wait=False, cancel_futures=True)
        writers.shutdown(wait=True)


def begin(task: Task, style: Style, room: Room, ticket: int = 0) -> Begun:
    """Read and reduce one picture, once there is room for it."""
    started = time.perf_counter()
    size = 0
    entered = False
    try:
        if task.verdict == "convert":
            data = picture.load_bytes(Path(task.input))
            size = picture.footprint(data, task.input, task.options)
        room.enter(ticket, size)
        entered = True
        if task.verdict != "convert":
            return Begun(left_alone(task), 0.0)
        prepared = picture.prepare(data, task.input, task.options, style)
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
    task: Task, read: Begun, translator: Translator, writers: ThreadPoolExecutor, room: Room
) -> Future[Written]:
    if isinstance(read.value, Row):
        return _ready(read.value)
    started = time.perf_counter()
    try:
        results = picture.translate(read.value, task.options, translator)
    except Exception as error:
        room.leave(read.size)
        return _ready(failed(task, error))
    seconds = read.seconds + time.perf_counter() - started
    return writers.submit(end, task, replace(read, seconds=seconds), results, translator.style, room)


def end(task: Task, read: Begun, results: list[Floats], style: Style, room: Room) -> Written:
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


def write(task: Task, prepared: Prepared, results: list[Floats], style: Style) -> Written:
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
    """The row of a task that an exception ended; with IMGCYCLE_DEBUG set, the traceback as well."""
    text = str(error) if isinstance(error, ImgcycleError) else f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError):
        text = "not enough memory"
    if os.environ.get("IMGCYCLE_DEBUG"):
        text = "".join(traceback.format_exception(error))
    return Row(task.input, task.output, "failed", error=text if "\n" not in text.strip() else text.strip())
