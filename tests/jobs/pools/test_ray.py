"""The pool of Ray actors over a stand-in for Ray; the real one is in `tests/drills/test_ray.py`."""

from __future__ import annotations

import pickle
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import current_thread

import pytest

from imgcycle.cli.app import run
from imgcycle.config.program import MachineOptions, WorkerOptions
from imgcycle.errors import UsageError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.events import Event, Note
from imgcycle.jobs.pools import ray as pools_ray
from imgcycle.jobs.pools.driver import ChunkFinished, Driver, Message, TaskFinished, WorkerReady
from imgcycle.jobs.pools.ray import ActorWorker, NodeRoom, RayPool, WorkerRoom, connect
from imgcycle.jobs.pools.setup import plan_workers
from imgcycle.jobs.pools.worker import Chunk, Finished, Heard, Worker, WorkerFacts, WorkOrder
from imgcycle.jobs.tasks import Row, TaskResult
from tests.jobs.pools.ray_here import RayHere
from tests.jobs.pools.test_driver import ORDER, tasks


class NoWork(Worker):
    """Every task is done as soon as it is begun."""

    def open(self, order: WorkOrder) -> WorkerFacts:
        return order.facts()

    def run(self, chunk: Chunk, finished: Finished, heard: Heard) -> None:
        del heard
        for place, task in chunk:
            finished(place, TaskResult(Row(task.input, task.output, "done")))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[RayHere]:
    found = RayHere([{"CPU": 2, "memory": 8e9}, {"CPU": 3, "memory": 6e9, "GPU": 0}])
    monkeypatch.setitem(sys.modules, "ray", found)
    monkeypatch.setitem(sys.modules, "ray.exceptions", found.exceptions)
    yield found
    for each in found.actors:  # whose processes would be gone
        each.actor.stop()
        assert not each.actor._thread.is_alive()


ROOM = WorkerRoom(2, 1, 0.0, 2**30)


def test_actors_share_the_work_and_say_where_they_are(here: RayHere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "node-7")
    with RayPool(ROOM, "cpu", 2**31, NoWork) as pool:
        found = list(Driver(tasks(40), pool, ORDER).run())
    assert sorted(each.place for each in found) == list(range(40))
    assert {each.result.row.worker for each in found} <= {"ray/1@node-7", "ray/2@node-7"}
    assert here.asked == [{"num_cpus": 1, "num_gpus": 0.0, "max_concurrency": 4, "memory": 2**31}] * 2
    assert all(actor.dead for actor in here.actors), "none is left in the cluster"
    assert here.left == 1


def test_what_a_lost_actor_had_is_made_by_another(here: RayHere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "node-7")
    died = []  # what an actor said last may be lost with it, so that another task is charged with its death

    class Mortal(NoWork):
        def run(self, chunk: Chunk, finished: Finished, heard: Heard) -> None:
            if any(place == 5 for place, _ in chunk):
                died.append(5)
                next(each for each in here.actors if not each.dead and each.actor._thread is current_thread()).die(
                    "The node is gone"
                )
                raise KeyboardInterrupt
            super().run(chunk, finished, heard)

    with RayPool(ROOM, "cpu", worker=Mortal) as pool:
        found = {each.place: each.result.row for each in Driver(tasks(30), pool, ORDER).run()}
    assert sorted(found) == list(range(30))
    assert {place for place, row in found.items() if row.status != "done"} == {5}
    assert "died 3 times on it (ray/" in str(found[5].error)
    assert "@node-7 is gone with its machine" in str(found[5].error)
    assert len(here.actors) == 2 + len(died)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "died"),
        ("The actor died.\n  The node it ran on was removed.", "is gone with its machine"),
        ("error in its creation task\nImportError: no torch", "did not start: ImportError: no torch"),
    ],
)
def test_what_a_death_was_of_is_said_in_few_words(text: str, reason: str) -> None:
    assert pools_ray._reason(RuntimeError(text)) == reason


def test_an_actor_heeds_its_orders_in_turn_and_ends_between_two_tasks() -> None:
    actor = ActorWorker("cpu", NoWork)
    chunks = [[(place, task)] for place, task in enumerate(tasks(3))]
    actor.tell(2, pickle.dumps(chunks[1]))
    actor.tell(1, pickle.dumps(chunks[0]))
    actor.tell(0, pickle.dumps(ORDER))
    said: list[Message] = []
    while len(said) < 5:
        said += actor.listen()
    assert isinstance(said[0], WorkerReady)
    assert [each.place for each in said if isinstance(each, TaskFinished)] == [0, 1]
    assert isinstance(said[-1], ChunkFinished)
    actor.stop()
    actor.tell(3, pickle.dumps(chunks[2]))
    assert not actor._thread.is_alive()


def test_who_cannot_read_an_order_is_refused_by_name(here: RayHere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle, "dumps", lambda _: b"of another version")
    with RayPool(ROOM, "cpu", worker=NoWork) as pool, pytest.raises(UsageError, match=r"worker ray/\d.*cannot read"):
        list(Driver(tasks(3), pool, ORDER).run())


def test_when_there_is_no_room_that_is_said_once(here: RayHere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools_ray, "_PATIENCE", 0.0)
    heard: list[float | Event] = []

    class Late(NoWork):
        def open(self, order: WorkOrder) -> WorkerFacts:
            while not heard:
                time.sleep(0.01)
            return super().open(order)

    def hear(_: int, event: float | Event) -> None:
        heard.append(event)

    monkeypatch.setattr("imgcycle.jobs.pools.driver._WAIT", 0.05)
    with RayPool(ROOM, "cpu", worker=Late) as pool:
        assert len(list(Driver(tasks(9), pool, ORDER, hear).run())) == 9
    assert heard == [Note("no worker has a place in the cluster yet; each wants 1 cores")]


@pytest.mark.parametrize(
    ("nodes", "count", "on_gpus", "room"),
    [
        ([NodeRoom(8, 0, 80), NodeRoom(8, 0, 40)], None, False, (16, 1, 0.0, 5)),
        # Three of five cores would have no place on two machines of eight.
        ([NodeRoom(8, 0, 80), NodeRoom(8, 0, 40)], 3, False, (3, 4, 0.0, 20)),
        ([NodeRoom(2, 0, 8)], 5, False, (5, 1, 0.0, 4)),
        ([NodeRoom(0, 0, 0)], 5, False, (5, 1, 0.0, 0)),
        ([NodeRoom(64, 8, 800), NodeRoom(4, 0, 1)], None, True, (8, 8, 1.0, 100)),
        ([NodeRoom(64, 8, 800)], 24, True, (24, 2, 0.3333, 33)),
    ],
)
def test_what_each_worker_may_have(
    nodes: list[NodeRoom], count: int | None, on_gpus: bool, room: tuple[int, int, float, int]
) -> None:
    assert WorkerRoom.within(nodes, count, on_gpus) == WorkerRoom(*room)


def test_a_cluster_without_room_wants_a_number() -> None:
    with pytest.raises(UsageError, match=r"no GPU now .*--workers N"):
        WorkerRoom.within([NodeRoom(8, 0, 80)], None, True)


def test_workers_of_a_cluster_compute_in_fp32_and_bring_their_weights(here: RayHere, tmp_path: Path) -> None:
    given: list[object] = []
    here.begun = given.append
    shared = WorkerOptions(cluster="auto")
    assert plan_workers(MachineOptions(), shared, dry_run=True) is None
    assert given == []
    found = plan_workers(MachineOptions(), shared, MemoryBudget(2**30, promised=True))
    assert found is not None
    assert (found.devices, found.precision, found.threads, found.promised) == (("cpu",) * 5, "fp32", 1, 2**30)
    assert given == [{"address": "auto", "log_to_driver": False, "configure_logging": False}]
    with pytest.raises(UsageError, match=r"--device cuda:1 with --cluster"):
        plan_workers(MachineOptions(device="cuda:1"), shared)


def _refuses(error: Exception) -> Callable[[object], None]:
    def begun(_: object) -> None:
        raise error

    return begun


def test_a_cluster_that_is_not_there_takes_one_line(here: RayHere, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
    for address, line in (
        ("the-other-room", "is no address (auto, HOST:PORT or ray://HOST:PORT)"),
        ("host:99999", "is no address"),
        (nobody, "does not answer: Connection refused (`ray start --head` starts a cluster)"),
    ):
        assert run(["convert", "a.jpg", "--to", "monet", "--cluster", address]) == 2
        said = capsys.readouterr().err
        assert line in said
        assert said.count("\n") == 1
    here.begun = _refuses(ConnectionError("Could not find any running Ray instance. Please specify the one to use."))
    with pytest.raises(UsageError, match=r"--cluster auto cannot be used: Could not find any running Ray instance \("):
        connect("auto")


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for command in (["convert", "a.jpg"], ["video", "a.mp4"]):
        assert run([*command, "--to", "monet", "--cluster", "auto"]) == 2
        assert "pip install 'imgcycle[ray]'" in capsys.readouterr().err
