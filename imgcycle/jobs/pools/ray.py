"""A pool of Ray actors: workers on the machines of a cluster, wherever there is room for them."""

from __future__ import annotations

import contextlib
import os
import pickle
import platform
import queue
import re
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from imgcycle.errors import MissingExtra, UsageError, reason_of
from imgcycle.jobs.pools.driver import Message, PoolNote, WorkerLost, WorkerReady, WorkerRefused
from imgcycle.jobs.pools.processes import handle_message
from imgcycle.jobs.pools.worker import Chunk, Worker, WorkOrder

_GRACE = 5.0
"""Seconds that actors have to finish what they write before they are killed."""
_PATIENCE = 20.0
"""Seconds without any worker after which that is said."""
_ANSWERS = 5.0
"""Seconds in which a cluster's address has to answer."""
_TALKING = 4
"""Calls that an actor takes at once: it is told things, listened to and stopped while it works."""


@dataclass(frozen=True)
class NodeRoom:
    """Cores, GPUs and bytes of memory that one machine of a cluster has."""

    cpus: int
    gpus: int
    memory: int


@dataclass(frozen=True)
class WorkerRoom:
    """Cores, GPUs (or a share of one) and bytes of memory that each of `count` workers has."""

    count: int
    cpus: int
    gpus: float
    memory: int

    @classmethod
    def within(cls, nodes: Sequence[NodeRoom], count: int | None, on_gpus: bool) -> WorkerRoom:
        """The most that each of `count` workers can have; None is one a GPU or, without, one a core.

        Workers that there is no room for now wait for a machine that comes later. UsageError for a cluster without any
        room where `count` does not say how many are wanted.
        """
        cores, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
        count = count or (gpus if on_gpus else cores)
        if not count:
            raise UsageError(f"the cluster has no {'GPU' if on_gpus else 'core'} now", "say how many with --workers N")
        each = 1.0 if count <= gpus or not gpus else 1 / -(-count // gpus)
        if on_gpus:
            held = [int(node.gpus / each + 1e-6) for node in nodes]
            cpus = max(1, min((node.cpus // n for node, n in zip(nodes, held, strict=True) if n), default=1))
        else:
            sizes = range(max((node.cpus for node in nodes), default=1), 0, -1)
            cpus = next((size for size in sizes if sum(node.cpus // size for node in nodes) >= count), 1)
            held = [node.cpus // cpus for node in nodes]
        memory = min((node.memory // n for node, n in zip(nodes, held, strict=True) if n), default=0)
        # Ray counts in ten-thousandths, and what is rounded up would not fit.
        return cls(count, cpus, int(each * 10_000) / 10_000 if on_gpus else 0.0, memory)


def connect(address: str) -> None:
    """Attach this process to a cluster: `auto`, `HOST:PORT` of its head, or `ray://HOST:PORT` from outside.

    MissingExtra without Ray, UsageError when there is no cluster.
    """
    match = re.fullmatch(r"auto|(?:ray://)?(\[[\da-fA-F:]+\]|[^\s:/]+):(\d{1,5})", address)
    if match is None or int(match[2] or 0) > 65_535:
        raise UsageError(f"--cluster {address!r} is no address", "auto, HOST:PORT or ray://HOST:PORT")
    # All that Ray prints of its own goes to stdout and stderr, and our rows and lines are there.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray = _ray()
    if match[1]:
        _check_answers(match[1].strip("[]"), int(match[2]), address)
    with _own_signals():
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False)
        except ImportError as error:
            raise MissingExtra("ray", f"--cluster {address}") from error
        except Exception as error:  # Ray has a dozen kinds, and plain ones, for a cluster that is not there
            said = str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".")
            raise UsageError(f"--cluster {address} cannot be used: {said}", _START) from error


_START = "`ray start --head` starts a cluster"


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MissingExtra("ray", "--cluster") from error
    return ray


def _check_answers(host: str, port: int, address: str) -> None:
    """Ray itself tries for minutes."""
    try:
        socket.create_connection((host, port), _ANSWERS).close()
    except OSError as error:
        raise UsageError(f"--cluster {address} does not answer: {reason_of(error)}", _START) from error


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Signals mean afterwards what they meant before: Ray puts a handler of its own in place."""
    ours = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM) if ours else None
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def node_rooms() -> list[NodeRoom]:
    """The machines of the cluster that is connected."""
    found = [node["Resources"] for node in _ray().nodes() if node["Alive"]]
    return [NodeRoom(int(each.get("CPU", 0)), int(each.get("GPU", 0)), int(each.get("memory", 0))) for each in found]


@dataclass
class _Actor:
    """An actor as known to the pool: its handle, what it was told, and its answer that is waited for."""

    handle: Any
    hears: Any
    told: int = 0
    ready: bool = False


class RayPool:
    """Workers in a cluster that `connect` was called for; a context, which ends them and leaves the cluster.

    `worker` makes an actor's worker from its device, in that actor. `promised` memory is reserved for each.
    """

    def __init__(
        self, room: WorkerRoom, device: str, promised: int = 0, worker: Callable[[str], Worker] = Worker
    ) -> None:
        self._ray = _ray()
        self._room, self._device, self._worker, self._promised = room, device, worker, promised
        self._names = [f"ray/{n}" for n in range(1, room.count + 1)]
        self._actors: dict[str, _Actor] = {}
        self._order: tuple[WorkOrder, Any] | None = None
        self._begun, self._patient = time.monotonic(), True

    @property
    def workers(self) -> Sequence[str]:
        """Numbered; each tells where it is when it is ready."""
        return self._names

    def open(self, worker: str, order: WorkOrder) -> None:
        """Ask for an actor where there is none; it comes when there is room for it."""
        if worker not in self._actors:
            reserved = {"memory": self._promised} if self._promised else {}
            kind = self._ray.remote(ActorWorker).options(
                num_cpus=self._room.cpus, num_gpus=self._room.gpus, max_concurrency=_TALKING, **reserved
            )
            handle = kind.remote(self._device, self._worker)
            self._actors[worker] = _Actor(handle, handle.listen.remote())
        if self._order is None or self._order[0] is not order:
            # Once for all of them: the weights are in it.
            self._order = order, self._ray.put(pickle.dumps(order))
        self._tell(worker, self._order[1])

    def give(self, worker: str, chunk: Chunk) -> None:
        """As a call of the actor."""
        if worker in self._actors:
            self._tell(worker, pickle.dumps(list(chunk)))

    def wait(self, seconds: float) -> Sequence[tuple[str, Message]]:
        """Everything that actors said meanwhile, and the losses of those that are gone."""
        names = {actor.hears: name for name, actor in self._actors.items()}
        if not names:
            return []
        ready, _ = self._ray.wait(list(names), num_returns=1, timeout=seconds)
        if ready:
            ready, _ = self._ray.wait(list(names), num_returns=len(names), timeout=0)
        said: list[tuple[str, Message]] = []
        for ref in ready:
            name = names[ref]
            actor = self._actors[name]
            try:
                messages: Sequence[Message] = self._ray.get(ref)
            except self._ray.exceptions.RayError as error:
                self._drop(name)
                said.append((name, WorkerLost(_reason(error))))
                continue
            actor.hears = actor.handle.listen.remote()
            actor.ready = actor.ready or any(isinstance(message, WorkerReady) for message in messages)
            said.extend((name, message) for message in messages)
        return said or self._impatient()

    def end(self, worker: str) -> None:
        """Ask one actor to end, and kill it where it does not."""
        if worker in self._actors:
            self._stop([worker])

    def close(self) -> None:
        """The same of all, at once; then leave the cluster, which keeps nothing of ours."""
        with contextlib.suppress(Exception):  # of a cluster that is gone nothing is left to end
            self._stop(list(self._actors))
        self._actors.clear()
        with contextlib.suppress(Exception):
            self._ray.shutdown()

    def __enter__(self) -> RayPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell(self, worker: str, message: Any) -> None:
        actor = self._actors[worker]
        actor.handle.tell.remote(actor.told, message)
        actor.told += 1

    def _impatient(self) -> Sequence[tuple[str, Message]]:
        waited = time.monotonic() - self._begun
        if any(actor.ready for actor in self._actors.values()):
            self._patient = False
        if not self._patient or waited < _PATIENCE:
            return []
        self._patient = False
        each = f"{self._room.cpus} cores" + (f" and {self._room.gpus:g} GPU" if self._room.gpus else "")
        return [(self._names[0], PoolNote(f"no worker has a place in the cluster yet; each wants {each}"))]

    def _stop(self, workers: Sequence[str]) -> None:
        ending = [self._actors[name].handle.stop.remote() for name in workers if self._actors[name].ready]
        if ending:
            self._ray.wait(ending, num_returns=len(ending), timeout=_GRACE)
        for name in workers:
            self._drop(name)

    def _drop(self, worker: str) -> None:
        actor = self._actors.pop(worker)
        with contextlib.suppress(Exception):
            self._ray.kill(actor.handle)


def _reason(error: Exception) -> str:
    """What is worth knowing of Ray's account of a death, which fills a screen."""
    text = str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if "creation task" in text and lines:
        return f"did not start: {lines[-1]}"
    if "OOM" in type(error).__name__ or "OutOfMemory" in type(error).__name__:
        return "was ended for its memory"
    return "is gone with its machine" if lines and "node" in lines[-1].lower()[:60] else "died"


class ActorWorker:
    """The life of a worker in an actor: what it is told is done in a thread of its own, and `listen` tells of it."""

    def __init__(self, device: str, make: Callable[[str], Worker]) -> None:
        self._told: queue.Queue[Any] = queue.Queue()
        self._early: dict[int, Any] = {}
        self._next = 0
        self._order = threading.Lock()
        self._said: queue.Queue[Message] = queue.Queue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(make, device), name="imgcycle-worker", daemon=True)
        self._thread.start()

    def tell(self, number: int, message: bytes) -> None:
        """Take an order or a chunk; calls may arrive out of turn, and are heeded in the order of their numbers."""
        with self._order:
            self._early[number] = message
            while self._next in self._early:
                self._told.put(self._early.pop(self._next))
                self._next += 1

    def listen(self) -> list[Message]:
        """Everything said since the last call, as soon as there is something."""
        said = [self._said.get()]
        with contextlib.suppress(queue.Empty):
            while True:
                said.append(self._said.get_nowait())
        return said

    def stop(self) -> None:
        """Finish what is being written, and begin nothing more."""
        self._stopping.set()
        self._told.put(None)
        self._thread.join(_GRACE)

    def _say(self, message: Message) -> None:
        if self._stopping.is_set():
            raise KeyboardInterrupt
        self._said.put(message)

    def _serve(self, make: Callable[[str], Worker], device: str) -> None:
        try:
            self._work(make(device))
        except KeyboardInterrupt:
            return
        except BaseException:
            # What a process would die of; the thread alone would leave the driver waiting.
            traceback.print_exc()
            os._exit(1)

    def _work(self, worker: Worker) -> None:
        while (told := self._told.get()) is not None and not self._stopping.is_set():
            try:
                message = pickle.loads(told)  # noqa: S301 - from our own driver
            except Exception as error:  # another version of imgcycle does not know what is in it
                self._say(WorkerRefused(f"cannot read what it is told on {platform.node()}: {error}"))
                continue
            handle_message(worker, message, self._say, platform.node())
