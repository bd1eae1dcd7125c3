"""The driver: it hands tasks out in chunks, hears what came of them, and gives what a dead worker had to others."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from types import MappingProxyType
from typing import Protocol

from imgcycle.errors import ImgcycleError, UsageError
from imgcycle.jobs.events import Event, Note
from imgcycle.jobs.pools.worker import AnyTask, Chunk, WorkerFacts, WorkOrder
from imgcycle.jobs.tasks import ClipRow, ClipTask, Outcome, Row, TaskResult, left_alone

CHUNK_SECONDS = 2.0
"""Work in a chunk, about: enough that handing it out costs nothing, and little to lose with its worker."""
MOST = 16
"""Tasks in a chunk at most."""
TRIES = 3
"""Deaths of workers that one task is given."""
_IN_FLIGHT = 2
"""Chunks that a worker has at once: the next is there when one is over."""
_SLOW, _SLOW_SECONDS = 4.0, 30.0
"""A chunk that takes so many times the median of chunks, and more than so many seconds, is made elsewhere as well."""
_WAIT = 1.0
_RATES_EVERY = 0.5
"""Seconds between two words on the rates of workers."""


@dataclass(frozen=True)
class WorkerReady:
    """A worker has made its translator and may be given work; `machine` names the one it is on, of several."""

    facts: WorkerFacts
    machine: str = ""


@dataclass(frozen=True)
class WorkerRefused:
    """A worker cannot make its translator."""

    message: str


@dataclass(frozen=True)
class TaskFinished:
    """A task of a worker's chunk is over."""

    place: int
    result: TaskResult


@dataclass(frozen=True)
class ChunkFinished:
    """All of a worker's first chunk is over."""


@dataclass(frozen=True)
class TaskHeard:
    """Progress of a task."""

    place: int
    event: float | Event


@dataclass(frozen=True)
class WorkerLost:
    """A worker died; another of its name may be started."""

    reason: str


@dataclass(frozen=True)
class PoolNote:
    """One line for the user on the workers as a whole."""

    text: str


Message = WorkerReady | WorkerRefused | TaskFinished | ChunkFinished | TaskHeard | WorkerLost | PoolNote


class TaskPool(Protocol):
    """Workers that one driver gives work to."""

    @property
    def workers(self) -> Sequence[str]:
        """Their names."""
        ...

    def open(self, worker: str, order: WorkOrder) -> None:
        """Have a worker make the translator for what follows, starting it where it is not there; it will be ready."""
        ...

    def give(self, worker: str, chunk: Chunk) -> None:
        """Hand a chunk over, behind those that it has."""
        ...

    def wait(self, seconds: float) -> Sequence[tuple[str, Message]]:
        """Messages of workers, in each one's order; waits at most so many seconds for the first one."""
        ...

    def end(self, worker: str) -> None:
        """End one of them, whatever it is at; it is started anew by `open`."""
        ...

    def close(self) -> None:
        """End all workers, within seconds; what they had begun leaves nothing half-written."""
        ...


@dataclass
class _Member:
    """State of a worker as known to the driver; its name says where it is, once that is known."""

    name: str
    ready: bool = False
    chunks: deque[list[int]] = field(default_factory=deque)
    alone: bool = False
    """Whether it works on a task that a worker died on, with nothing behind it."""
    since: float = 0.0
    begun: float = 0.0
    done: int = 0

    def rate(self, now: float) -> float:
        """Tasks a second since it was ready."""
        return self.done / max(1e-9, now - self.since)


class Driver:
    """Has a pool carry out the tasks of a plan that mean work; each is over once, whoever dies.

    `listener` hears how far tasks are. The tasks at the places that `after` names wait until those that they have need
    of are over, and fail with them.
    """

    def __init__(
        self,
        tasks: Sequence[AnyTask],
        pool: TaskPool,
        order: WorkOrder,
        listener: Callable[[int, float | Event], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        after: Mapping[int, Sequence[int]] = MappingProxyType({}),
    ) -> None:
        self._clock = clock
        self._after = {place: set(needs) for place, needs in after.items()}
        self._tasks, self._pool, self._order, self._listener = tasks, pool, order, listener
        self._left = {n for n, task in enumerate(tasks) if task.verdict == "convert"}
        self._waiting = deque(sorted(self._left - self._after.keys()))
        self._suspects: deque[int] = deque()
        self._tries: Counter[int] = Counter()
        self._again: set[int] = set()
        self._idle_deaths = 0
        self._ready: float | None = None
        self._told = -math.inf
        self._seconds: deque[float] = deque(maxlen=50)
        """Seconds of the last tasks, in a worker's time."""
        self._chunk_seconds: deque[float] = deque(maxlen=50)
        self._members = {name: _Member(name) for name in pool.workers}

    def _rates(self) -> dict[str, float]:
        """Of all workers, now and then: of hundreds, for each task, they would take most of the driver's time."""
        now = self._clock()
        if self._left and now - self._told < _RATES_EVERY:
            return {}
        self._told = now
        return {member.name: member.rate(now) for member in self._members.values() if member.done}

    def _working(self) -> float | None:
        return None if self._ready is None else self._clock() - self._ready

    def run(self) -> Iterator[Outcome]:
        """Yield the tasks' results as they finish.

        UsageError, naming the worker, if one would compute otherwise than the driver; ImgcycleError if workers die
        without having been given a task.
        """
        for place, task in enumerate(self._tasks):
            if task.verdict != "convert":
                yield Outcome(place, TaskResult(_left_alone(task)))
        if self._left:
            for name in self._members:
                self._pool.open(name, self._order)
        while self._left:
            self._assign_chunks()
            for name, message in self._pool.wait(_WAIT):
                yield from self._heard(name, self._members[name], message)
        for name, member in self._members.items():
            if member.chunks:  # what another worker was faster with
                self._pool.end(name)

    def _assign_chunks(self) -> None:
        for name, member in self._members.items():
            while member.ready and (chunk := self._next(member)):
                if not member.chunks:
                    member.begun = self._clock()
                member.chunks.append(chunk)
                self._pool.give(name, [(place, self._tasks[place]) for place in chunk])

    def _next(self, member: _Member) -> list[int]:
        """Next tasks of a worker; empty while it has enough."""
        if member.alone:
            return []
        if self._suspects:
            # One by one, with nothing behind: so that the next death charges nobody else.
            member.alone = not member.chunks
            return [self._suspects.popleft()] if member.alone else []
        wanted = _IN_FLIGHT if len(self._waiting) > len(self._members) else 1
        if len(member.chunks) >= wanted:
            return []
        if self._waiting:
            return [self._waiting.popleft() for _ in range(self._size())]
        return [] if member.chunks else self._slow()

    def _size(self) -> int:
        """Tasks of the next chunk: fewer when they are long, and towards the end."""
        if not self._seconds:
            return 1
        by_time = int(CHUNK_SECONDS / max(1e-3, statistics.fmean(self._seconds)))
        by_share = math.ceil(len(self._waiting) / (2 * _IN_FLIGHT * len(self._members)))
        return max(1, min(by_time, by_share, MOST, len(self._waiting)))

    def _slow(self) -> list[int]:
        """A picture that is long under way, for an idle worker to make as well: whoever is first counts."""
        if not self._chunk_seconds:
            return []
        longest = max(_SLOW_SECONDS, _SLOW * statistics.median(self._chunk_seconds))
        for member in self._members.values():
            if member.chunks and self._clock() - member.begun > longest:
                # What waits behind it would wait as long.
                for place in chain.from_iterable(member.chunks):
                    if place not in self._again and not isinstance(self._tasks[place], ClipTask):
                        self._again.add(place)
                        return [place]
        return []

    def _heard(self, name: str, member: _Member, message: Message) -> Iterator[Outcome]:
        match message:
            case WorkerReady():
                member.name = f"{name}@{message.machine}" if message.machine else name
                if difference := self._order.facts().difference(message.facts):
                    raise UsageError(f"worker {member.name} computes otherwise: {difference}", "make them alike")
                member.ready, member.since = True, self._clock()
                self._ready = self._ready or member.since
            case WorkerRefused():
                raise UsageError(f"worker {name}: {message.message}")
            case TaskHeard():
                if self._listener is not None and message.place in self._left:
                    self._listener(message.place, message.event)
            case TaskFinished():
                self._idle_deaths = 0
                member.done += 1
                self._seconds.append(1 / member.rate(self._clock()))
                for chunk in member.chunks:
                    if message.place in chunk:
                        chunk.remove(message.place)
                        break
                yield from self._over(message.place, message.result, member.name)
            case ChunkFinished():
                now = self._clock()
                self._chunk_seconds.append(now - member.begun)
                member.chunks.popleft()
                member.begun, member.alone = now, False
            case WorkerLost():
                yield from self._lost(name, member, message.reason)
            case PoolNote():
                if self._listener is not None:
                    self._listener(min(self._left), Note(message.text))

    def _over(self, place: int, result: TaskResult, name: str) -> Iterator[Outcome]:
        if place in self._left:
            self._left.remove(place)
            yield Outcome(place, replace(result, row=replace(result.row, worker=name)), self._rates(), self._working())
            yield from self._heeded(place, result, name)

    def _heeded(self, place: int, result: TaskResult, name: str) -> Iterator[Outcome]:
        """What a task being over means for those that waited for it."""
        for later in [later for later, needs in self._after.items() if place in needs]:
            self._after[later].discard(place)
            if result.row.status == "failed":
                yield from self._over(later, TaskResult(result.row, disk_full=result.disk_full), name)
            elif not self._after[later] and later in self._left:
                self._waiting.append(later)

    def _lost(self, name: str, member: _Member, reason: str) -> Iterator[Outcome]:
        held = [[place for place in chunk if place in self._left] for chunk in member.chunks]
        self._members[name] = _Member(name)
        if not any(held):
            self._idle_deaths += 1
            if self._idle_deaths > TRIES * len(self._members):
                raise ImgcycleError(f"workers die before they are given anything: {member.name} {reason}")
        for place in held[0] if held else ():
            self._tries[place] += 1
            if self._tries[place] < TRIES:
                self._suspects.append(place)
                continue
            line = f"the process died {TRIES} times on it ({member.name} {reason})"
            yield from self._over(place, TaskResult(_failed(self._tasks[place], line)), member.name)
        for chunk in held[1:]:
            self._waiting.extendleft(reversed(chunk))
        if self._left:
            self._pool.open(name, self._order)


def _left_alone(task: AnyTask) -> Row:
    row = left_alone(task)
    return row if not isinstance(task, ClipTask) else ClipRow(row.input, row.output, row.status, error=row.error)


def _failed(task: AnyTask, line: str) -> Row:
    made = ClipRow if isinstance(task, ClipTask) else Row
    return made(task.input, task.output, "failed", error=line)
