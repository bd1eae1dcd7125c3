from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgcycle.cli.app import run
from imgcycle.cli.commands.convert import _listed
from imgcycle.cli.options import BareOption, with_bare_options
from tests.cli.terminals import on_terminal
from tests.media.pictures import encoded, exif_block, scene
from tests.styles import save_style

TO = ["--to", "tiny.safetensors"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IMGCYCLE_DEBUG", raising=False)
    save_style(tmp_path / "tiny.safetensors", work_size=32)
    (tmp_path / "photos").mkdir()
    for n in range(4):
        data = encoded(scene(seed=n), "PNG", exif=exif_block())
        (tmp_path / "photos" / f"{n}.png").write_bytes(data)
    return tmp_path


class Stdin(io.TextIOWrapper):
    """Bytes for a command that reads stdin."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


def pixels(path: Path) -> np.ndarray[Any, Any]:
    return np.asarray(opened(path))


def test_lists_from_a_file_and_from_stdin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [b"photos/1.png", "photos/grün\n.png".encode()]
    (folder / os.fsdecode(names[1])).write_bytes(encoded(scene(), "PNG"))
    (folder / "list").write_bytes(b"\0".join(names) + b"\0")
    assert run(["convert", "--files-from", "list", "-0", *TO, "-o", "a/"]) == 0
    assert sorted(p.name for p in (folder / "a").glob("*.png")) == ["1.png", "grün\n.png"]
    monkeypatch.setattr(sys, "stdin", Stdin(b"photos/2.png\nphotos/3.png\n"))
    assert run(["convert", "--files-from", "-", *TO, "-o", "b/"]) == 0
    assert sorted(p.name for p in (folder / "b").glob("*.png")) == ["2.png", "3.png"]
    # Longer than what is read at once, with a name across that border, and no end of line at the end.
    long = ("photos/" + "x" * 90 + ".png\r\n").encode()
    few = b"photos/0.png\n" * 20 + b"photos/1.png"
    (folder / "long").write_bytes(long * (2**20 // len(long) - 1) + b"\n" + few)
    assert set(_listed("long", False)) == {long.strip().decode(), "photos/0.png", "photos/1.png"}
    assert len(_listed("long", False)) == 2**20 // len(long) - 1 + 21
    (folder / "none").write_bytes(b"")
    assert run(["convert", "--files-from", "none", *TO]) == 0
    assert run(["convert", "--files-from", "missing", *TO]) == 2


def test_the_failed_list_feeds_the_next_run(folder: Path) -> None:
    (folder / "photos" / "bad.png").write_bytes(b"bad")
    assert run(["convert", "photos", *TO, "--failed-list", "failed.txt"]) == 1
    assert (folder / "failed.txt").read_text() == f"photos{os.sep}bad.png\n"
    (folder / "photos" / "bad.png").write_bytes(encoded(scene(), "PNG"))
    assert run(["convert", "--files-from", "failed.txt", *TO, "-o", "again/"]) == 0
    assert (folder / "again" / "bad.png").exists()


def test_streams(folder: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    data = (folder / "photos" / "0.png").read_bytes()
    monkeypatch.setattr(sys, "stdin", Stdin(data))
    assert run(["convert", "-", *TO, "-o", "-", "--strength", "0"]) == 0
    said = capsysbinary.readouterr()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(said.out))), scene())
    assert said.err == b""
    monkeypatch.setattr(sys, "stdin", Stdin(data))
    assert run(["convert", "-", *TO, "-f", "jpg"]) == 0
    assert capsysbinary.readouterr().out.startswith(b"\xff\xd8\xff")
    assert run(["convert", "photos/0.png", *TO, "-o", "-"]) == 0
    assert capsysbinary.readouterr().out.startswith(b"\x89PNG")
    monkeypatch.setattr(sys, "stdin", Stdin(data))
    assert run(["convert", "-", *TO, "-o", "out.webp"]) == 0
    assert opened(folder / "out.webp").format == "WEBP"
    for words in (
        ["-", "photos", *TO],
        ["photos", *TO, "-o", "-"],
        ["-", *TO, "--json"],
        ["-", *TO, "-o", "photos/"],
        ["-", *TO, "-o", "out.webp"],
        ["-", *TO, "--dry-run"],
    ):
        monkeypatch.setattr(sys, "stdin", Stdin(data))
        assert run(["convert", *words]) == 2
        assert capsysbinary.readouterr().out == b""
    monkeypatch.setattr(sys, "stdin", Stdin(b"nothing"))
    assert run(["convert", "-", *TO]) == 1
    assert b"stdin: not an image" in capsysbinary.readouterr().err


def test_names_formats_and_clashes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "photos" / "0.jpg").write_bytes(encoded(scene()))
    assert run(["convert", "photos", *TO, "-f", "jpg", "--dry-run"]) == 0
    said = capsys.readouterr()
    assert "0.png.jpg" in said.out
    assert "1 output kept the full name" in said.err
    assert run(["convert", "photos", *TO, "-f", "jpg", "--on-clash", "refuse"]) == 2
    assert "both become" in capsys.readouterr().err
    assert run(["convert", "photos", *TO, "--name", "{style}/{stem}{ext}", "--limit", "1"]) == 0
    assert (folder / "photos-tiny" / "tiny" / "0.jpg").exists()
    assert run(["convert", "photos", *TO, "--name", "{nonsense}"]) == 2


def test_both_spellings_and_bare_strip(folder: Path) -> None:
    assert run(["convert", "photos/0.png", *TO, "--keep-color", "-o", "a/"]) == 0
    assert run(["convert", "photos/0.png", *TO, "--keep-colour", "-o", "b/"]) == 0
    assert (folder / "a" / "0.png").read_bytes() == (folder / "b" / "0.png").read_bytes()
    assert run(["convert", *TO, "--strip", "photos/1.png", "-o", "a/"]) == 0
    assert run(["convert", *TO, "--strip", "gps", "photos/2.png", "-o", "a/"]) == 0
    tags = [opened(folder / "a" / f"{n}.png").getexif() for n in range(3)]
    assert [0x010F in t for t in tags] == [True, False, True]
    assert [0x8825 in t for t in tags] == [True, False, False]
    bare = {"--strip": BareOption("all", {"none", "all", "gps"})}
    assert with_bare_options(["--strip", "gps", "x", "--strip"], bare) == ["--strip", "gps", "x", "--strip=all"]
    assert with_bare_options(["a", "--", "--strip"], bare) == ["a", "--", "--strip"]


def test_a_dry_run_gives_reasons_and_touches_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", "photos", *TO, "--limit", "2"]) == 0
    (folder / "photos-tiny" / "1.png").write_bytes(b"edited")
    (folder / "photos" / "clip.mp4").write_bytes(b"clip")
    before = sorted(p for p in folder.rglob("*"))
    capsys.readouterr()
    assert run(["convert", "photos", *TO, "--dry-run"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert len(lines) == 4
    assert lines[0].endswith("(skip: converted before)")
    assert "(keep: edited since" in lines[1]
    assert "1 video clip left alone" in said.err
    assert "2 of 4 would be converted" in said.err
    assert sorted(p for p in folder.rglob("*")) == before
    assert run(["convert", "photos", *TO, "--dry-run", "--json"]) == 0
    plan = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [p["verdict"] for p in plan] == ["skip", "keep", "convert", "convert"]


def test_results_inside_the_input_are_left_out(folder: Path) -> None:
    for _ in range(2):
        assert run(["convert", "photos", *TO, "-o", "photos/out"]) == 0
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*.png") if "out" in p.parts) == [
        f"photos/out/{n}.png" for n in range(4)
    ]


def test_compare_and_strength(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", "photos/0.png", *TO, "--compare", "--json"]) == 0
    row = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (row["width"], row["height"]) == (112, 40)
    assert np.array_equal(pixels(folder / "photos" / "0-tiny.png")[:, :56], scene())
    assert run(["convert", "photos/1.png", *TO, "--strength", "0"]) == 0
    assert np.array_equal(pixels(folder / "photos" / "1-tiny.png"), scene(seed=1))


def test_awkward_names_on_the_command_line(folder: Path) -> None:
    for name in ("-dash.png", "two  words.png", "ü'\".png"):
        (folder / name).write_bytes(encoded(scene(), "PNG"))
    assert run(["convert", *TO, "-o", "x/", "--", "-dash.png", "two  words.png", "ü'\".png"]) == 0
    assert len(list((folder / "x").glob("*.png"))) == 3


def test_a_bar_on_a_terminal_and_lines_elsewhere(folder: Path) -> None:
    code, out, text = on_terminal(["convert", "photos", *TO, "-v"])
    assert (code, out) == (0, b"")
    assert "4 converted in" in text
    assert "photos/3.png" in text


def test_every_pixel_in_little_memory(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full = ["convert", "photos", *TO, "--work-size", "full"]
    assert run([*full, "--memory", "64M"]) == 2
    line = capsys.readouterr().err.strip()
    assert line.startswith("imgcycle: photos/0.png: 56 × 40 pixels need more than the 64 MiB allowed (--memory ")
    assert "\n" not in line
    assert not (folder / "photos-tiny").exists()
    assert run([*full, "--memory", "lots"]) == 2
    assert "is no size" in capsys.readouterr().err
    assert run([*full, "--memory", "1G", "--dry-run", "-v"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "photos/0.png → photos-tiny/0.png"
    assert lines[1].strip().startswith("56 × 40: whole, ")
    assert run([*full, "--memory", "1G", "--dry-run", "-v", "--json"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["plan"].startswith("56 × 40: whole")
    assert run([*full, "--memory", "1G"]) == 0
    assert len(list((folder / "photos-tiny").glob("*.png"))) == 4


def test_a_bomb_is_refused_with_what_to_type(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", "photos/0.png", *TO, "--max-pixels", "1000"]) == 1
    assert capsys.readouterr().err.startswith(
        "photos/0.png: 56×40 is 2240 pixels, more than the 1000 pixels allowed (--max-pixels 2240 allows it)"
    )
