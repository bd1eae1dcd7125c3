"""Converting pictures: one (`convert_image`), one task of a plan (`convert_one`), all of them (`convert_all`)."""

from __future__ import annotations

import os
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from imgcycle.config import ConvertOptions
from imgcycle.engine.fullsize import Floats
from imgcycle.engine.translator import Style, Translator
from imgcycle.errors import ImgcycleError, OutputError, UsageError
from imgcycle.jobs import picture
from imgcycle.jobs.events import Ended, Estimated, Event, Finished, Planned
from imgcycle.jobs.picture import Prepared
from imgcycle.jobs.planning import Plan
from imgcycle.jobs.tasks import Row, Status, Summary, Task
from imgcycle.media import formats
from imgcycle.media.files import atomic_write
from imgcycle.media.paths import same_file

_ESTIMATE_AFTER = 3


def convert_image(
    input: str | Path, output: str | Path, translator: Translator, options: ConvertOptions | None = None
) -> Row:
    """Convert one picture file to another; the output's suffix chooses the format.

    An existing output is replaced, unless it is the input: UsageError. InputError and OutputError say what else
    went wrong; then no output was written.
    """
    source, target = Path(input), Path(output)
    if same_file(source, target):
        raise UsageError(f"{target} is itself the input and is never written over")
    task = Task(str(source), str(target), options or ConvertOptions())
    started = time.perf_counter()
    prepared = _read(task, translator.style)
    result = picture.translate(prepared, task.options, translator)
    return replace(_write(task, prepared, result, translator.style), seconds=time.perf_counter() - started)


def convert_one(task: Task, translator: Translator) -> Row:
    """Carry out one task alone; whatever goes wrong is in the row."""
    started = time.perf_counter()
    if task.verdict != "convert":
        return _left(task)
    try:
        prepared = _read(task, translator.style)
        result = picture.translate(prepared, task.options, translator)
        row = _write(task, prepared, result, translator.style)
    except Exception as error:  # one file's failure, of whatever kind, is that file's
        row = failed(task, error)
    return replace(row, seconds=round(time.perf_counter() - started, 4))


def convert_all(plan: Plan, translator: Translator, jobs: int = 2) -> Iterator[Event]:
    """Carry out a plan: decode and encode in `jobs` threads each while the net works; rows in the plan's order.

    At most `jobs` pictures wait before the net and as many after it. When the consumer stops, or Ctrl-C comes,
    what is being written is finished, the rest is left.
    """
    tasks = plan.tasks
    begun = time.perf_counter()
    verdicts = [t.verdict for t in tasks]
    yield Planned(len(tasks), verdicts.count("convert"), verdicts.count("skip"), verdicts.count("keep"), plan.notes)
    counts: dict[Status, int] = {"done": 0, "skipped": 0, "kept": 0, "failed": 0}
    megapixels, converted = 0.0, 0
    for position, row in enumerate(_rows(tasks, translator, jobs), 1):
        counts[row.status] += 1
        megapixels += row.width * row.height / 1e6
        yield Finished(row, position, len(tasks))
        converted += row.status in ("done", "failed")
        left = verdicts.count("convert") - converted
        if converted == _ESTIMATE_AFTER and row.status in ("done", "failed") and left > 0:
            elapsed = time.perf_counter() - begun
            yield Estimated(elapsed / converted * left, megapixels / elapsed)
    yield Ended(Summary(**counts, seconds=round(time.perf_counter() - begun, 3), megapixels=round(megapixels, 3)))


@dataclass
class _Timed:
    """A value of a step, and the seconds it took."""

    value: Prepared | Row
    seconds: float


def _rows(tasks: Sequence[Task], translator: Translator, jobs: int) -> Iterator[Row]:
    reading: deque[tuple[Task, Future[_Timed]]] = deque()
    writing: deque[Future[Row]] = deque()
    waiting = iter(tasks)
    readers = ThreadPoolExecutor(jobs, "imgcycle-read")
    writers = ThreadPoolExecutor(jobs, "imgcycle-write")
    try:
        while True:
            while len(reading) < jobs + 1 and (task := next(waiting, None)) is not None:
                reading.append((task, readers.submit(_begin, task, translator.style)))
            if not reading:
                break
            task, future = reading.popleft()
            writing.append(_through_the_net(task, future.result(), translator, writers))
            while writing and (len(writing) > jobs or writing[0].done()):
                yield writing.popleft().result()
        while writing:
            yield writing.popleft().result()
    finally:
        # Waiting for the writers costs a moment and saves their work; readers' work is lost either way.
        readers.shutdown(wait=False, cancel_futures=True)
        writers.shutdown(wait=True)


def _begin(task: Task, style: Style) -> _Timed:
    started = time.perf_counter()
    value: Prepared | Row
    if task.verdict != "convert":
        value = _left(task)
    else:
        try:
            value = _read(task, style)
        except Exception as error:
            value = failed(task, error)
    return _Timed(value, time.perf_counter() - started)


def _through_the_net(task: Task, read: _Timed, translator: Translator, writers: ThreadPoolExecutor) -> Future[Row]:
    if isinstance(read.value, Row):
        return _ready(replace(read.value, seconds=round(read.seconds, 4)))
    started = time.perf_counter()
    try:
        result = picture.translate(read.value, task.options, translator)
    except Exception as error:
        return _ready(failed(task, error))
    seconds = read.seconds + time.perf_counter() - started
    return writers.submit(_end, task, read.value, result, translator.style, seconds)


def _end(task: Task, prepared: Prepared, result: Floats, style: Style, seconds: float) -> Row:
    started = time.perf_counter()
    try:
        row = _write(task, prepared, result, style)
    except Exception as error:
        row = failed(task, error)
    return replace(row, seconds=round(seconds + time.perf_counter() - started, 4))


def _ready(row: Row) -> Future[Row]:
    future: Future[Row] = Future()
    future.set_result(row)
    return future


def _read(task: Task, style: Style) -> Prepared:
    return picture.prepare(picture.load_bytes(Path(task.input)), task.options, style)


def _write(task: Task, prepared: Prepared, result: Floats, style: Style) -> Row:
    path = Path(task.output)
    target = formats.by_suffix(path) or prepared.still.format
    if not target.writable:
        target = formats.written_as(target)
    data = picture.finish(prepared, result, task.options, style, target)
    try:
        times = Path(task.input).stat()
        with atomic_write(path) as file:
            file.write(data)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}") from error
    width, height = prepared.still.size
    return Row(task.input, task.output, "done", width, height)


def _left(task: Task) -> Row:
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
