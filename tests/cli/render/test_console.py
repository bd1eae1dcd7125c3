"""What is said to a person moves no cursor and ends no work, whoever's words it is made of."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from imgcycle.cli.app import run
from imgcycle.cli.render.console import emit_json, printable
from imgcycle.cli.render.convert import ConversionTeller
from imgcycle.cli.render.reporter import BarReporter
from imgcycle.jobs.events import FrameProgress, Note
from tests.styles import save_style


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert printable("a\x1b[2J\x9b2J\r b\n\ud800 größe × ⁶ c") == "a\\x1b[2J\\x9b2J\\r b\n\\ud800 größe × ⁶ c"


def test_json_is_json_whatever_a_file_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    name = "".join(map(chr, range(1, 0x100))) + "\u2028\udc80"
    emit_json({"input": name})
    line = capsys.readouterr().out
    assert json.loads(line) == {"input": name}
    assert line.removesuffix("\n").isprintable()


def test_a_card_is_anyones_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGCYCLE_HOME", str(tmp_path / "home"))
    words = "night \x1b]0;mine\x07\x9b2J\nlicence: mine"
    save_style(tmp_path / "x.safetensors", direction=words, data=words)
    assert run(["models", "add", str(tmp_path / "x.safetensors"), "--name", "x"]) == 0
    assert run(["models", "list"]) == 0
    assert run(["models", "info", "x"]) == 0
    torch.save({"\x1b[2J": torch.ones(3)}, tmp_path / "y.pth")
    assert run(["models", "info", str(tmp_path / "y.pth")]) == 2
    said = capsys.readouterr()
    assert "data: night \\x1b]0;mine\\x07\\x9b2J\\nlicence: mine\n" in said.out
    assert (said.out + said.err).replace("\n", "").isprintable()


def test_brackets_in_the_name_of_a_clip_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = BarReporter()
    bars = ConversionTeller(drawn)
    bars(FrameProgress("clips/a [trailer].mp4", 1, 10))
    file = io.StringIO()
    Console(file=file, width=120).print(drawn.progress.get_renderable())
    assert "a [trailer].mp4" in file.getvalue()
    bars(Note("\x1b[2J [red]"))
    assert "\\x1b[2J [red]" in capsys.readouterr().err
