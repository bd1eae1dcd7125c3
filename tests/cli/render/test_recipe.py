"""The help of a recipe states what that sets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imgcycle.cli.app import run

OWN = """
about = "mine"
[settings]
method = "cut"
net = { kind = "resnet", width = 24 }
flip = false
diff_augment = ["cutout"]
[[stages]]
share = 1
name = "first"
only = "random weights"
lr = 1e-3
[[stages]]
share = 2
name = "second"
"""


def helped(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(["train", *words]) == 0
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_defaults_are_the_recipes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    plain = helped(capsys, "--help")
    assert "[default: cyclegan]" in plain
    assert "--grad-clip" not in plain
    assert "recipe painting" not in plain
    told = helped(capsys, "--recipe", "painting", "--help")
    assert "random ones. [default: monet]" in told
    assert "[default: fastcut]" in told
    assert "Largest norm of a gradient. [default: 5]" in told
    assert "Defaults are those of the recipe painting, an own painter" in told
    assert "scene (from random weights): lr 0.0004" in told
    assert helped(capsys, "--help") == plain  # nothing is left of it


def test_a_recipe_of_ones_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / "own.toml").write_text(OWN)
    told = helped(capsys, f"--recipe={tmp_path / 'own.toml'}", "--help-all")
    assert (
        "for --strokes-of. One of compact, strokes, luma, resnet9, resnet6, unet256, unet128. [default: resnet]" in told
    )
    assert "first stage. [default: 24]" in told
    assert "[default: cutout]" in told
    assert "Stages: first (from random weights): lr 0.001; second: as above." in told


def test_a_recipe_that_is_none_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--recipe", "paintin", "--help"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("imgcycle: no recipe is called 'paintin' (")


@pytest.mark.parametrize("command", ["convert", "video", "train", "models", "evaluate", "doctor"])
def test_a_switch_has_no_value(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert "<bool>" not in capsys.readouterr().out


def test_the_list_is_of_objects_where_json_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--recipe", "list", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"painting", "one-painting"} <= {row["recipe"] for row in rows}
    assert all(Path(row["file"]).is_file() and row["about"] for row in rows)
