"""`imgcycle doctor` says what is here, and what is wrong, in lines and in JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgcycle.cli.app import run
from imgcycle.errors import InputError
from imgcycle.jobs import doctor
from imgcycle.weights.find import FoundStyle
from tests.styles import save_style


@pytest.fixture
def style(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FoundStyle:
    monkeypatch.setenv("IMGCYCLE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    save_style(tmp_path / "tiny.safetensors", work_size=32)
    found = FoundStyle("tiny", tmp_path / "tiny.safetensors")
    monkeypatch.setattr(doctor, "known_styles", lambda: {"tiny": found})
    return found


@pytest.mark.usefixtures("style")
def test_a_line_for_each_subject(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--device", "cpu", "--precision", "fp32", "--json"]) == 0
    lines = {line["subject"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert list(lines) == ["versions", "compute", "memory", "ffmpeg", "extras", "folders", "style tiny"]
    assert (lines["compute"]["device"], lines["compute"]["precision"], lines["compute"]["why"]) == (
        "cpu", "fp32", "as asked",
    )  # fmt: skip
    assert "libx264" in lines["ffmpeg"]["h264"]
    assert lines["folders"]["styles"] == str(tmp_path)
    assert 0 < lines["style tiny"]["seconds"] < 60
    assert run(["doctor", "--device", "cpu", "--precision", "fp32"]) == 0
    said = capsys.readouterr().out
    assert said.count("\n") == 7
    assert "cpu in fp32 (as asked)" in said
    assert "ms for 256² pixels" in said


def test_what_is_wrong_is_said_and_the_exit_code_is_1(
    style: FoundStyle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> str:
        raise InputError("clips need ffmpeg, and there is none", "pip install imageio-ffmpeg")

    monkeypatch.setattr(doctor, "ffmpeg", none)
    style.path.write_bytes(b"no weights")
    assert run(["doctor", "--quiet"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in said] == ["ffmpeg", "style tiny"]
    assert "PROBLEM: clips need ffmpeg, and there is none" in said[0]
    assert run(["doctor", "--device", "cuda:9"]) == 2
