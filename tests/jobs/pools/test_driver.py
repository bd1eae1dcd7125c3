"""The driver alone, with workers that live in this process and die when they are told to."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from imgcycle.errors import ImgcycleError, UsageError
from imgcycle.jobs.pools import driver
from imgcycle.jobs.pools.driver import (
    ChunkFinished,
    Driver,
    Message,
    TaskFinished,
    WorkerLost,
    WorkerReady,
    WorkerRefused,
)
from imgcycle.jobs.pools.worker import Chunk, WorkerFacts, WorkOrder
from imgcycle.jobs.recipe import ResolvedOptions
from imgcycle.jobs.tasks import Outcome, Row, Task, TaskResult, Verdict
from imgcycle.weights.find import FoundStyle

ORDER = WorkOrder(style=FoundStyle("tiny", Path("tiny.safetensors")), digest="d" * 64)


def tasks(count: int, verdict: Verdict = "convert") -> list[Task]:
    return [Task(f"{n}.jpg", f"out/{n}.jpg", "out", ResolvedOptions(), verdict) for n in range(count)]


class FakePool:
    """Each `wait` lets every worker do one task of its first chunk; `fate` may say how it dies of it."""

    def __init__(self, names: Sequence[str], fate: Callable[[str, int], str] = lambda *_: "") -> None:
        self.workers = names
        self.fate = fate
        self.facts = ORDER.facts()
        self.refuses = ""
        self.chunks: dict[str, deque[list[int]]] = defaultdict(deque)
        self.given: list[tuple[str, list[int], int]] = []
        self.opened: list[str] = []
        self.ended: list[str] = []
        self._said: list[tuple[str, Message]] = []

    def open(self, worker: str, order: WorkOrder) -> None:
        assert order is ORDER
        self.opened.append(worker)
        self._said.append((worker, WorkerRefused(self.refuses) if self.refuses else WorkerReady(self.facts)))

    def give(self, worker: str, chunk: Chunk) -> None:
        self.chunks[worker].append([place for place, _ in chunk])
        self.given.append((worker, [place for place, _ in chunk], len(self.chunks[worker])))

    def wait(self, seconds: float) -> Sequence[tuple[str, Message]]:
        assert seconds > 0
        said, self._said = self._said, []
        for name, chunks in self.chunks.items():
            if not chunks:
                continue
            place = chunks[0][0]
            if reason := self.fate(name, place):
                chunks.clear()
                said.append((name, WorkerLost(reason)))
                continue
            chunks[0].pop(0)
            said.append((name, TaskFinished(place, TaskResult(Row(f"{place}.jpg", f"out/{place}.jpg", "done")))))
            if not chunks[0]:
                chunks.popleft()
                said.append((name, ChunkFinished()))
        return said

    def end(self, worker: str) -> None:
        self.ended.append(worker)

    def close(self) -> None:
        pass


def carried_out(count: int, pool: FakePool) -> dict[int, Outcome]:
    found = list(Driver(tasks(count), pool, ORDER).run())
    assert sorted(each.place for each in found) == list(range(count)), "each is over, and once"
    return {each.place: each for each in found}


def test_workers_pull_chunks_that_grow_and_shrink_to_one_at_the_end() -> None:
    pool = FakePool(["a", "b"])
    found = carried_out(200, pool)
    assert {each.result.row.worker for each in found.values()} == {"a", "b"}
    assert all(each.result.row.status == "done" for each in found.values())
    sizes = [len(chunk) for _, chunk, _ in pool.given]
    assert sizes[0] == 1
    assert max(sizes) == driver.MOST
    assert sizes[-1] == 1
    assert max(behind for _, _, behind in pool.given) == 2
    assert pool.given[-1][2] == 1, "at the end nobody has two"
    assert found[199].rates.keys() == {"a", "b"}


def test_what_means_no_work_is_over_at_once_and_starts_nobody() -> None:
    pool = FakePool(["a"])
    (found,) = Driver(tasks(1, "skip"), pool, ORDER).run()
    assert found.result.row.status == "skipped"
    assert pool.opened == []


def test_a_death_costs_no_picture_and_charges_nobody_else() -> None:
    deaths: list[int] = []

    def fate(name: str, place: int) -> str:
        if place == 7:
            deaths.append(place)
            return "was ended by SIGSEGV"
        return ""

    pool = FakePool(["a", "b"], fate)
    found = carried_out(40, pool)
    assert len(deaths) == 3
    assert found[7].result.row.status == "failed"
    assert found[7].result.row.error is not None
    assert "the process died 3 times on it" in found[7].result.row.error
    assert "was ended by SIGSEGV" in found[7].result.row.error
    assert all(each.result.row.status == "done" for place, each in found.items() if place != 7)
    # After the first death it is tried with nothing before and nothing behind it.
    assert [(chunk, behind) for _, chunk, behind in pool.given if 7 in chunk][1:] == [([7], 1)] * 2
    assert len(pool.opened) == 2 + 3


def test_one_death_is_no_verdict() -> None:
    died: list[int] = []

    def fate(name: str, place: int) -> str:
        if place in (3, 20) and place not in died:
            died.append(place)
            return "ended with exit code 1"
        return ""

    found = carried_out(30, FakePool(["a"], fate))
    assert died == [3, 20]
    assert all(each.result.row.status == "done" for each in found.values())


def test_workers_that_die_idle_end_the_work() -> None:
    class Stillborn(FakePool):
        def open(self, worker: str, order: WorkOrder) -> None:
            assert order is ORDER
            self._said.append((worker, WorkerLost("ended with exit code 3")))

    with pytest.raises(ImgcycleError, match=r"before they are given anything: a ended with exit code 3"):
        carried_out(3, Stillborn(["a"]))


def test_a_worker_that_would_compute_otherwise_is_refused_by_its_name() -> None:
    pool = FakePool(["node-3/1"])
    here = ORDER.facts()
    pool.facts = WorkerFacts(here.version, "1.0", here.weights, "bf16", here.threads)
    with pytest.raises(UsageError, match=r"worker node-3/1 .*torch 1\.0 and not .*, precision bf16 and not fp32"):
        carried_out(3, pool)
    pool = FakePool(["a"])
    pool.refuses = "tiny.safetensors is damaged"
    with pytest.raises(UsageError, match=r"worker a: tiny\.safetensors is damaged"):
        carried_out(3, pool)


def test_a_task_waits_for_those_it_has_need_of_and_fails_with_them() -> None:
    pool = FakePool(["a", "b"])
    found = list(Driver(tasks(6), pool, ORDER, after={0: [3, 5], 1: [4]}).run())
    order = [each.place for each in found]
    assert sorted(order) == list(range(6))
    assert order.index(0) > max(order.index(3), order.index(5))
    assert order.index(1) > order.index(4)

    pool = FakePool(["a", "b"], lambda _, place: "died" if place == 3 else "")
    ends = {each.place: each.result.row for each in Driver(tasks(6), pool, ORDER, after={0: [3, 5]}).run()}
    assert {place for place, row in ends.items() if row.status == "failed"} == {0, 3}
    assert ends[0].error == ends[3].error
    assert 0 not in [place for _, chunk, _ in pool.given for place in chunk]


def test_what_takes_too_long_is_made_elsewhere_as_well() -> None:
    now = [0.0]

    class Slow(FakePool):
        def wait(self, seconds: float) -> Sequence[tuple[str, Message]]:
            now[0] += 1.0
            held = self.chunks["a"] if self.chunks["a"] and self.chunks["a"][0] == [0] else None
            if held is not None:
                self.chunks["a"] = deque()
            said = super().wait(seconds)
            if held is not None:
                self.chunks["a"] = held
            return said

    pool = Slow(["a", "b"])
    found = {each.place: each for each in Driver(tasks(5), pool, ORDER, clock=lambda: now[0]).run()}
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert {each.result.row.worker for each in found.values()} == {"b"}
    assert [name for name, chunk, _ in pool.given if 0 in chunk] == ["a", "b"]
    assert now[0] > 30
    assert pool.ended == ["a"], "whoever was slower is not waited for"
