"""A pool of real processes: what a death, a driver's end and several styles come to. It starts few of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

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
from tests.jobs.films import film, scenes
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


def test_an_interrupt_ends_all_workers_and_leaves_what_is_whole(tmp_path: Path) -> None:
    photos = tree(tmp_path / "photos", 300)
    weights = save_style(tmp_path / "tiny.safetensors", work_size=32)
    command = ["convert", str(photos), "--to", str(weights), "--workers", "2", "-o", f"{tmp_path / 'out'}/"]
    process = subprocess.Popen([sys.executable, "-m", "imgcycle", *command], stderr=subprocess.PIPE, text=True)
    while not list((tmp_path / "out").rglob("*.jpg")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "imgcycle: interrupted; what was finished stays, the same command goes on"
    assert "Traceback" not in said
    made = list((tmp_path / "out").rglob("*.*g"))
    assert 0 < len(made) < 300
    for path in made:
        Image.open(path).load()
    assert not list((tmp_path / "out").rglob("*.partial"))


def test_a_clip_is_made_in_ranges_and_comes_out_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = scenes(tmp_path / "a.mp4", [14, 12])
    weights = save_style(tmp_path / "tiny.safetensors", work_size=32)
    command = ["video", str(clip), "--to", str(weights), "--precision", "fp32"]
    assert run([*command, "--json", "-v", "--workers", "2", "--no-resume", "-o", str(tmp_path / "two.mp4")]) == 0
    said, told = capsys.readouterr()
    lines = [json.loads(line) for line in said.splitlines()]
    (row,) = [each for each in lines if "status" in each]
    assert (row["status"], row["frames"]) == ("done", 52)
    assert "made in 2 ranges at once" in told
    heard = [json.loads(line).get("progress", {}) for line in told.splitlines() if line.startswith("{")]
    shares = [each["frame"] for each in heard if "frame" in each]
    assert shares == sorted(shares)
    assert max(shares, default=0) <= 52, "told by the clock: frames may come between two times"
    assert {each["frames"] for each in heard if "frames" in each} == {52}, "those of the whole clip"
    assert run([*command, "-o", str(tmp_path / "one.mp4")]) == 0
    assert (tmp_path / "two.mp4").read_bytes() == (tmp_path / "one.mp4").read_bytes()
    assert not (tmp_path / ".imgcycle" / "clips").exists()


def test_clips_are_shared_among_processes_and_come_out_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clips").mkdir()
    for n in range(3):
        film(tmp_path / "clips" / f"{n}.mp4", 4 + n)
    (tmp_path / "clips" / "bad.mp4").write_bytes(b"no clip")
    weights = save_style(tmp_path / "tiny.safetensors", work_size=32)
    command = ["video", str(tmp_path / "clips"), "--to", str(weights), "--precision", "fp32", "--json"]
    assert run([*command, "--workers", "2", "-o", f"{tmp_path / 'two'}/"]) == 1
    rows = {
        Path(row["input"]).name: row for row in map(json.loads, capsys.readouterr().out.splitlines()) if "input" in row
    }
    assert {name: (row["status"], row["frames"]) for name, row in rows.items()} == {
        "0.mp4": ("done", 4), "1.mp4": ("done", 5), "2.mp4": ("done", 6), "bad.mp4": ("failed", 0)
    }  # fmt: skip
    assert {row["worker"] for row in rows.values()} <= {"cpu/1", "cpu/2"}
    assert run([*command, "-o", f"{tmp_path / 'one'}/"]) == 1
    for n in range(3):
        assert (tmp_path / "two" / f"{n}.mp4").read_bytes() == (tmp_path / "one" / f"{n}.mp4").read_bytes()
    capsys.readouterr()
    assert run([*command, "-o", f"{tmp_path / 'two'}/"]) == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["summary"]["skipped"] == 3
