"""A pool of real processes: what a death, a driver's end and several styles come to. It starts few of them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from imgcycle.cli.app import run
from imgcycle.config import ConvertRequest
from imgcycle.jobs.events import Ended, RowFinished, WorkerRates
from imgcycle.jobs.images.batch import StyleJob, convert_styles
from imgcycle.jobs.images.plan import plan
from imgcycle.jobs.pools.processes import ProcessPool
from imgcycle.jobs.pools.setup import WorkerPlan
from imgcycle.jobs.pools.worker import Chunk, Finished, Heard, Worker
from imgcycle.jobs.translators import open_style
from imgcycle.media.files import PARTIAL
from imgcycle.weights.find import find_style
from tests.jobs.test_shard import tree
from tests.styles import save_style


class MortalWorker(Worker):
    """Dies like a codec that crashes when it comes to the picture called 5.jpg."""

    def run(self, chunk: Chunk, finished: Finished, heard: Heard) -> None:
        for entry in chunk:
            if Path(entry[1].input).name == "5.jpg":
                Path(entry[1].output).with_name(f"{PARTIAL}{os.getpid()}.partial").write_bytes(b"half")
                os.kill(os.getpid(), signal.SIGKILL)
            super().run([entry], finished, heard)


def test_a_picture_that_kills_its_process_costs_itself_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tree(tmp_path / "photos", 8)
    weights = save_style(tmp_path / "tiny.safetensors", work_size=32)
    found = find_style(str(weights))
    translator = open_style(found, "cpu", "fp32")
    workers = WorkerPlan(("cpu", "cpu"), "fp32", 1)
    whole = plan(ConvertRequest((str(photos),), f"{tmp_path / 'out'}/"), translator.style)
    job = StyleJob(whole, translator.style, lambda: translator, workers.order(found, translator.style))
    with ProcessPool(workers.devices, MortalWorker) as pool:
        events = list(convert_styles([job], pool=pool))
        assert pool.workers == ["cpu/1", "cpu/2"]
    rows = {Path(e.row.input).name: e.row for e in events if isinstance(e, RowFinished)}
    assert len(rows) == 8
    assert {name for name, row in rows.items() if row.status != "done"} == {"5.jpg"}
    assert "died 3 times on it" in str(rows["5.jpg"].error)
    assert "SIGKILL" in str(rows["5.jpg"].error)
    assert all(row.worker in ("cpu/1", "cpu/2") for row in rows.values())
    assert any(isinstance(e, WorkerRates) for e in events)
    assert isinstance(events[-1], Ended)
    assert not list((tmp_path / "out").rglob("*.partial"))
    # One process makes the same, and takes up what is there.
    command = ["convert", str(photos), "--to", str(weights), "--precision", "fp32"]
    assert run([*command, "-o", f"{tmp_path / 'one'}/"]) == 0
    for made in (tmp_path / "out").rglob("*.jpg"):
        assert made.read_bytes() == (tmp_path / "one" / made.relative_to(tmp_path / "out")).read_bytes()
    capsys.readouterr()
    assert run([*command, "-o", f"{tmp_path / 'out'}/"]) == 0
    assert "1 converted, 7 converted before" in capsys.readouterr().err
