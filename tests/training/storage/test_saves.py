"""Saved states: believed when every byte is as written, else named with what is lost; never executed, never half."""

from __future__ import annotations

import argparse
import errno
import io
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgcycle.config import NetConfig, TrainConfig
from imgcycle.errors import DiskFull, ImgcycleError, OutputError, TrainingError, UsageError
from imgcycle.training import events
from imgcycle.training.loop import train
from imgcycle.training.session import Session
from imgcycle.training.storage import saves
from imgcycle.training.storage.folder import RunFolder, continued, length_is_fixed
from imgcycle.training.storage.resuming import length_left
from imgcycle.training.storage.saves import SavedStates, UnsoundState, check_room, read_state
from imgcycle.weights.description import inspect_weights
from tests.training.toys import final_state, same, toy_config

FOREIGN_WORDS = ("weights_only", "torch", "pickle", "enforce", "Errno", "Traceback", "zip", "Unpickl")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of 12 steps with states at 8 and 12, beside the world it learnt from."""
    root = tmp_path_factory.mktemp("finished")
    train(toy_config(root), root / "run")
    return root


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished / "run", tmp_path / "run")
    return tmp_path / "run"


def resumed(run: Path, world: Path, **changes: Any) -> list[str]:
    """What is said when the run goes on."""
    heard: list[events.Event] = []
    train(toy_config(world, **changes), run, resume=True, listener=heard.append)
    return [event.text for event in heard if isinstance(event, events.Noted)]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "is empty": lambda _: b"",
    "holds zeros only": lambda content: bytes(len(content)),
    "is damaged, or cut short": lambda content: content[: len(content) // 2],
    "is damaged": lambda content: content[:3000] + bytes([content[3000] ^ 4]) + content[3001:],
    "is no state of imgcycle train": lambda _: b"<html>404</html>",
}


@pytest.mark.parametrize("said", DAMAGE)
def test_a_damaged_state_is_named_with_the_steps_it_costs(run: Path, finished: Path, said: str) -> None:
    newest = run / "state/step-12.pt"
    newest.write_bytes(DAMAGE[said](newest.read_bytes()))
    notes = resumed(run, finished)
    assert notes == [f"{run / 'state'}: step-12.pt {said}: it goes on from step 8, 4 steps are lost"]
    assert same(final_state(finished / "run"), final_state(run))
    assert sorted(path.name for path in (run / "state").iterdir()) == ["step-12.pt", "step-8.pt"]


def pickled(thing: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


def other_net(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "nets": {**state["nets"], "A2B": {"x": torch.zeros(3)}}}


def other_moments(state: dict[str, Any]) -> dict[str, Any]:
    optimizers = dict(state["optimizers"])
    changed = {**optimizers["discriminator"], "state": dict(optimizers["discriminator"]["state"])}
    changed["state"][0] = {**changed["state"][0], "exp_avg": torch.zeros(2, 2)}
    return {**state, "optimizers": {**optimizers, "discriminator": changed}}


def no_numbers(state: dict[str, Any]) -> dict[str, Any]:
    first = next(iter(state["nets"]["B2A"]))
    spoilt = {**state["nets"]["B2A"], first: state["nets"]["B2A"][first] * float("nan")}
    return {**state, "nets": {**state["nets"], "B2A": spoilt}}


OTHERS: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda state: argparse.Namespace(**state), "is no state of imgcycle train"),
    (lambda _: [1, 2], "is no state of imgcycle train"),
    (lambda state: state["nets"]["A2B"], "is no state of imgcycle train"),
    (lambda state: {k: v for k, v in state.items() if k != "optimizers"}, "lacks its optimizers"),
    (lambda state: {**state, "generation": "two"}, "has a generation that is none"),
    (lambda state: {**state, "counted": -1}, "has a counted that is none"),
    (lambda state: {**state, "step": 8}, "is the state of step 8"),
    (lambda state: {**state, "sums": {"gan_A2B": "much"}}, "does not fit the nets of this run"),
    (lambda state: {**state, "method": []}, "does not fit the nets of this run"),
    (other_net, "does not fit the nets of this run"),
    (other_moments, "does not fit the nets of this run"),
    (no_numbers, "holds weights that are no numbers"),
]


@pytest.mark.parametrize(("change", "said"), OTHERS)
def test_a_state_of_something_else_is_passed_over(
    run: Path, finished: Path, change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    newest = run / "state/step-12.pt"
    newest.write_bytes(pickled(change(read_state(newest))))
    assert resumed(run, finished) == [f"{run / 'state'}: step-12.pt {said}: it goes on from step 8, 4 steps are lost"]
    assert same(final_state(finished / "run"), final_state(run))


class Evil:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize("content", [pickle.dumps(Evil()), pickled(Evil()), pickle.dumps({"step": 12}), b"PK\x03\x04"])
def test_nothing_in_a_state_is_executed(run: Path, finished: Path, content: bytes) -> None:
    (run / "state/step-12.pt").write_bytes(content)
    (note,) = resumed(run, finished)
    assert note.endswith("it goes on from step 8, 4 steps are lost")
    assert not any(word in note for word in FOREIGN_WORDS)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_found_or_changes_nothing(finished: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = (finished / "run/state/step-12.pt").read_bytes()
    kind = data.draw(st.sampled_from(["flip", "cut", "zeros", "insert", "swap", "append"]))
    at = data.draw(st.integers(0, len(whole) - 1))
    length = data.draw(st.integers(1, 4000))
    content = {
        "flip": whole[:at] + bytes([whole[at] ^ (1 << (length % 8))]) + whole[at + 1 :],
        "cut": whole[:at],
        "zeros": whole[:at] + bytes(min(length, len(whole) - at)) + whole[at + length :],
        "insert": whole[:at] + b"\xa5" * length + whole[at:],
        "swap": whole[at:] + whole[:at],
        "append": whole + b"\0" * length,
    }[kind]
    path = tmp_path / "step-12.pt"
    path.write_bytes(content)
    said, state = "", None
    try:
        state = read_state(path)
    except UnsoundState as error:
        said = str(error)
    assert not any(word in said for word in FOREIGN_WORDS), said
    assert said or same(state, read_state(finished / "run/state/step-12.pt")), kind


def test_when_no_state_is_left_one_line_says_what_to_do(run: Path, finished: Path) -> None:
    for path in (run / "state").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(
        TrainingError, match=rf"no readable state: step-12.pt .*; step-8.pt .*--start-from {run}"
    ) as said:
        resumed(run, finished)
    assert "\n" not in str(said.value)
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    shutil.rmtree(run / "weights")
    with pytest.raises(TrainingError, match=r"begin in another -o"):
        resumed(run, finished)
    shutil.rmtree(run / "state")
    with pytest.raises(TrainingError, match="holds no saved state"):
        resumed(run, finished)


def test_a_damaged_state_is_not_kept_in_place_of_a_sound_one(run: Path, finished: Path) -> None:
    (run / "state/step-12.pt").write_bytes(b"damaged")
    resumed(run, finished, save_every=1, steps=10)
    assert sorted(path.name for path in (run / "state").iterdir()) == ["step-10.pt", "step-9.pt"]


METRICS = [
    b"\xff\xfe{",
    b"[1]",
    b"5",
    b'{"step": "eight"}',
    b'{"gan": 1}',
    b"null",
    b"\0\0\0",
    b"{" * 5000,
]


@pytest.mark.parametrize("line", METRICS)
def test_damaged_lines_of_the_metrics_are_left_out_and_said(run: Path, finished: Path, line: bytes) -> None:
    rows = (run / "metrics.jsonl").read_bytes()
    (run / "metrics.jsonl").write_bytes(line + b"\n" + rows)
    notes = resumed(run, finished, steps=13)
    assert notes == [f"{run / 'metrics.jsonl'}: 1 damaged line left out"]
    kept = (run / "metrics.jsonl").read_bytes()
    assert kept.startswith(rows)
    assert [json.loads(row)["step"] for row in kept.splitlines()] == [12, 13]


CONFIGS: list[tuple[bytes, str]] = [
    (b"", "is damaged"),
    (b"\xff\xff", "is damaged"),
    (b"[]", "is damaged"),
    (b"{}", "is damaged"),
    (b'{"config": 3, "facts": {}}', "holds settings of no run: TrainConfig should be settings by name"),
    (b'{"config": {"a": "x", "b": "y"}, "facts": 7}', "is damaged"),
    (b'{"config": {"a": "x", "b": "y", "charm": 1}, "facts": {}}', "has no setting 'charm'"),
    (b'{"config": {"a": "x", "b": "y", "batch": "many"}, "facts": {}}', "batch should be int"),
    (b'{"config": {"a": "x", "b": "y", "method": "magic"}, "facts": {}}', "no method is called 'magic'"),
    (b"[" * 100000, "is damaged"),
]


@pytest.mark.parametrize(("content", "said"), CONFIGS)
def test_a_damaged_config_names_its_file_and_what_to_do(run: Path, finished: Path, content: bytes, said: str) -> None:
    (run / "config.json").write_bytes(content)
    with pytest.raises(UsageError, match=f"config.json .*{said}.*--start-from") as error:
        resumed(run, finished)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("threads", [0, -3, 10**9, "two", None])
def test_facts_of_nonsense_do_not_end_a_run(run: Path, finished: Path, threads: Any) -> None:
    content = json.loads((run / "config.json").read_text())
    content["facts"]["threads"] = threads
    (run / "config.json").write_text(json.dumps(content))
    (note,) = resumed(run, finished, steps=13)
    assert note.startswith(f"threads was {threads!r} when the run began")


def test_fewer_steps_than_are_done_are_refused_and_as_many_are_nothing(run: Path, finished: Path) -> None:
    before = (run / "config.json").read_bytes()
    with pytest.raises(UsageError, match=r"12 steps behind it, more than the 5 asked for.*--steps"):
        resumed(run, finished, steps=5)
    assert (run / "config.json").read_bytes() == before
    assert resumed(run, finished) == ["all 12 steps were done before; more are taken with a larger --steps"]


def test_a_run_that_cannot_be_made_longer_says_what_can_be_done() -> None:
    root = Path("mine")
    assert length_left(root, 11, 12, fixed=True) is None
    said = length_left(root, 12, 12, fixed=True)
    assert said == "all 12 steps were done before; a new run goes on from it: --start-from mine -o NEW"
    staged = TrainConfig("a", "b", steps=12, minutes=1)
    assert length_is_fixed(staged)
    assert not length_is_fixed(TrainConfig("a", "b", steps=12))
    with pytest.raises(UsageError, match="steps was 12 and is now 13"):
        continued(staged, staged.replace(steps=13))


def test_weights_that_are_missing_or_old_are_written_again(run: Path, finished: Path) -> None:
    sound = (run / "weights/A2B.safetensors").read_bytes()
    (run / "weights/A2B.safetensors").write_bytes(sound[:200])
    (run / "weights/B2A.safetensors").unlink()
    resumed(run, finished)
    assert (run / "weights/A2B.safetensors").read_bytes() == sound
    assert inspect_weights(run / "weights/B2A.safetensors").card["steps"] == 12


# --- full disks


class Disk:
    """A disk with room for so many more files; every file that imgcycle writes is synced once."""

    def __init__(self, files: int, code: int = errno.ENOSPC) -> None:
        self.files, self.code = files, code

    def sync(self, _handle: int) -> None:
        self.files -= 1
        if self.files < 0:
            raise OSError(self.code, "No space left on device" if self.code == errno.ENOSPC else "Input/output error")


@pytest.mark.parametrize("files", range(0, 13, 3))
def test_a_full_disk_ends_a_run_in_one_line_and_what_was_saved_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    config = toy_config(tmp_path, steps=8, sample_every=3)
    disk = Disk(2 * files)
    with monkeypatch.context() as patch:
        patch.setattr("imgcycle.media.files.os.fsync", disk.sync)
        with pytest.raises(DiskFull) as error:
            train(config, tmp_path / "run")
    line = str(error.value)
    assert line.startswith(f"the disk of {tmp_path / 'run'} is full; ")
    assert not any(word in line for word in FOREIGN_WORDS)
    assert not list((tmp_path / "run").rglob("*.partial"))
    if "nothing was begun" in line:
        train(config, tmp_path / "run")
    else:
        kept = int(line.partition("as of step ")[2].partition(" ")[0].rstrip("("))
        assert final_state(tmp_path / "run")["step"] == kept
        train(config, tmp_path / "run", resume=True)
    train(config, tmp_path / "straight")
    assert same(final_state(tmp_path / "straight"), final_state(tmp_path / "run"))
    weights = [(tmp_path / name / "weights/A2B.safetensors").read_bytes() for name in ("straight", "run")]
    assert weights[0] == weights[1]


def test_another_failure_of_the_disk_is_called_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgcycle.media.files.os.fsync", Disk(0, errno.EIO).sync)
    with pytest.raises(OutputError, match=r"run cannot be written: Input/output error; nothing was begun") as error:
        train(toy_config(tmp_path), tmp_path / "run")
    assert not isinstance(error.value, DiskFull)


@pytest.mark.parametrize("ending", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("after", [0, 1, 5])
def test_what_ends_the_writing_of_a_state_is_not_hidden_by_torch(
    run: Path, monkeypatch: pytest.MonkeyPatch, ending: BaseException, after: int
) -> None:
    class Small(io.BytesIO):
        left = after

        def write(self, data: Any) -> int:
            self.left -= 1
            if self.left < 0:
                raise ending
            return super().write(data)

    state = read_state(run / "state/step-12.pt")
    with pytest.raises(type(ending)):
        saves._write(state, cast(Any, Small()))
    monkeypatch.setattr(saves, "_write", lambda *_: (_ for _ in ()).throw(ending))
    states = SavedStates(run / "state")
    with pytest.raises(type(ending)):
        states.save(13, state)
    assert [step for step, _ in states.found()] == [12, 8]
    assert sorted(path.name for path in (run / "state").iterdir()) == ["step-12.pt", "step-8.pt"]


def test_the_metrics_of_a_full_disk(run: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("imgcycle.training.storage.folder.json.dumps", full)
    place = RunFolder(run)
    place.saved = 12
    with pytest.raises(DiskFull, match=r"is full; the run is kept as of step 12 \(make room, then go on with --resume"):
        place.log({"step": 13})


def test_room_for_the_saves_is_asked_for_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage(tmp_path))
    monkeypatch.setattr("imgcycle.training.storage.saves.shutil.disk_usage", lambda _: usage(10**9, 10**9, 100_000))
    with pytest.raises(DiskFull, match=r"the saves of .*run need .* MB, where 0.1 MB are free"):
        train(toy_config(tmp_path), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr("imgcycle.training.storage.saves.shutil.disk_usage", lambda _: usage(0, 0, 0))
    check_room(tmp_path / "run", 10**9)  # a file system that does not tell


@pytest.mark.parametrize("method", ["cyclegan", "cut", "bigan", "simgan"])
def test_what_a_state_will_take_is_known_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    told: list[int] = []
    init = Session.__init__

    def noted(self: Session, *args: Any) -> None:
        init(self, *args)
        told.append(self.state_bytes())

    monkeypatch.setattr(Session, "__init__", noted)
    train(toy_config(tmp_path, method=method, net=NetConfig("compact", 8, 2, "affine")), tmp_path / "run")
    size = (tmp_path / "run/state/step-12.pt").stat().st_size
    assert told[0] == pytest.approx(size, rel=0.25)


def test_errors_of_a_run_are_ours(run: Path, finished: Path) -> None:
    (run / "state/step-12.pt").unlink()
    (run / "state/step-12.pt").mkdir()
    notes = resumed(run, finished, steps=8)
    assert "step-12.pt cannot be read: Is a directory" in notes[0]
    with pytest.raises(ImgcycleError):
        resumed(run, finished, steps=12)
