"""Killed, interrupted, and several at once: training as a process among others."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.training.processes import SMALL, TrainingProcess
from tests.training.toys import final_state, same, texture_world


@pytest.fixture
def world(tmp_path: Path) -> tuple[Path, Path]:
    return texture_world(tmp_path)


def test_a_run_killed_twice_and_resumed_equals_one_straight_through(world: tuple[Path, Path], tmp_path: Path) -> None:
    options = [*SMALL, "--steps", "60", "--save-every", "7"]
    straight = TrainingProcess(*world, "-o", tmp_path / "straight", *options)
    first = TrainingProcess(*world, "-o", tmp_path / "run", *options)
    first.wait_for("saved step 7")
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    second = TrainingProcess("-o", tmp_path / "run", "--resume")
    second.wait_for("saved step 28")
    assert second.end(signal.SIGKILL) == -signal.SIGKILL
    third = TrainingProcess("-o", tmp_path / "run", "--resume")
    assert third.end() == 0, third.lines
    assert straight.end() == 0, straight.lines
    assert same(final_state(tmp_path / "straight"), final_state(tmp_path / "run"))
    metrics = [(tmp_path / run / "metrics.jsonl").read_text() for run in ("straight", "run")]
    assert metrics[0] == metrics[1]
    assert not list((tmp_path / "run").rglob("*.partial"))


def test_an_interrupt_saves_and_leaves_with_130(world: tuple[Path, Path], tmp_path: Path) -> None:
    training = TrainingProcess(*world, "-o", tmp_path / "run", *SMALL, "--steps", "100000", "--save-every", "99999")
    training.wait_for("step 50/")
    assert training.end(signal.SIGINT) == 130
    assert training.lines[-1].startswith("imgcycle: stopped at step")
    assert "--resume" in training.lines[-1]
    assert final_state(tmp_path / "run")["step"] >= 50


SPY = """
import os, sys
from pathlib import Path
import torch
import imgcycle.training.run as run
from imgcycle.cli.commands.train_config import build_config
from imgcycle.training.loop import train
made = []
class Spy(run.Session):
    def __init__(self, *args):
        super().__init__(*args)
        made.append(self)
run.Session = Spy
torch.set_num_threads(1)
red, blue, folder, steps = sys.argv[1:]
given = dict(a=red, b=blue, width=4, discriminator="nlayers", discriminator_layers=2, discriminator_width=8,
             size=40, crop=32, pool=3, precision="fp32", device="cpu", steps=int(steps), save_every=4)
train(build_config(given), Path(folder), resume=(Path(folder) / "config.json").exists())
torch.save({n: net.state_dict() for n, net in made[0].nets.items()}, f"{folder}-rank{os.environ['RANK']}.pt")
"""


def torchrun(script: Path, *words: str | Path) -> None:
    launched = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={free_port()}",
         str(script), *map(str, words)],
        capture_output=True, text=True, timeout=1200, check=False,
    )  # fmt: skip
    assert launched.returncode == 0, launched.stderr


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def test_two_ranks_keep_equal_weights_and_resume(world: tuple[Path, Path], tmp_path: Path) -> None:
    script = tmp_path / "spy.py"
    script.write_text(SPY)
    torchrun(script, *world, tmp_path / "straight", "12")
    torchrun(script, *world, tmp_path / "halves", "8")
    torchrun(script, *world, tmp_path / "halves", "12")
    for name in ("straight", "halves"):
        ranks = [torch.load(tmp_path / f"{name}-rank{n}.pt", weights_only=True) for n in (0, 1)]
        assert same(*ranks)
    state = final_state(tmp_path / "straight")
    assert state["step"] == 12
    pools = [rank["pools"]["B"][0] for rank in state["method"]]
    assert len(pools) == 2
    assert not torch.equal(*pools), "each rank has seen its own images"
    resumed = final_state(tmp_path / "halves")
    assert resumed["step"] == 12
    assert [len(rank["pools"]["A"]) for rank in resumed["method"]] == [3, 3]


def test_a_killed_rank_ends_the_other_with_a_clear_line(world: tuple[Path, Path], tmp_path: Path) -> None:
    together = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    words: list[str | Path] = [*world, "-o", tmp_path / "run", *SMALL, "--steps", "100000", "--save-every", "20"]
    ranks = [TrainingProcess(*words, env={**together, "RANK": str(n), "LOCAL_RANK": str(n)}) for n in (0, 1)]
    ranks[0].wait_for("saved step 20")
    ranks[1].end(signal.SIGKILL)
    assert ranks[0].end() == 1
    said = [line for line in ranks[0].lines if line.startswith("imgcycle:")]
    assert len(said) == 1
    assert "another of the 2 processes stopped" in said[0]
    assert "Traceback" not in "\n".join(ranks[0].lines)
    assert final_state(tmp_path / "run")["step"] >= 20
