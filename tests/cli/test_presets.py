"""Options from the settings file and from a result: they stand before what is typed, which wins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imgcycle.cli.app import run
from imgcycle.jobs.images.plan import read_recipe
from tests.media.pictures import encoded, scene
from tests.styles import save_style


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMGCYCLE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IMGCYCLE_SETTINGS", str(tmp_path / "settings.toml"))
    monkeypatch.delenv("IMGCYCLE_DEBUG", raising=False)
    save_style(tmp_path / "tiny.safetensors", work_size=32)
    (tmp_path / "a.png").write_bytes(encoded(scene(), "PNG"))
    (tmp_path / "b.png").write_bytes(encoded(scene(40, 48), "PNG"))
    return tmp_path


def recipe(path: Path) -> dict[str, Any]:
    found = read_recipe(path)
    assert found is not None
    return dict(found["options"])


def test_a_preset_is_in_place_before_what_is_typed(folder: Path) -> None:
    (folder / "settings.toml").write_text(
        '[presets.soft]\nto = "tiny.safetensors"\nstrength = 0.5\nkeep-colour = true\ncodec = "ffv1"\n'
        "[presets.soft.convert]\ndetail = 0.25\n"
    )
    assert run(["convert", "a.png", "-o", "one.png", "--use", "soft"]) == 0
    made = recipe(folder / "one.png")
    assert (made["strength"], made["keep_colour"], made["detail"]) == (0.5, True, 0.25)
    assert run(["convert", "a.png", "-o", "two.png", "--strength=0.75", "--use=soft"]) == 0
    assert recipe(folder / "two.png")["strength"] == 0.75


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("", "has no preset 'soft' (a preset begins with [presets.NAME])"),
        ("[presets.hard]\n", "it has hard"),
        ("[presets]\nsoft = 3\n", "is no settings file"),
        ("[presets.soft\n", "is no settings file"),
        ("[presets.soft]\nstrenght = 1\n", "strenght in preset soft is no option"),
        ("[presets.soft.convert]\ncodec = 'ffv1'\n", "convert has no option codec"),
        ("[presets.soft.paint]\ndetail = 1\n", "[presets.soft.paint] is no command"),
        ("[presets.soft]\ncompare = 'yes'\n", "compare is 'yes' (true or false)"),
        ("[presets.soft]\nstrength = 3\n", "--strength is 3.0 (choose between 0 and 2)"),
    ],
)
def test_what_a_settings_file_says_wrong_takes_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    if text is not None:
        (folder / "settings.toml").write_text(text)
    assert run(["convert", "a.png", "--to", "tiny.safetensors", "--use", "soft"]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1


def test_a_result_is_made_again_of_another_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--detail", "0.1", "--strength", "1.5", "--keep-colour", "--quality", "97"]
    assert run(["convert", "a.png", "--to", "tiny.safetensors", "-o", "made.png", *words]) == 0
    assert run(["convert", "b.png", "--to", "tiny.safetensors", "--like", "made.png", "-o", "again.png"]) == 0
    assert recipe(folder / "again.png") == recipe(folder / "made.png")
    plan = ["convert", "b.png", "--to", "tiny.safetensors", "--like", "made.png", "--dry-run", "--json"]
    capsys.readouterr()
    assert run([*plan, "--strength", "1"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["options"]["strength"] == 1
    assert json.loads(line)["options"]["detail"] == 0.1


def test_a_result_names_its_style(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "add", "tiny.safetensors", "--name", "mine"]) == 0
    assert run(["convert", "a.png", "--to", "mine", "-o", "made.png"]) == 0
    assert run(["convert", "b.png", "--like", "made.png", "-o", "again.png"]) == 0
    assert recipe(folder / "again.png") == recipe(folder / "made.png")
    assert run(["models", "remove", "mine"]) == 0
    capsys.readouterr()
    assert run(["convert", "b.png", "--like", "made.png", "-o", "third.png"]) == 2
    assert "mine" in capsys.readouterr().err
    assert run(["convert", "b.png", "--like", "a.png"]) == 2
    assert "holds no recipe" in capsys.readouterr().err
    assert run(["convert", "b.png", "--like", "gone.png"]) == 1
