"""Converting pictures: one (`convert_image`), one task of a plan (`convert_one`), all of them (`convert_all`)."""

from __future__ import annotations

import errno
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

from imgcycle.config import ConvertOptions
from imgcycle.engine.translator import Style, Translator
from imgcycle.errors import ImgcycleError, OutputError, UsageError
from imgcycle.jobs import picture
from imgcycle.jobs.events import Ended, Estimated, Event, Finished, Noted, Planned
from imgcycle.jobs.ledger import Ledger, Record, at_work, relative_name
from imgcycle.jobs.picture import Prepared
from imgcycle.jobs.planning import Plan, check_disk
from imgcycle.jobs.tasks import Row, Status, Summary, Task
from imgcycle.media import formats
from imgcycle.media.files import atomic_write
from imgcycle.media.paths import same_file
from imgcycle.media.pixels import Floats

_ESTIMATE_AFTER = 3
_SAME_FAILURES = 20


@dataclass(frozen=True)
class Written:
    """What a task came to: its row, and for the ledger what was written."""

    row: Row
    record: Record | None = None


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
    task = Task(str(source), str(target), str(target.parent), options or ConvertOptions())
    started = time.perf_counter()
    prepared = _read(task, translator.style)
    results = picture.translate(prepared, task.options, translator)
    written = _write(task, prepared, results, translator.style)
    return replace(written.row, seconds=round(time.perf_counter() - started, 4))


def convert_bytes(data: bytes, translator: Translator, options: ConvertOptions, format: str = "same") -> bytes:
    """Convert the bytes of one picture file to those of another, in its own format or one of `formats.CHOICES`."""
    prepared = picture.prepare(data, "", options, translator.style)
    target = formats.CHOICES.get(format) or formats.written_as(prepared.format)
    results = picture.translate(prepared, options, translator)
    return picture.finish(prepared, results, options, translator.style, target)


def convert_one(task: Task, translator: Translator) -> Row:
    """Carry out one task alone; whatever goes wrong is in the row."""
    read = _begin(task, translator.style)
    if isinstance(read.value, Row):
        return read.value
    started = time.perf_counter()
    try:
        results = picture.translate(read.value, task.options, translator)
    except Exception as error:  # one file's failure, of whatever kind, is that file's
        return failed(task, error)
    seconds = read.seconds + time.perf_counter() - started
    return _end(task, read.value, results, translator.style, seconds).row


def convert_all(plan: Plan, translator: Translator, jobs: int = 2, fail_fast: bool = False) -> Iterator[Event]:
    """Carry out a plan: decode and encode in `jobs` threads each while the net works; rows in the plan's order.

    At most `jobs` + 1 pictures wait before the net and as many after it. When the consumer stops, or Ctrl-C comes,
    what is being written is finished, the rest is left. A full disk, twenty failures in a row with one cause, or
    with `fail_fast` the first failure, end the work early with a note. OutputError when the disk is too small from
    the start.
    """
    tasks = plan.tasks
    begun = time.perf_counter()
    count = [t.verdict for t in tasks].count
    yield Planned(len(tasks), count("convert"), count("skip"), count("keep"), plan.notes)
    tally = _Tally(tasks, begun, fail_fast)
    if plan.to_convert:
        check_disk(plan)
        roots = {Path(t.root) for t in plan.to_convert}
        ledgers = {str(root): Ledger(root) for root in roots}
        with at_work(roots, {Path(t.output).parent for t in plan.to_convert}):
            for task, written in zip(tasks, _rows(tasks, translator, jobs), strict=False):
                if written.record is not None:
                    ledgers[task.root].append(written.record)
                yield from tally.add(written.row)
                if tally.over:
                    break
    else:
        for task in tasks:
            yield from tally.add(_left(task))
    yield Ended(tally.summary())


class _Tally:
    """Counts rows, and decides when going on makes no sense."""

    def __init__(self, tasks: Sequence[Task], begun: float, fail_fast: bool) -> None:
        self.total, self.begun, self.fail_fast = len(tasks), begun, fail_fast
        self.weights = [_weight(task) for task in tasks]
        self.whole, self.passed = sum(self.weights), 0
        self.left = sum(weight > 0 for weight in self.weights)
        self.counts: dict[Status, int] = {"done": 0, "skipped": 0, "kept": 0, "failed": 0}
        self.megapixels = 0.0
        self.position = 0
        self.over = False
        self._cause: tuple[str | None, int] = (None, 0)

    def add(self, row: Row) -> Iterator[Event]:
        weight = self.weights[self.position]
        self.counts[row.status] += 1
        self.position += 1
        self.passed += weight
        self.left -= weight > 0
        self.megapixels += row.width * row.height / 1e6
        share = self.passed / self.whole if self.whole else 1.0
        yield Finished(row, self.position, self.total, share)
        worked = self.counts["done"] + self.counts["failed"]
        if worked == _ESTIMATE_AFTER and row.status in ("done", "failed") and self.left:
            elapsed = time.perf_counter() - self.begun
            yield Estimated(elapsed * (1 - share) / share, self.megapixels / elapsed)
        note = self._reason_to_stop(row)
        if note and self.left:
            self.over = True
            yield Noted(f"{note}: stopped with {self.left} to go")

    def _reason_to_stop(self, row: Row) -> str:
        if row.status == "done":
            self._cause = (None, 0)
        if row.status != "failed":
            return ""
        cause, times = self._cause
        self._cause = (row.error, times + 1 if cause == row.error else 1)
        if self.fail_fast:
            return "a failure"
        if row.error and os.strerror(errno.ENOSPC) in row.error:
            return "the disk is full"
        return f"{_SAME_FAILURES} failures in a row with one cause" if self._cause[1] >= _SAME_FAILURES else ""

    def summary(self) -> Summary:
        seconds = time.perf_counter() - self.begun
        return Summary(**self.counts, seconds=round(seconds, 3), megapixels=round(self.megapixels, 3))


def _weight(task: Task) -> int:
    """Bytes to work through for a task, at least one; none for what is left alone."""
    if task.verdict != "convert":
        return 0
    try:
        return max(1, Path(task.input).stat().st_size)
    except OSError:
        return 1


@dataclass
class _Timed:
    """A value of a step, and the seconds it took."""

    value: Prepared | Row
    seconds: float


def _rows(tasks: Sequence[Task], translator: Translator, jobs: int) -> Iterator[Written]:
    reading: deque[tuple[Task, Future[_Timed]]] = deque()
    writing: deque[Future[Written]] = deque()
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


def _through_the_net(task: Task, read: _Timed, translator: Translator, writers: ThreadPoolExecutor) -> Future[Written]:
    if isinstance(read.value, Row):
        return _ready(read.value)
    started = time.perf_counter()
    try:
        results = picture.translate(read.value, task.options, translator)
    except Exception as error:
        return _ready(failed(task, error))
    seconds = read.seconds + time.perf_counter() - started
    return writers.submit(_end, task, read.value, results, translator.style, seconds)


def _end(task: Task, prepared: Prepared, results: list[Floats], style: Style, seconds: float) -> Written:
    started = time.perf_counter()
    try:
        written = _write(task, prepared, results, style)
    except Exception as error:
        return Written(failed(task, error))
    row = replace(written.row, seconds=round(seconds + time.perf_counter() - started, 4))
    return replace(written, row=row)


def _ready(row: Row) -> Future[Written]:
    future: Future[Written] = Future()
    future.set_result(Written(row))
    return future


def _read(task: Task, style: Style) -> Prepared:
    return picture.prepare(picture.load_bytes(Path(task.input)), task.input, task.options, style)


def _write(task: Task, prepared: Prepared, results: list[Floats], style: Style) -> Written:
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
