"""Training on two gloo ranks under torchrun, and on four that become two: `pytest tests/drills/test_ddp.py`.

A rank is killed, one is slow, one has numbers that are none, the run goes on with as many ranks, and with fewer.
"""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from tests.drills.batch import ROOT, processes
from tests.training.processes import SMALL, TrainingProcess
from tests.training.toys import final_state, same, texture_world

STEPS, EVERY = 60, 6
HARMED = """
import os, runpy, sys, time
import torch
import imgcycle.training.run as run
from imgcycle.training.session import Session
harm, rank = os.environ["DRILL_HARM"], int(os.environ["RANK"])
class Harmed(Session):
    steps = 0
    def step(self, *given):
        super().step(*given)
        Harmed.steps += 1
        if rank == 1 and harm == "slow":
            time.sleep(0.2)
        if rank == 1 and harm == "nan" and Harmed.steps == 20:
            with torch.no_grad():
                next(next(iter(self.nets.values())).parameters()).fill_(float("nan"))
run.Session = Harmed
sys.argv = ["imgcycle", *sys.argv[1:]]
runpy.run_module("imgcycle", run_name="__main__")
"""


class Ranks(TrainingProcess):
    """`imgcycle train` as torchrun starts it; a tiny net on two textures."""

    def __init__(self, folder: Path, count: int, *words: str | Path, harm: str = "") -> None:
        run: list[str | Path] = ["-m", "imgcycle"]
        if harm:
            script = folder / "harmed.py"
            script.write_text(HARMED)
            run = [script]
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}", *run]
        super().__init__(*words, env={"PYTHONPATH": str(ROOT), "DRILL_HARM": harm}, launcher=launcher)

    def wait_for_a_save(self) -> None:
        """Until a state after the first one is saved."""
        self.wait_for(f"saved step {EVERY}")

    def ranks(self) -> list[int]:
        return processes(b"imgcycle", self.process.pid)

    def said(self) -> list[str]:
        return [line for line in self.lines if line.startswith("imgcycle:")]


class Lab:
    """Two textures, and for each number of ranks a run that nobody disturbed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.options: list[str | Path] = [
            *texture_world(folder),
            *SMALL,
            "--steps",
            str(STEPS),
            "--save-every",
            str(EVERY),
        ]
        self._straight: dict[int, Path] = {}

    def start(self, count: int, name: str, harm: str = "") -> Ranks:
        return Ranks(self.folder, count, "-o", self.folder / name, *self.options, harm=harm)

    def resume(self, count: int, name: str) -> Ranks:
        return Ranks(self.folder, count, "-o", self.folder / name, "--resume")

    def straight(self, count: int) -> Path:
        if count not in self._straight:
            whole = self.start(count, f"straight-{count}")
            assert whole.end() == 0, whole.lines
            self._straight[count] = self.folder / f"straight-{count}"
        return self._straight[count]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


@pytest.mark.parametrize("count", [2, 4])
def test_a_rank_is_killed_and_as_many_go_on_bit_for_bit(lab: Lab, count: int) -> None:
    name = f"killed-{count}"
    run = lab.start(count, name)
    run.wait_for_a_save()
    ranks = run.ranks()
    assert len(ranks) == count
    os.kill(random.Random(count).choice(ranks), signal.SIGKILL)
    assert run.end(timeout=120) != 0
    assert not [pid for pid in ranks if Path(f"/proc/{pid}").exists()]
    # The other may have been asked to stop by torchrun before it noticed, and then says that, too.
    told = [line for line in run.said() if f"another of the {count} processes stopped" in line and "--resume" in line]
    assert 1 <= len(told) < count, run.lines  # torchrun may end one before it has noticed
    step = final_state(lab.folder / name)["step"]
    assert EVERY <= step < STEPS
    again = lab.resume(count, name)
    assert again.end() == 0, again.lines
    assert same(final_state(lab.straight(count)), final_state(lab.folder / name))
    logs = [(run / "metrics.jsonl").read_text() for run in (lab.straight(count), lab.folder / name)]
    assert logs[0] == logs[1]
    assert not list((lab.folder / name).rglob("*.partial"))


def test_a_slow_rank_changes_nothing(lab: Lab) -> None:
    run = lab.start(2, "slow", harm="slow")
    assert run.end() == 0, run.lines
    assert same(final_state(lab.straight(2)), final_state(lab.folder / "slow"))


def test_no_number_on_one_rank_rolls_all_of_them_back(lab: Lab) -> None:
    run = lab.start(2, "nan", harm="nan")
    assert run.end() == 0, run.lines
    back = [line for line in run.lines if "no longer finite" in line]
    assert len(back) == 1, run.lines
    assert "step 18" in back[0]
    state = final_state(lab.folder / "nan")
    assert state["step"] == STEPS
    assert not same(final_state(lab.straight(2)), state)


def test_another_number_of_ranks_is_named_and_goes_on(lab: Lab) -> None:
    run = lab.start(4, "fewer")
    run.wait_for_a_save()
    run.process.send_signal(signal.SIGTERM)
    run.end(timeout=300)
    saved = final_state(lab.folder / "fewer")["step"]
    assert EVERY <= saved < STEPS
    again = lab.resume(2, "fewer")
    assert again.end() == 0, again.lines
    assert [line for line in again.lines if "world was 4" in line and "is 2 now" in line], again.lines
    assert final_state(lab.folder / "fewer")["step"] == STEPS
