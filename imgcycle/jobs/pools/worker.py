"""A worker: it makes one translator and carries out tasks with it, in a process here or on another machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields

from imgcycle._version import __version__
from imgcycle.config import JsonConfig
from imgcycle.config.program import Backend
from imgcycle.device import precision_name
from imgcycle.engine.translator import Translator
from imgcycle.errors import UsageError, reported
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.events import Event
from imgcycle.jobs.images import pipeline
from imgcycle.jobs.tasks import ClipTask, Task, TaskResult
from imgcycle.jobs.translators import open_style
from imgcycle.jobs.video.cost import VideoLimits
from imgcycle.media.paths import shown
from imgcycle.media.temporary_folder import TemporaryFolder
from imgcycle.weights.mix import ChosenStyle

AnyTask = Task | ClipTask
Chunk = Sequence[tuple[int, AnyTask]]
"""Tasks with their places in the plan."""
Finished = Callable[[int, TaskResult], None]
Heard = Callable[[int, "float | Event"], None]
"""Hears of a task at its place: the share 0..1 of a picture that is done, or an event of a clip."""
_HEARD_EVERY = 0.5
"""Seconds between two words on how far one picture is."""


@dataclass(frozen=True)
class WorkerFacts(JsonConfig):
    """Everything that the bytes of a result depend on beside its task: workers that differ here cannot work
    together.
    """

    version: str
    torch: str
    weights: str
    precision: str
    threads: int

    @classmethod
    def of(cls, translator: Translator, threads: int) -> WorkerFacts:
        """Those of this process."""
        import torch

        style = translator.style.digest
        return cls(__version__, torch.__version__, style, precision_name(translator.dtype), threads)

    def difference(self, other: WorkerFacts) -> str:
        """Differences from another, in words; empty if there are none."""
        pairs = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return ", ".join(
            f"{name} {_short(there)} and not {_short(here)}" for name, here, there in pairs if here != there
        )


def _short(value: object) -> str:
    return str(value)[:16]


@dataclass(frozen=True, kw_only=True)
class WorkOrder:
    """Everything a worker needs before it gets tasks; plain data, for every kind of worker.

    `style` is what the driver found, `digest` that of its style; `weights` are the bytes of its files if workers may
    have another disk. `precision` is resolved: fp32, bf16 or fp16. A worker computes on `threads` threads, uses up to
    `memory`, and reads and writes on `jobs` threads each. `limits` and `resume` apply to clips. Names of files are
    relative to `folder`, where workers may have begun in another.
    """

    style: ChosenStyle
    digest: str
    precision: str = "fp32"
    backend: Backend = "torch"
    threads: int = 1
    memory: MemoryBudget = field(default_factory=MemoryBudget.default)
    jobs: int = 2
    limits: VideoLimits = field(default_factory=VideoLimits)
    resume: bool = True
    weights: tuple[bytes, ...] | None = None
    folder: str | None = None

    def facts(self) -> WorkerFacts:
        """Facts of a worker that computes as ordered, with the driver's versions."""
        import torch

        return WorkerFacts(__version__, torch.__version__, self.digest, self.precision, self.threads)


class Worker:
    """Carries out chunks of tasks on one device, with the style that was opened last."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._order: WorkOrder | None = None
        self._translator: Translator | None = None

    def open(self, order: WorkOrder) -> WorkerFacts:
        """Make the translator; what came of it. WeightsError and UsageError as `open_style` has them."""
        import cv2
        import torch

        if order.folder is not None:
            with reported(UsageError, f"{shown(order.folder)} is not here", "all machines see the same folders"):
                os.chdir(order.folder)
        torch.set_num_threads(order.threads)
        cv2.setNumThreads(order.threads)
        self._order, self._translator = order, _opened(order, self.device)
        return WorkerFacts.of(self._translator, torch.get_num_threads())

    def run(self, chunk: Chunk, finished: Finished, heard: Heard) -> None:
        """Carry out a chunk in its order; `finished` hears of each task as soon as it is over."""
        assert self._order is not None
        assert self._translator is not None
        pictures = [(place, task) for place, task in chunk if isinstance(task, Task)]
        share = _now_and_then(lambda at, done: heard(pictures[at][0], done))
        tasks = [task for _, task in pictures]
        results = pipeline.rows(tasks, self._translator, self._order.jobs, self._order.memory, share)
        for (place, _), result in zip(pictures, results, strict=True):
            finished(place, result)
        for place, task in chunk:
            if isinstance(task, ClipTask):
                finished(place, self._clip(place, task, heard))

    def _clip(self, place: int, task: ClipTask, heard: Heard) -> TaskResult:
        from imgcycle.jobs.video.run import ClipExecution, run_clip_task

        assert self._order is not None
        assert self._translator is not None
        order = self._order
        execution = ClipExecution(order.resume, order.limits)
        return run_clip_task(task, self._translator, lambda event: heard(place, event), execution)


def _opened(order: WorkOrder, device: str) -> Translator:
    if order.weights is None:
        return open_style(order.style, device, order.precision, order.backend)
    with TemporaryFolder() as folder:
        here = [folder / f"{n}-{path.name}" for n, path in enumerate(order.style.paths)]
        for path, data in zip(here, order.weights, strict=True):
            path.write_bytes(data)
        return open_style(order.style.at(here), device, order.precision, order.backend)


def _now_and_then(hear: Callable[[int, float], None]) -> Callable[[int, float], None]:
    said = time.monotonic()

    def share(at: int, done: float) -> None:
        nonlocal said
        if time.monotonic() - said >= _HEARD_EVERY:
            said = time.monotonic()
            hear(at, done)

    return share
