"""What the README says can be typed, can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from imgcycle.cli.app import run

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def commands() -> list[str]:
    """Every `imgcycle …` line of a shell block, without its comment."""
    blocks = re.findall(r"```(?:sh)?\n(.*?)```", README, re.DOTALL)
    lines = [part.strip() for block in blocks for line in block.splitlines() for part in line.split("&&")]
    return [line.split("  #")[0].strip() for line in lines if line.startswith("imgcycle ")]


def test_there_are_commands_to_check() -> None:
    assert len(commands()) > 10


@pytest.mark.parametrize("command", commands())
def test_every_option_of_a_command_exists(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    words = shlex.split(command)[1:]
    name = words[:2] if words[0] == "models" and len(words) > 1 and words[1].isalpha() else words[:1]
    assert run([*name, "--help"]) == 0
    shown = capsys.readouterr().out
    for option in (word for word in words if re.match(r"--?[a-z]", word)):
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", shown), (
            f"{option} of {command!r} is not in its help"
        )


def test_every_picture_and_file_it_points_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).is_file(), target


def test_the_two_commands_that_do_all_the_set_up() -> None:
    assert "pip install . && imgcycle convert pretrained/samples --to monet -o out/" in README
    assert "pip install -e '.[test]' && pytest" in README
    assert "\npytest\n" in (ROOT / ".ci/run").read_text("utf-8")
