"""A real Ray cluster of three nodes on this machine: `pip install 'imgcycle[ray]' && pytest tests/drills/test_ray.py`.

Whatever dies, every picture is made once, rows tell the truth, and no stray file is left.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from imgcycle.config import ConvertRequest
from imgcycle.jobs.events import RowFinished
from imgcycle.jobs.images.batch import StyleJob, convert_styles
from imgcycle.jobs.images.plan import plan
from imgcycle.jobs.pools.ray import RayPool, WorkerRoom, connect, node_rooms
from imgcycle.jobs.pools.setup import WorkerPlan
from imgcycle.jobs.translators import open_style
from imgcycle.weights.find import find_style
from tests.drills.batch import PLAIN, statuses
from tests.drills.cluster import LocalCluster, local_cluster
from tests.jobs.pools.test_processes import MortalWorker

pytestmark = pytest.mark.filterwarnings("ignore")
COUNT = 120


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with local_cluster(tmp_path_factory.mktemp("cluster"), COUNT) as found:
        yield found


@pytest.mark.parametrize("words", [["--workers", "2", *PLAIN], ["--workers", "4", *PLAIN], ["--cluster"]])
def test_the_same_bytes_and_ledger_from_processes_and_from_a_cluster(
    cluster: LocalCluster, words: Sequence[str]
) -> None:
    where = [*words, *([cluster.address] if "--cluster" in words else [])]
    output = "-".join(word.strip("-") for word in words)
    process = cluster.start(output, "--json", *where)
    said, told = process.communicate()
    assert (process.returncode, told) == (0, "")
    assert statuses(said) == {"done": COUNT}, "and nothing of Ray's among them"
    workers = {row["worker"] for row in map(json.loads, said.splitlines()) if "worker" in row}
    assert len(workers) == (int(words[1]) if "--workers" in words else 3)
    cluster.check(output)
    cluster.no_actor_within(10)


def test_an_actor_that_is_killed_costs_nothing(cluster: LocalCluster) -> None:
    process = cluster.start("killed", "--json", "--cluster", cluster.address)
    for files in (20, 60):
        cluster.wait_for("killed", files)
        cluster.kill_actor()
    said, told = process.communicate()
    assert (process.returncode, told, statuses(said)) == (0, "", {"done": COUNT})
    cluster.check("killed")
    cluster.no_actor_within(10)


def test_a_node_goes_and_another_comes(cluster: LocalCluster) -> None:
    process = cluster.start("moved", "--json", "--cluster", cluster.address)
    cluster.wait_for("moved", 20)
    cluster.cluster.remove_node(cluster.nodes.pop(), allow_graceful=False)
    time.sleep(2)
    cluster.nodes.append(cluster.added())
    said, told = process.communicate()
    assert (process.returncode, told, statuses(said)) == (0, "", {"done": COUNT})
    cluster.check("moved")
    cluster.no_actor_within(10)


def test_the_driver_is_killed_and_the_plain_command_goes_on(cluster: LocalCluster) -> None:
    process = cluster.start("ended", "--cluster", cluster.address)
    cluster.wait_for("ended", 20)
    process.kill()
    process.communicate()
    cluster.no_actor_within(30)
    cluster.check_goes_on("ended")


def test_an_interrupt_ends_all_actors_within_seconds(cluster: LocalCluster) -> None:
    process = cluster.start("stopped", "--cluster", cluster.address)
    cluster.wait_for("stopped", 20)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    _, told = process.communicate()
    assert process.returncode == 130
    assert time.monotonic() - begun < 30  # on a machine with a load of ten; else two or three
    assert "interrupted; what was finished stays" in told
    cluster.no_actor_within(5)
    made = cluster.made("stopped")
    assert {name: cluster.plain[name] for name in made} == made, "whole ones alone, none of them temporary"


def test_a_picture_that_kills_its_actors_costs_itself_alone(cluster: LocalCluster, tmp_path: Path) -> None:
    found = find_style(str(cluster.style))
    translator = open_style(found, "cpu", "fp32")
    connect(cluster.address)
    room = WorkerRoom.within(node_rooms(), 3, False)
    order = WorkerPlan(("cpu",) * 3, "fp32", 1, room).order(found, translator.style)
    whole = plan(ConvertRequest((str(cluster.photos),), f"{tmp_path / 'out'}/"), translator.style)
    with RayPool(room, "cpu", worker=MortalWorker) as pool:
        events = list(convert_styles([StyleJob(whole, translator.style, lambda: translator, order)], pool=pool))
    ends = {Path(e.row.input).name: e.row for e in events if isinstance(e, RowFinished)}
    assert len(ends) == COUNT
    assert {name for name, row in ends.items() if row.status != "done"} == {"5.jpg"}
    assert "the process died 3 times on it (ray/" in str(ends["5.jpg"].error)
    made = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*.jpg")}
    assert made == {Path(name).name: data for name, data in cluster.plain.items() if name != "2/5.jpg"}
    cluster.no_actor_within(10)
