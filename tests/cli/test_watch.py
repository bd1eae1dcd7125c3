"""`convert --watch` as programs and people meet it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imgcycle.cli.app import run
from tests.media.pictures import encoded, scene
from tests.styles import save_style

WATCH = ["convert", "photos", "--to", "tiny.safetensors", "--watch"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_style(tmp_path / "tiny.safetensors", work_size=32)
    put(tmp_path / "photos" / "a.png")
    return tmp_path


def put(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encoded(scene(), "PNG"))


def pauses(patch: pytest.MonkeyPatch, *steps: Callable[[], Any]) -> list[float]:
    """Take a step in place of each wait, and press Ctrl-C in the one after the last."""
    waited: list[float] = []
    left = iter(steps)

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        step = next(left, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    patch.setattr(time, "sleep", sleep)
    return waited


def test_rows_come_as_they_are_made_and_one_summary_at_the_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [lambda: None, lambda: put(folder / "photos" / "b.png"), lambda: None, lambda: None]
    waited = pauses(monkeypatch, *steps)
    assert run([*WATCH, "--json", "--watch-every", "0.5"]) == 0
    assert set(waited) == {0.5}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line.get("input"), line.get("status")) for line in lines[:-1]] == [
        (str(Path("photos") / name), "done") for name in ("a.png", "b.png")
    ]
    assert {name: lines[-1]["summary"][name] for name in ("done", "skipped", "kept", "failed")} == {
        **{"done": 2, "skipped": 0, "kept": 0, "failed": 0}
    }


def test_a_person_is_told_that_it_waits(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pauses(monkeypatch, lambda: None)
    assert run(WATCH) == 0
    said = capsys.readouterr().err.splitlines()
    assert sum("waiting for pictures in photos" in line for line in said) == 1
    assert [line for line in said if line.startswith("1 converted in ")]


def test_ended_while_it_works_there_is_something_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    pauses(monkeypatch, lambda: monkeypatch.setattr("imgcycle.jobs.images.batch.check_all_memory", stop))
    assert run(WATCH) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not (folder / "photos-tiny").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--sheet", "s.png"],
        ["--gallery", "g.html"],
        ["--dry-run"],
        ["--sample", "2"],
        ["--limit", "2"],
        ["-o", "-"],
    ],
)
def test_what_has_no_sense_with_it_is_refused(
    folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["convert", "photos/a.png", *WATCH[2:], *words]
    assert run(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("imgcycle: --watch converts files as they arrive: ")
    assert said.count("\n") == 1
    assert sorted(path.name for path in folder.iterdir()) == ["photos", "tiny.safetensors"]


def test_how_often_it_looks_has_bounds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*WATCH, "--watch-every", "0"]) == 2
    assert "--watch-every is 0.0 (choose between 0.1 and 86400)" in capsys.readouterr().err
