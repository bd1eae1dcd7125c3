"""What a run folder tells to whoever only looks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from imgcycle.training.loop import train
from imgcycle.training.storage.folder import RunFolder
from imgcycle.training.storage.history import find_runs, read_history
from tests.training.toys import toy_config


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("history")
    train(toy_config(root, steps=6, save_every=3, sample_every=3), root / "runs/one")
    return root / "runs/one"


def test_it_tells_how_far_the_run_is_and_what_was_logged(run: Path) -> None:
    history = read_history(run)
    assert history is not None
    assert (history.steps, history.saved, history.logged, history.state()) == (6, 6, 6, "finished")
    assert list(history.samples()) == [3, 6]
    steps, values = history.series()["gan_A2B"]
    assert steps == (6,)
    assert values[0] > 0
    assert 0 <= history.age() < 3600
    assert history.best() == {}


def test_a_run_is_running_while_its_folder_is_held(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    path = tmp_path / "run/config.json"
    content = json.loads(path.read_text())
    content["config"]["steps"] = 100
    path.write_text(json.dumps(content))
    history = read_history(tmp_path / "run")
    assert history is not None
    assert history.state() == "stopped"
    folder = RunFolder(tmp_path / "run")
    folder.take()
    assert history.state() == "running"
    folder.release()
    assert history.state() == "stopped"


def test_a_run_in_epochs_knows_its_length_and_so_do_runs_of_before(tmp_path: Path) -> None:
    config = toy_config(tmp_path, steps=None, epochs=1, epochs_decay=1, batch=3)
    train(config, tmp_path / "run")
    history = read_history(tmp_path / "run")
    assert history is not None
    assert history.steps == history.saved == 6
    path = tmp_path / "run/config.json"
    content = json.loads(path.read_text())
    del content["length"]
    path.write_text(json.dumps(content))
    old = read_history(tmp_path / "run")
    assert old is not None
    assert old.steps == 6
    del content["facts"]["count_a"]
    path.write_text(json.dumps(content))
    unknown = read_history(tmp_path / "run")
    assert unknown is not None
    assert unknown.steps is None
    assert unknown.state() == "stopped"


def test_damage_is_passed_over(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    with (tmp_path / "run/metrics.jsonl").open("ab") as file:
        file.write(b'{"step": "x"}\n[]\n{"step": 7, "kid": {"A2B": 3.5, "B2A": null}}\n{"step": 8, "lo')
    history = read_history(tmp_path / "run")
    assert history is not None
    assert history.best() == {"A2B": 3.5}
    assert history.logged == 7
    (tmp_path / "run/metrics.jsonl").unlink()
    assert read_history(tmp_path / "run") is not None
    for text in ("[]", "{}", "nonsense", '{"config": 3, "facts": {}}'):
        (tmp_path / "run/config.json").write_text(text)
        assert read_history(tmp_path / "run") is None


def test_runs_are_found_below_a_folder_and_not_within_runs(run: Path, tmp_path: Path) -> None:
    for name in ("b/deep", "a", ".hidden"):
        shutil.copytree(run, tmp_path / name)
    shutil.copytree(run, tmp_path / "a/weights/inner")
    (tmp_path / "photos").mkdir()
    assert [history.root.relative_to(tmp_path) for history in find_runs(tmp_path)] == [Path("a"), Path("b/deep")]
    assert [history.root for history in find_runs(tmp_path / "a")] == [tmp_path / "a"]
    assert list(find_runs(tmp_path / "nowhere")) == []
