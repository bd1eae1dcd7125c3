"""`imgcycle runs`: what a person and what a program is told of the runs below a folder."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from imgcycle.cli.app import run
from imgcycle.training.storage.folder import RunFolder


def made(root: Path, step: int, steps: int | None, age: float = 0.0, **row: object) -> Path:
    """A run folder without weights, as far as a list looks at it."""
    (root / "state").mkdir(parents=True)
    (root / f"state/step-{step}.pt").write_bytes(b"state")
    config = {"method": "cut", "steps": steps, "epochs": 1}
    (root / "config.json").write_text(json.dumps({"schema": 1, "config": config, "facts": {}}))
    (root / "metrics.jsonl").write_text(json.dumps({"step": step, **row}) + "\n")
    for path in (root / "state", root / "metrics.jsonl"):
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    return root


def test_a_line_for_each_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path / "b/long name", 50, 200, age=7265)
    made(tmp_path / "a", 200, 200, age=30, kid={"A2B": 12.34})
    made(tmp_path / "c", 10, None)
    held = RunFolder(tmp_path / "b/long name")
    held.take()
    assert run(["runs", str(tmp_path)]) == 0
    held.release()
    lines = capsys.readouterr().out.splitlines()
    said = [re.sub(r"\d\S* (s|min \d+ s) ago", "lately", " ".join(line.split())) for line in lines]
    assert said == [
        f"{tmp_path}/a cut finished step 200 of 200 (100 %) lately KID A2B 12.3",
        f"{tmp_path}/b/long name cut running step 50 of 200 (25 %) 2 h 1 min ago",
        f"{tmp_path}/c cut stopped step 10 lately",
    ]
    assert lines[0].index("cut") == lines[1].index("cut")


def test_lines_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made(tmp_path / "a", 200, 400, age=60, kid={"A2B": 12.34})
    (path / "index.html").write_text("page")
    assert run(["runs", str(tmp_path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts.pop("age") == pytest.approx(90, abs=60)
    assert facts == {
        "schema": 1, "run": str(path), "method": "cut", "state": "stopped", "step": 200, "saved": 200, "steps": 400,
        "best": {"A2B": 12.34}, "page": str(path / "index.html"),
    }  # fmt: skip


def test_no_run_and_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", str(tmp_path)]) == 0
    assert capsys.readouterr() == ("", f"no run is in {tmp_path}; imgcycle train A/ B/ begins one\n")
    assert run(["runs", str(tmp_path / "nowhere")]) == 2
    assert "nowhere is no folder" in capsys.readouterr().err
