"""A pool of processes on this machine: one for each device, or several that share the cores.

A codec that crashes takes one process with it, and the driver gives what that had to others.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any

from imgcycle.errors import ImgcycleError
from imgcycle.jobs.pools.driver import (
    ChunkFinished,
    Message,
    TaskFinished,
    TaskHeard,
    WorkerLost,
    WorkerReady,
    WorkerRefused,
)
from imgcycle.jobs.pools.worker import Chunk, Worker, WorkOrder

_GRACE = 5.0
"""Seconds that a process has to finish what it writes before it is killed."""


class ProcessPool:
    """One process for each name in `devices`, which may be the same for several; a context, which ends them.

    `worker` makes a process's worker from its device, in that process.
    """

    def __init__(self, devices: Sequence[str], worker: Callable[[str], Worker] = Worker) -> None:
        self._worker = worker
        alike = len(devices) != len(set(devices))
        names = [f"{device}/{n}" if alike else device for n, device in enumerate(devices, 1)]
        self._devices = dict(zip(names, devices, strict=True))
        self._processes: dict[str, tuple[SpawnProcess, Connection]] = {}
        self._spawn = multiprocessing.get_context("spawn")

    @property
    def workers(self) -> Sequence[str]:
        """By device, numbered where several share one."""
        return list(self._devices)

    def open(self, worker: str, order: WorkOrder) -> None:
        """Start the process where there is none, and have it open the style."""
        if worker not in self._processes:
            ours, theirs = self._spawn.Pipe()
            about = (theirs, self._worker, self._devices[worker])
            process = self._spawn.Process(target=_serve, args=about, name=f"imgcycle {worker}", daemon=True)
            process.start()
            theirs.close()
            self._processes[worker] = process, ours
        self._send(worker, order)

    def give(self, worker: str, chunk: Chunk) -> None:
        """Into the process's pipe."""
        self._send(worker, chunk)

    def wait(self, seconds: float) -> Sequence[tuple[str, Message]]:
        """Messages from the pipes; the last messages of a process that died come before its loss."""
        pipes = {ours: name for name, (_, ours) in self._processes.items()}
        said: list[tuple[str, Message]] = []
        for pipe in multiprocessing.connection.wait(list(pipes), seconds):
            assert isinstance(pipe, Connection)
            name = pipes[pipe]
            try:
                said.append((name, pipe.recv()))
            except (EOFError, OSError):
                process, _ = self._processes.pop(name)
                pipe.close()
                process.join(_GRACE)
                said.append((name, WorkerLost(_reason(process.exitcode))))
        return said

    def end(self, worker: str) -> None:
        """Ask one process to end, and kill it where it does not."""
        if worker in self._processes:
            _stop([self._processes.pop(worker)])

    def close(self) -> None:
        """The same of all, at once."""
        _stop(list(self._processes.values()))
        self._processes.clear()

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, worker: str, message: object) -> None:
        # What a dead process was sent is missed when its death is heard of.
        with contextlib.suppress(OSError):
            self._processes[worker][1].send(message)


def _stop(processes: Sequence[tuple[SpawnProcess, Connection]]) -> None:
    for process, pipe in processes:
        pipe.close()
        process.terminate()
    for process, _ in processes:
        process.join(_GRACE)
        if process.is_alive():
            process.kill()
            process.join()


def _reason(code: int | None) -> str:
    """Exit status of a process, in words that can be looked up."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _serve(pipe: Connection, make: Callable[[str], Worker], device: str) -> None:
    """The life of a worker's process: orders and chunks come through the pipe, until it is closed."""
    # Ctrl-C reaches every process of a terminal; what it means for this one is the driver's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    said = threading.Lock()

    def say(message: Message) -> None:
        with said:
            pipe.send(message)

    worker = make(device)
    with contextlib.suppress(KeyboardInterrupt, EOFError, OSError):
        while True:
            handle_message(worker, pipe.recv(), say)
    # Nothing is left to finish, and an exception in what Python does at its exit would be told on stderr.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def handle_message(worker: Worker, message: Any, say: Callable[[Message], None], machine: str = "") -> None:
    """Carry out an order or a chunk; `say` hears what comes of it, on which `machine`."""
    if isinstance(message, WorkOrder):
        try:
            say(WorkerReady(worker.open(message), machine))
        except ImgcycleError as error:
            say(WorkerRefused(f"{machine}: {error}" if machine else str(error)))
        return
    worker.run(
        message,
        lambda place, result: say(TaskFinished(place, result)),
        lambda place, event: say(TaskHeard(place, event)),
    )
    say(ChunkFinished())


def _end(_: int, __: FrameType | None) -> None:
    """As Ctrl-C ends the work in a single process: what is being written is finished."""
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    """A driver that was killed says nothing: its workers end by themselves, and leave nothing half-written."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
