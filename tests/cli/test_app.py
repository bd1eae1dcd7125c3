from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imgcycle.cli.app import run
from tests.media.pictures import encoded, scene
from tests.styles import save_style

HEAVY = ("torch", "cv2", "numpy", "PIL")


@pytest.fixture
def folder(folder: Path) -> Path:
    (folder / "photos").mkdir()
    for n in range(3):
        (folder / "photos" / f"{n}.jpg").write_bytes(encoded(scene(seed=n)))
    return folder


def test_help_imports_nothing_heavy() -> None:
    """What it costs in seconds is measured by tests/benchmarks/startup.py; this is why it costs so little."""
    check = (
        "import sys\nfrom imgcycle.cli.app import run\nrun(['--help'])\n"
        f"sys.stderr.write(' '.join(n for n in {HEAVY!r} if n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "convert" in done.stdout


def test_a_run_with_nothing_to_do_imports_no_torch(folder: Path) -> None:
    """Nor what decodes pictures: of thousands that are done, none is opened by it."""
    words = ["convert", "photos", "--to", "tiny.safetensors", "-o", "out/"]
    assert run(words) == 0
    check = (
        f"import sys\nfrom imgcycle.cli.app import run\nassert run({words!r}) == run({[*words, '--dry-run']!r}) == 0\n"
        "sys.stderr.write(' '.join(n for n in ('torch', 'cv2', 'PIL', 'rich') if n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    before, planned, imported = done.stderr.split("\n")
    assert before.startswith("3 converted before")
    assert (planned, imported) == ("0 of 3 would be converted", "")


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["convert", "photos", "--to", "nobody"], 2, "no style is called"),
        (["convert", "photos"], 2, "--to"),
        (["convert", "nowhere", "--to", "tiny.safetensors"], 2, "there is no nowhere"),
        (["convert", "photos/0.jpg", "--to", "tiny.safetensors", "-o", "photos/0.jpg"], 2, "never written over"),
        (["convert", "photos", "--to", "tiny.safetensors", "--detail", "2"], 2, "between 0 and 1"),
        (["convert", "photos", "--to", "tiny.safetensors", "--work-size", "huge"], 2, "neither a number"),
        (["convert", "photos", "--to", "tiny.safetensors", "--device", "toaster"], 2, "no device"),
        (["convert", "photos", "--to", "photos/0.safetensors"], 2, "no weights file"),
        (["nonsense"], 2, "nonsense"),
        (["convert", "photos", "--nonsense"], 2, "--nonsense"),
        (["models", "info", "photos/0.jpg"], 1, "no recipe"),
    ],
)
def test_every_mistake_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, part: str
) -> None:
    assert run(words) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert part in said.err
    assert sorted(p.name for p in folder.iterdir()) == ["photos", "tiny.safetensors"]


def test_convert_says_json_and_exit_codes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "photos" / "bad.jpg").write_bytes(b"bad")
    words = ["convert", "photos", "--to", "tiny.safetensors", "--json"]
    assert run(words) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["schema"] for line in lines} == {1}
    assert [line.get("status") for line in lines] == ["done", "done", "done", "failed", None]
    assert set(lines[0]) == {"schema", "input", "output", "status", "width", "height", "seconds", "error"}
    assert set(lines[-1]["summary"]) == {"done", "skipped", "kept", "failed", "seconds", "megapixels"}
    (folder / "photos" / "bad.jpg").unlink()
    assert run(words) == 0
    assert '"skipped"' in capsys.readouterr().out
    result = folder / "photos-tiny" / "0.jpg"
    assert run(["models", "info", str(result), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["style"] == "tiny"


def test_plain_lines_and_dry_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", "photos", "--style", "tiny.safetensors", "--dry-run"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == f"photos/0.jpg → photos-tiny{os.sep}0.jpg"
    assert not (folder / "photos-tiny").exists()
    assert run(["convert", "photos", "--to", "tiny.safetensors"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("3 converted in")
    assert run(["convert", "photos", "--to", "tiny.safetensors", "-q", "--work-size", "full"]) == 1
    assert capsys.readouterr().err == ""


def test_an_empty_folder_is_no_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty").mkdir()
    assert run(["convert", "empty", "--to", "tiny.safetensors"]) == 0
    assert "nothing to convert" in capsys.readouterr().err


def test_models_list_path_verify(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from imgcycle.weights.description import digest

    home = folder / "home"
    home.mkdir()
    path = save_style(home / "monet.safetensors")
    text = f'file = "monet.safetensors"\nsha256 = "{digest(path)}"\nlicence = "CC0-1.0"\ndata = "noise"\n'
    (home / "index.toml").write_text(f"schema = 1\n[style.monet]\n{text}")
    assert run(["models"]) == 0
    assert "monet" in capsys.readouterr().out
    assert run(["models", "path", "monet"]) == 0
    assert capsys.readouterr().out.strip() == str(path)
    assert run(["models", "verify", "monet"]) == 0
    path.write_bytes(path.read_bytes()[:-4])
    assert run(["models", "verify", "monet"]) == 1
    assert "not the file its index describes (imgcycle models remove monet, then add it again)" in (
        capsys.readouterr().out
    )
    assert run(["models", "verify", "monet", "manet"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "no style is called 'manet'" in said.err


def test_the_list_of_commands_says_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    from imgcycle.cli.app import COMMANDS, loaded

    for name, said in COMMANDS.items():
        assert loaded(name).help.splitlines()[0] == said
        assert run([name, "--help"]) == 0
        assert f"imgcycle {name}" in capsys.readouterr().out


def test_the_help_of_train_is_short_and_whole_on_request(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert run(["train", "--help"]) == 0
    short = capsys.readouterr().out
    assert len(short.splitlines()) < 60
    assert "--recipe" in short
    assert "--lambda-nce" not in short
    assert "imgcycle train --help-all" in short
    assert run(["train", "--help-all"]) == 0
    whole = capsys.readouterr().out
    assert all(name in whole for name in ("--recipe", "--lambda-nce", "--discriminator-scales", "--minutes"))


def test_brackets_in_help_are_text(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run(["convert", "--help"]) == 0
    assert "[default: the style's own]" in capsys.readouterr().out
