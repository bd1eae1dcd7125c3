"""Pictures in a terminal: by what its environment says, and as bytes that give the picture back."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgcycle.cli.render.reporter import BarReporter
from imgcycle.cli.render.terminal_images import LONGEST, escaped_picture, half_blocks, protocol_of
from imgcycle.cli.render.train import RunTeller
from imgcycle.training import events
from tests.media.pictures import encoded, scene


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm", "COLORTERM": "truecolor"}, "iterm"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "blocks"),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1", "COLORTERM": "24bit"}, "blocks"),
        ({"TERM": "xterm-kitty", "TMUX": "socket"}, None),
        ({"TERM": "xterm-256color"}, None),
        ({}, None),
    ],
)
def test_the_environment_says_what_a_terminal_knows(environment: dict[str, str], protocol: str | None) -> None:
    assert protocol_of(environment) == protocol


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "a.png").write_bytes(encoded(scene(900, 1440), "PNG"))
    return tmp_path / "a.png"


def shown(data: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_kitty_and_iterm_are_given_the_whole_picture(path: Path) -> None:
    kitty = re.findall("\033_G(.*?);(.*?)\033\\\\", escaped_picture(path, "kitty", 80))
    assert len(kitty) > 1
    assert kitty[0][0] == "a=T,f=100,q=2,m=1"
    assert {head for head, _ in kitty[1:-1]} <= {"m=1"}
    assert kitty[-1][0] == "m=0"
    assert all(len(chunk) <= 4096 for _, chunk in kitty)
    iterm = re.fullmatch(
        "\033]1337;File=inline=1;preserveAspectRatio=1;size=(\\d+):(.*)\a\n", escaped_picture(path, "iterm", 80)
    )
    assert iterm is not None
    assert int(iterm[1]) == len(base64.b64decode(iterm[2]))
    pictures = shown("".join(chunk for _, chunk in kitty)), shown(iterm[2])
    assert pictures[0].shape == (LONGEST * 900 // 1440, LONGEST, 3)
    assert np.array_equal(*pictures)


def test_half_blocks_have_the_colours_of_two_pixels_each() -> None:
    pixels = np.zeros((4, 3, 3), np.uint8)
    pixels[::2] = (200, 10, 20)
    pixels[1::2] = (0, 30, 250)
    cell = "\033[38;2;200;10;20m\033[48;2;0;30;250m▀"
    assert half_blocks(pixels, 80) == (3 * cell + "\033[0m\n") * 2


@pytest.mark.parametrize(("height", "width"), [(2048, 768), (100, 3000), (1, 1)])
def test_half_blocks_stay_within_the_terminal(height: int, width: int) -> None:
    lines = half_blocks(np.zeros((height, width, 3), np.uint8), 60).splitlines()
    assert 1 <= len(lines) <= 24
    assert {line.count("▀") for line in lines} <= set(range(1, 61))
    assert len({line.count("▀") for line in lines}) == 1


def test_a_sample_is_shown_above_the_bars_and_a_blind_terminal_is_told_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("TMUX", "STY", "TERM_PROGRAM", "LC_TERMINAL", "KITTY_WINDOW_ID", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    sampled = events.Sampled(4, path)
    with BarReporter() as reporter:
        tell = RunTeller(reporter, preview=True)
        monkeypatch.setenv("TERM", "xterm-kitty")
        tell(sampled)
        monkeypatch.setenv("TERM", "xterm")
        tell(sampled)
        tell(sampled)
        tell(events.Sampled(5, path.with_name("gone.png")))
        RunTeller(reporter)(sampled)
    said = capsys.readouterr().err
    assert said.count("\033_Ga=T") == 1
    assert said.count("not known to show pictures") == 1
    assert said.count("samples: ") == 5
