"""What the README says can be typed, can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from imgcycle.cli.app import run
from tests.media.pictures import encoded, scene
from tests.media.video.clips import make
from tests.styles import settle

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / name for name in ("README.md", "pretrained/README.md", "tests/benchmarks/README.md")]
"""What users read, and where its details stand."""


def commands() -> list[str]:
    """Every `imgcycle …` line of a shell block, without its comment."""
    blocks = [
        block for page in PAGES for block in re.findall(r"```(?:sh)?\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    ]
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
    assert run([*name, "--help-all" if name == ["train"] else "--help"]) == 0
    shown = capsys.readouterr().out
    for option in (word for word in words if re.match(r"--?[a-z]", word)):
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", shown), (
            f"{option} of {command!r} is not in its help"
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_picture_and_file_it_points_to_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).is_file(), target


def test_every_benchmark_that_is_named_is_there() -> None:
    named = {name for page in PAGES for name in re.findall(r"tests\.benchmarks\.(\w+)", page.read_text("utf-8"))}
    assert named - {"NAME"}
    for name in named - {"NAME"}:
        assert (ROOT / f"tests/benchmarks/{name}.py").is_file(), name


def test_every_benchmark_is_named() -> None:
    page = (ROOT / "tests/benchmarks/README.md").read_text("utf-8")
    files = (ROOT / "tests/benchmarks").glob("*.py")
    there = {file.stem for file in files if '__name__ == "__main__"' in file.read_text("utf-8")}
    assert {name for name in there if f"tests.benchmarks.{name}" not in page} == set()


def test_the_two_commands_that_do_all_the_set_up() -> None:
    assert "pip install . && imgcycle convert pretrained/samples --to monet -o out/" in README
    assert "pip install -e '.[test]' && pytest -n auto" in README
    assert "\npytest -n auto\n" in (ROOT / ".ci/run").read_text("utf-8")


PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHORTER = {"steps=20_000": "steps=2, size=40, crop=32"}
"""What is put in place of lengths that take hours."""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the blocks speak of, and tiny nets under the names of styles."""
    for name, kind in (("photos", 0), ("paintings", 10)):
        (tmp_path / name).mkdir()
        for n in range(2):
            (tmp_path / name / f"{n}.jpg").write_bytes(encoded(scene(40, 56, kind + n)))
    (tmp_path / "a.jpg").write_bytes(encoded(scene(60, 80)))
    settle(monkeypatch, tmp_path / "home", "monet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_is_python_for_every_way_in() -> None:
    said = "".join(PYTHON)
    assert all(f"{name}(" in said for name in ("convert_images", "convert_video", "translate", "train"))


@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_python_that_it_shows_runs(code: str, world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len([line for line in code.splitlines() if line.strip()]) <= 5
    if "clip.mp4" in code:
        make("-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=0.4", "clip.mp4")
    for long, short in SHORTER.items():
        code = code.replace(long, short)
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - it is our own README
    if "rows" in names:
        assert [row.status for row in names["rows"]] == ["done", "done"]
        assert (world / "painted/0.jpg").is_file()
        assert names["failed"] == []
    if "row" in names:
        assert names["row"].frames > 0
        assert (world / "clip-monet.mp4").is_file()
    if "painted" in names:
        assert names["painted"].size == (80, 60)
    if "ended" in names:
        assert (world / "runs/mine/weights/A2B.safetensors").is_file()
    if "progress" in code:
        assert "1.0" in capsys.readouterr().out.split()


def test_it_is_read_to_its_end() -> None:
    """What is long stands in `pretrained/README.md` and `tests/benchmarks/README.md`."""
    assert README.count("\n") <= 250
