"""What giving work to processes and machines costs, and where the driver becomes the limit.

    python -m tests.benchmarks.cluster null        # CPU of the driver for a picture that takes no time, by pool
    python -m tests.benchmarks.cluster pictures    # a picture: threads, processes, Ray on this machine, in turn
    python -m tests.benchmarks.cluster simulate    # 8 machines of 8 GPUs, by discrete events

Processor seconds, for a wall clock, printed beside them by `pictures`, measures all that the machine does. In the
simulation the driver is the real one, with its rows, its events and its ledger on disk; its workers do nothing but let
a clock pass. Its own processor time passes on that clock as well, and so does what each message was measured to cost.
"""

from __future__ import annotations

import argparse
import heapq
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from imgcycle.config import ConvertRequest, MachineOptions
from imgcycle.config.program import WorkerOptions
from imgcycle.jobs.images.batch import StyleJob, convert_styles
from imgcycle.jobs.images.plan import Plan, plan
from imgcycle.jobs.ledger import Record
from imgcycle.jobs.pools import driver
from imgcycle.jobs.pools.driver import ChunkFinished, Message, TaskFinished, TaskPool, WorkerReady
from imgcycle.jobs.pools.processes import ProcessPool
from imgcycle.jobs.pools.setup import WorkerPlan, plan_workers
from imgcycle.jobs.pools.worker import AnyTask, Chunk, Finished, Heard, Worker, WorkerFacts, WorkOrder
from imgcycle.jobs.recipe import ResolvedOptions
from imgcycle.jobs.tasks import Row, Task, TaskResult
from imgcycle.jobs.translators import open_style
from imgcycle.weights.find import find_style
from tests.media.pictures import encoded, scene
from tests.styles import save_style

_GPUS = (8, 32, 64, 128)
_SECONDS = (1.0, 0.3, 0.1, 0.03, 0.01)


def result_of(task: AnyTask) -> TaskResult:
    """What a worker says of a picture, at its usual length."""
    record = Record(
        task.output.rpartition("/")[2], task.input, 10**6, 10**18, "d" * 64, 10**6, 10**18, "e" * 64, "f" * 64, "{}"
    )
    return TaskResult(Row(task.input, task.output, "done", 1024, 768, 0.1), record)


class NullWorker(Worker):
    """Has every picture done at once."""

    def open(self, order: WorkOrder) -> WorkerFacts:
        return order.facts()

    def run(self, chunk: Chunk, finished: Finished, heard: Heard) -> None:
        del heard
        for place, task in chunk:
            finished(place, result_of(task))


class SimulatedPool:
    """Workers on a clock of their own, `now`: a picture takes `seconds`, a message `message` seconds of the driver."""

    def __init__(self, workers: int, seconds: Callable[[], float], message: float) -> None:
        self.workers = [f"gpu/{n}" for n in range(workers)]
        self.now, self.busy = 0.0, 0.0
        self._seconds, self._message = seconds, message
        self._free = dict.fromkeys(self.workers, 0.0)
        self._events: list[tuple[float, int, str, Message]] = []
        self._order = count()
        self._mark = time.process_time()

    def clock(self) -> float:
        return self.now

    def open(self, worker: str, order: WorkOrder) -> None:
        self._later(0.0, worker, WorkerReady(order.facts()))

    def give(self, worker: str, chunk: Chunk) -> None:
        self._spend(1)
        end = max(self.now, self._free[worker])
        for place, task in chunk:
            end += self._seconds()
            self._later(end, worker, TaskFinished(place, result_of(task)))
        self._free[worker] = end
        self._later(end, worker, ChunkFinished())

    def wait(self, seconds: float) -> Sequence[tuple[str, Message]]:
        self._spend(0)
        if self._events and self._events[0][0] > self.now:
            self.now = min(self._events[0][0], self.now + seconds)
        said: list[tuple[str, Message]] = []
        while self._events and self._events[0][0] <= self.now and len(said) < len(self.workers):
            _, _, worker, message = heapq.heappop(self._events)
            said.append((worker, message))
        self._spend(len(said))
        return said

    def end(self, worker: str) -> None:
        del worker

    def close(self) -> None:
        return

    def _later(self, when: float, worker: str, message: Message) -> None:
        heapq.heappush(self._events, (when, next(self._order), worker, message))

    def _spend(self, messages: int) -> None:
        """Let the driver's own time pass: what it computed since the last call, and what messages cost."""
        now = time.process_time()
        spent = now - self._mark + messages * self._message
        self._mark = now
        self.now += spent
        self.busy += spent


def tasks_in(folder: Path, number: int) -> Plan:
    """As many tasks as that, of one picture."""
    photo = folder / "photo.jpg"
    photo.write_bytes(encoded(scene(64, 64)))
    options = ResolvedOptions(work_size=32)
    (folder / "out").mkdir(exist_ok=True)
    return Plan(
        tuple(Task(str(photo), str(folder / "out" / f"{n}.jpg"), str(folder / "out"), options) for n in range(number))
    )


def carried_out(whole: Plan, folder: Path, pool: TaskPool, workers: WorkerPlan) -> int:
    """Rows of a plan by a pool, with everything that a command does with them."""
    found = find_style(str(save_style(folder / "tiny.safetensors", work_size=32)))
    translator = open_style(found, "cpu", "fp32")
    job = StyleJob(whole, translator.style, lambda: translator, workers.order(found, translator.style))
    return sum(1 for _ in convert_styles([job], pool=pool))


def simulate(message: float, each_has: int) -> None:
    """The table: pictures a second, and the share of the workers' time that is work."""
    print(
        f"messages of {message * 1e3:.2f} ms, {each_has} pictures a worker: pictures a second, share of workers' time"
    )
    print("workers" + "".join(f"{f'{each:g} s a picture':>20}" for each in _SECONDS))
    for gpus in _GPUS:
        cells, number = [], each_has * gpus
        for each in _SECONDS:
            chance = random.Random(0)
            pool = SimulatedPool(gpus, partial(chance.lognormvariate, _log(each), 0.5), message)
            with tempfile.TemporaryDirectory() as name, _on_clock(pool.clock):
                folder = Path(name)
                workers = WorkerPlan(("cpu",) * gpus, "fp32", 1)
                pool._mark = time.process_time()
                carried_out(tasks_in(folder, number), folder, pool, workers)
            rate = number / pool.now
            cells.append(f"{rate:12.0f} {rate * each / gpus:6.0%}")
        print(f"{gpus:7}" + "".join(f"{cell:>20}" for cell in cells), flush=True)


def _log(mean: float) -> float:
    """Of a lognormal distribution with a sigma of 0.5: its mu, for a mean."""
    import math

    return math.log(mean) - 0.5**2 / 2


@contextmanager
def _on_clock(clock: Callable[[], float]) -> Iterator[None]:
    """The driver measures time on this clock."""
    before = driver.Driver
    driver.Driver = partial(before, clock=clock)  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        driver.Driver = before  # type: ignore[misc]


def null(number: int, ray: bool) -> None:
    """Processor seconds of the driver for a picture that takes no time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("simulated", "processes", *(("ray",) if ray else ())):
            with _pool(kind, NullWorker) as (pool, workers):
                carried_out(tasks_in(folder, 8), folder, pool, workers)  # workers are started
                begun = time.process_time()
                carried_out(tasks_in(folder, number), folder, pool, workers)
                spent = (time.process_time() - begun) / number
            print(f"{kind:12}{spent * 1e3:8.3f} ms of the driver's CPU a picture", flush=True)


@contextmanager
def _pool(kind: str, worker: type[Worker]) -> Iterator[tuple[TaskPool, WorkerPlan]]:
    if kind == "simulated":
        pool = SimulatedPool(2, lambda: 0.0, 0.0)
        with _on_clock(pool.clock):
            yield pool, WorkerPlan(("cpu", "cpu"), "fp32", 1)
    elif kind == "processes":
        workers = WorkerPlan(("cpu", "cpu"), "fp32", 1)
        with ProcessPool(workers.devices, worker) as processes:
            yield processes, workers
    else:
        with _ray(worker) as found:
            yield found


@contextmanager
def _ray(worker: type[Worker]) -> Iterator[tuple[Any, WorkerPlan]]:
    from ray.cluster_utils import Cluster

    from imgcycle.jobs.pools.ray import RayPool

    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "object_store_memory": 80 * 2**20})
    try:
        workers = plan_workers(MachineOptions(device="cpu"), WorkerOptions(workers=2, cluster=cluster.address))
        assert workers is not None
        assert workers.room is not None
        with RayPool(workers.room, "cpu", 0, worker) as pool:
            yield pool, workers
    finally:
        cluster.shutdown()


def pictures(style: str, number: int, rounds: int, ray: bool) -> None:
    """Seconds for a picture by threads, processes, Ray, after their start, in turn: by the clock, and of all cores."""
    kinds = ("threads", "processes", *(("ray",) if ray else ()))
    spent: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = folder / "photos"
        photos.mkdir()
        for n in range(number):
            (photos / f"{n}.jpg").write_bytes(encoded(scene(256, 256, n)))
        found = find_style(style)
        translator = open_style(found, "cpu", "fp32")
        for turn in range(1, rounds + 1):
            for kind in kinds:
                request = ConvertRequest((str(photos),), f"{folder}/{kind}-{turn}/")
                whole = plan(request, translator.style)
                with _pool(kind, Worker) if kind != "threads" else _nothing() as (pool, workers):
                    order = None if workers is None else workers.order(found, translator.style)
                    job = StyleJob(whole, translator.style, lambda: translator, order)
                    spent[kind].append(_after_start(convert_styles([job], pool=pool), number))
            for kind in kinds:
                clock, used = spent[kind][-1]
                print(f"round {turn}: {kind:12}{clock * 1e3:8.2f} ms a picture, {used * 1e3:8.2f} of CPU", flush=True)
    for kind in kinds:
        for n, what in enumerate(("ms a picture", "ms of CPU")):
            each = [(mine[n], threads[n]) for mine, threads in zip(spent[kind], spent["threads"], strict=True)]
            ratio = statistics.median(mine / threads for mine, threads in each)
            typical = statistics.median(mine for mine, _ in each)
            print(f"{kind:12}{typical * 1e3:8.2f} {what}, {ratio:5.3f} of threads'")


@contextmanager
def _nothing() -> Iterator[tuple[None, None]]:
    yield None, None


def _after_start(events: Iterator[Any], number: int) -> tuple[float, float]:
    """Seconds a picture from a tenth of the rows to nine tenths: of the clock, and of all processors."""
    from imgcycle.jobs.events import RowFinished

    rows, begun, ended = 0, (0.0, 0.0), (0.0, 0.0)
    low, high = number // 10, number * 9 // 10
    for event in events:
        rows += isinstance(event, RowFinished)
        if isinstance(event, RowFinished) and rows == low:
            begun = time.perf_counter(), _cpu()
        if isinstance(event, RowFinished) and rows == high:
            ended = time.perf_counter(), _cpu()
    clock, used = ((after - before) / max(1, high - low) for before, after in zip(begun, ended, strict=True))
    return clock, used


def _cpu() -> float:
    """Processor seconds of this process, its descendants, and everything that is Ray's."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    rays: set[int] = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            words = (path / "cmdline").read_bytes()
        except OSError:
            continue
        pid = int(path.name)
        parents[pid], ticks[pid] = int(fields[1]), int(fields[11]) + int(fields[12])
        if b"raylet" in words or b"gcs_server" in words or b"ray::" in words:
            rays.add(pid)

    def ours(pid: int) -> bool:
        while pid > 1:
            if pid == os.getpid() or pid in rays:
                return True
            pid = parents.get(pid, 0)
        return False

    return sum(ticks[pid] for pid in ticks if ours(pid)) / os.sysconf("SC_CLK_TCK")


def main(words: Sequence[str]) -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("null", "pictures", "simulate"))
    parser.add_argument("--style", default="monet")
    parser.add_argument("--count", type=int, default=300, help="pictures; in the simulation for each worker")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--message", type=float, default=0.1, help="milliseconds of the driver for a message")
    parser.add_argument("--no-ray", action="store_true")
    asked = parser.parse_args(words)
    if asked.what == "null":
        null(asked.count, not asked.no_ray)
    elif asked.what == "pictures":
        pictures(asked.style, asked.count, asked.rounds, not asked.no_ray)
    else:
        simulate(asked.message / 1e3, asked.count)


if __name__ == "__main__":
    main(sys.argv[1:])
