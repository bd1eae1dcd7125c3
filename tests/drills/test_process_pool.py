"""Processes of `--workers` that are killed, their driver killed: `pytest tests/drills/test_process_pool.py`.

Whatever dies, every picture is made once, rows tell the truth, and no stray file is left.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from imgcycle.config import ConvertRequest
from imgcycle.jobs.events import RowFinished
from imgcycle.jobs.images.batch import StyleJob, convert_styles
from imgcycle.jobs.images.plan import plan
from imgcycle.jobs.pools.processes import ProcessPool
from imgcycle.jobs.pools.setup import WorkerPlan
from imgcycle.jobs.translators import open_style
from imgcycle.weights.find import find_style
from tests.drills.batch import PLAIN, Batch, processes, statuses, wait_for_none
from tests.jobs.pools.test_processes import MortalWorker

COUNT = 80


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    return Batch(tmp_path_factory.mktemp("batch"), COUNT)


@pytest.mark.parametrize("seed", range(2))
def test_a_worker_that_is_killed_costs_nothing(batch: Batch, seed: int) -> None:
    chance, output = random.Random(seed), f"killed-{seed}"
    process = batch.start(output, "--json", "--workers", "2", *PLAIN)
    for files in (chance.randrange(1, 30), chance.randrange(40, 60)):
        batch.wait_for(output, files)
        time.sleep(chance.uniform(0, 0.2))
        os.kill(chance.choice(processes(b"spawn_main", process.pid)), signal.SIGKILL)
    said, told = process.communicate()
    assert (process.returncode, told, statuses(said)) == (0, "", {"done": COUNT})
    batch.check(output)


def test_the_driver_is_killed_and_the_plain_command_goes_on(batch: Batch) -> None:
    process = batch.start("ended", "--workers", "2", *PLAIN)
    batch.wait_for("ended", 20)
    workers = processes(b"spawn_main", process.pid)
    assert len(workers) == 2
    process.kill()
    process.communicate()
    wait_for_none(workers, 10)
    batch.check_goes_on("ended")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_all_workers_within_seconds(batch: Batch, how: signal.Signals) -> None:
    output = f"stopped-{how.name}"
    process = batch.start(output, "--workers", "2", *PLAIN)
    batch.wait_for(output, 20)
    workers = processes(b"spawn_main", process.pid)
    begun = time.monotonic()
    process.send_signal(how)
    _, told = process.communicate()
    assert process.returncode == 130
    assert time.monotonic() - begun < 30  # on a machine with a load of ten; else two or three
    assert "interrupted; what was finished stays" in told
    wait_for_none(workers, 1)
    made = batch.made(output)
    assert {name: batch.plain[name] for name in made} == made, "whole ones alone, none of them temporary"


def test_a_picture_that_kills_its_processes_costs_itself_alone(batch: Batch, tmp_path: Path) -> None:
    found = find_style(str(batch.style))
    translator = open_style(found, "cpu", "fp32")
    workers = WorkerPlan(("cpu", "cpu"), "fp32", 1)
    whole = plan(ConvertRequest((str(batch.photos),), f"{tmp_path / 'out'}/"), translator.style)
    job = StyleJob(whole, translator.style, lambda: translator, workers.order(found, translator.style))
    with ProcessPool(workers.devices, MortalWorker) as pool:
        events = list(convert_styles([job], pool=pool))
    ends = {Path(e.row.input).name: e.row for e in events if isinstance(e, RowFinished)}
    assert len(ends) == COUNT
    assert {name for name, row in ends.items() if row.status != "done"} == {"5.jpg"}
    assert "the process died 3 times on it (cpu/" in str(ends["5.jpg"].error)
    made = {
        path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.suffix in (".jpg", ".partial")
    }
    assert made == {Path(name).name: data for name, data in batch.plain.items() if name != "2/5.jpg"}
