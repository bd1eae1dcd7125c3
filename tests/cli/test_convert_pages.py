"""`convert` with every style at once, and the pages that show what was made."""

from __future__ import annotations

import errno
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgcycle.cli.app import run
from imgcycle.jobs.images.plan import read_recipe
from imgcycle.report.gallery import Gallery
from imgcycle.weights.find import find_style
from tests.media.pictures import encoded, scene
from tests.styles import save_style, settle

ALL = ["--to", "all"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IMGCYCLE_DEBUG", raising=False)
    settle(monkeypatch, tmp_path / "home", "one", "two")
    (tmp_path / "photos" / "in").mkdir(parents=True)
    for n, name in enumerate(("a.png", "b.png", "in/c.png")):
        (tmp_path / "photos" / name).write_bytes(encoded(scene(60, 90, n), "PNG"))
    return tmp_path


def files(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*.png"))


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def pixels(path: Path) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB"))


def test_every_style_goes_where_it_would_go_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", "photos", *ALL, "--json"]) == 0
    rows = lines(capsys)
    assert [row["status"] for row in rows[:-1]] == ["done"] * 6
    assert rows[-1]["summary"]["done"] == 6
    for name in ("one", "two"):
        assert files(folder / f"photos-{name}") == ["a.png", "b.png", "in/c.png"]
        recipe = read_recipe(folder / f"photos-{name}" / "a.png")
        assert recipe is not None
        assert recipe["style"] == name
    kept = (folder / "photos-two" / "a.png").read_bytes()
    assert run(["convert", "photos", "--to", "two", "--json"]) == 0
    assert [row["status"] for row in lines(capsys)[:-1]] == ["skipped"] * 3
    assert run(["convert", "photos/a.png", *ALL]) == 0
    assert {p.name for p in (folder / "photos").glob("a-*.png")} == {"a-one.png", "a-two.png"}
    assert np.array_equal(pixels(folder / "photos" / "a-two.png"), pixels(folder / "photos-two" / "a.png"))
    assert (folder / "photos-two" / "a.png").read_bytes() == kept


def test_what_holds_for_every_style_is_said_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "photos" / "a.jpg").write_bytes(encoded(scene(60, 90), "JPEG"))
    (folder / "photos" / "clip.mp4").write_bytes(b"clip")
    assert run(["convert", "photos", *ALL, "-f", "png", "--dry-run"]) == 0
    said = capsys.readouterr()
    assert said.out.count("/a.jpg.png\n") == said.out.count("/a.png\n") == 2
    assert said.err.count("1 output kept the full name") == said.err.count("1 video clip left alone") == 1


def test_a_folder_for_each_or_names_that_tell(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        # The second time the results lie in the input, and are none.
        assert run(["convert", "photos", *ALL, "-o", "photos/out"]) == 0
    assert files(folder / "photos" / "out") == [
        f"{s}/{n}" for s in ("one", "two") for n in ("a.png", "b.png", "in/c.png")
    ]
    assert run(["convert", "photos", *ALL, "-o", "named", "--name", "{dir}{stem}.{style}{ext}", "--limit", "1"]) == 0
    assert files(folder / "named") == ["a.one.png", "a.two.png"]
    capsys.readouterr()
    for words, why in (
        (["photos/a.png", "-o", "x.png"], "2 styles cannot go into one file x.png (name a folder)"),
        (
            ["photos/a.png", "--name", "x{ext}"],
            "several styles would be written to photos/x.png (put {style} into --name)",
        ),
        (["photos/a.png", "-o", "-"], "--to all makes several"),
        (["photos/a.png", "--direction", "B2A"], "lead one way"),
    ):
        assert run(["convert", *words, *ALL]) == 2
        assert why in capsys.readouterr().err
    assert not (folder / "x.png").exists()


def test_nothing_here_and_what_is_published_elsewhere(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "home" / "two.safetensors").unlink()
    assert run(["convert", "photos", *ALL, "--dry-run"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    monkeypatch.setattr("imgcycle.weights.find.homes", lambda: [folder / "nowhere"])
    assert run(["convert", "photos", *ALL]) == 2
    assert "no style is installed" in capsys.readouterr().err


def test_a_failure_is_listed_once_and_named_on_the_pages(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "photos" / "bad.png").write_bytes(b"bad")
    words = ["--failed-list", "failed", "--gallery", "g.html", "--sheet", "s.png", "--json"]
    assert run(["convert", "photos", *ALL, *words]) == 1
    assert (folder / "failed").read_text() == f"photos{os.sep}bad.png\n"
    gallery, sheet, summary = lines(capsys)[-3:]
    page = (folder / "g.html").read_text("utf-8")
    assert gallery == {"schema": 1, "gallery": "g.html", "pictures": 3, "bytes": len(page.encode())}
    assert sheet == {"schema": 1, "sheet": "s.png", "pictures": 3, "bytes": (folder / "s.png").stat().st_size}
    assert summary["summary"]["failed"] == 2
    assert "<li>bad.png (one): not an image that imgcycle can read</li>" in page
    assert page.count("<figure ") == 3
    assert page.count("<img ") == 9
    assert ">in/c.png<" in page


def test_what_failed_is_listed_whatever_becomes_of_the_page(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Gallery, missing: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Gallery, "finish", full)
    (folder / "photos" / "bad.png").write_bytes(b"bad")
    words = ["convert", "photos", "--to", "one", "--gallery", "g.html", "--failed-list"]
    assert run([*words, "failed"]) == 1
    assert "a page cannot be written" in capsys.readouterr().err
    assert (folder / "failed").read_text() == f"photos{os.sep}bad.png\n"
    (folder / "photos-one" / "a.png").unlink()
    for place, why in (("failed/list", "is where nothing can be written"), ("photos/a.png", "is itself an input")):
        assert run([*words, place]) == 2
        assert f"--failed-list {place} {why}" in capsys.readouterr().err
    assert not (folder / "photos-one" / "a.png").exists()


def test_a_folder_that_is_only_to_be_read_holds_no_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert run(["convert", "photos", "--to", "one", "--sheet", "new/s.png"]) == 2
    assert not (folder / "photos-one").exists()


def test_pages_show_what_was_made_before(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = ["convert", "photos", "--to", "one"]
    assert run([*to, "--limit", "2"]) == 0
    (folder / "photos-one" / "b.png").write_bytes(b"mine")
    assert run([*to, "--gallery", "photos/g.html", "--sheet", "photos/s.png"]) == 1
    said = capsys.readouterr().err
    assert "gallery: photos/g.html, 2 pictures, " in said
    page = (folder / "photos" / "g.html").read_text("utf-8")
    assert page.count("<figure ") == 2
    assert "<li>b.png: kept: edited since" in page
    first = (folder / "photos" / "s.png").read_bytes()
    # The sheet lies among the inputs and is none; both pages are ours, so they are made anew, and the same.
    assert run([*to, "--gallery", "photos/g.html", "--sheet", "photos/s.png"]) == 1
    assert "1 earlier result of imgcycle left out" in capsys.readouterr().err
    assert (folder / "photos" / "s.png").read_bytes() == first
    assert (folder / "photos" / "g.html").read_text("utf-8") == page
    assert not (folder / "photos-one" / "s.png").exists()


def test_a_damaged_style_does_not_keep_the_others_from_working(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = find_style("two").path
    path.write_bytes(path.read_bytes()[:-1])
    words = ["convert", "photos", *ALL, "-o", "out", "--sheet", "s.png"]
    said = f"imgcycle: {path} is not the file its index describes (imgcycle models remove two, then add it again)\n"
    assert run([*words, "--dry-run"]) == 1
    assert capsys.readouterr().err.startswith(said)
    assert run(words) == 1
    assert said in capsys.readouterr().err
    assert files(folder / "out") == ["one/a.png", "one/b.png", "one/in/c.png"]
    assert (folder / "s.png").exists()
    find_style("one").path.write_bytes(b"")
    assert run(words) == 2
    assert capsys.readouterr().err.startswith(f"imgcycle: {find_style('one').path} is not the file")


def test_no_file_of_the_users_is_replaced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = ["convert", "photos", "--to", "one"]
    assert run([*to, "--gallery", "g.html"]) == 0
    (folder / "g.html").write_text("mine")
    (folder / "s.jpg").write_text("mine")
    (folder / "d.html").mkdir()
    (folder / "link.png").symlink_to(folder / "photos" / "a.png")
    before = sorted(folder.rglob("*"))
    capsys.readouterr()
    for words, why in (
        (
            ["--gallery", "g.html"],
            "--gallery g.html is there already, and not as imgcycle wrote it (--overwrite replaces it)",
        ),
        (["--sheet", "s.jpg"], "--sheet s.jpg is there already"),
        (["--sheet", "photos/a.png"], "--sheet photos/a.png is itself an input"),
        (["--sheet", "link.png", "--overwrite"], "--sheet link.png is itself an input"),
        (["--sheet", "photos-one/b.png", "--overwrite"], "is itself a result"),
        (["--gallery", "d.html"], "is a folder"),
        (["--gallery", "photos/a.png/g.html"], "--gallery photos/a.png/g.html is where nothing can be written"),
        (["--gallery", "page.txt"], "is a web page (end its name in .html)"),
        (["--sheet", "page.gif"], "has no suffix of a format for sheets"),
    ):
        assert run([*to, *words]) == 2
        assert why in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before
    assert (folder / "g.html").read_text() == "mine"
    assert run([*to, "--gallery", "g.html", "--sheet", "s.jpg", "--overwrite"]) == 0
    assert "<figure " in (folder / "g.html").read_text("utf-8")
    assert (folder / "s.jpg").read_bytes().startswith(b"\xff\xd8\xff")


def test_a_dry_run_draws_nothing_and_streams_show_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.rglob("*"))
    words = ["convert", "photos", *ALL, "--gallery", "g.html", "--sheet", "s.png"]
    assert run([*words, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 6
    assert "g.html would show them" in said.err
    assert "6 of 6 would be converted" in said.err
    assert run(["convert", "photos/a.png", "--to", "one", "-o", "-", "--sheet", "s.png"]) == 2
    assert "show files, not streams" in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before
    (folder / "none").mkdir()
    assert run(["convert", "none", "--to", "one", "--gallery", "g.html"]) == 0
    assert "nothing to show: g.html not written" in capsys.readouterr().err
    assert not (folder / "g.html").exists()


def test_a_promise_about_memory_holds_for_pages(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["convert", "photos", "--to", "one", "--sheet", "s.png"]
    assert run([*words, "--memory", "450M"]) == 2
    line = capsys.readouterr().err
    assert line.startswith("imgcycle: a sheet may take more than the 450 MiB allowed (--memory ")
    assert not (folder / "photos-one").exists()
    least = line.partition("--memory ")[2].partition(" ")[0]
    assert run([*words, "--memory", least]) == 0
    assert run(["convert", "photos", "--to", "two", "--memory", "450M"]) == 0


def test_a_compared_result_is_shown_once(folder: Path) -> None:
    (folder / "flat").mkdir()
    (folder / "flat" / "a.png").write_bytes(encoded(np.full((60, 90, 3), 120, np.uint8), "PNG"))
    words = ["convert", "flat", "--to", "one", "--compare", "--strength", "0", "--sheet", "s.png"]
    assert run(words) == 0
    grey = (pixels(folder / "s.png") == 120).all(-1)
    rows, columns = np.nonzero(grey)
    height, width = rows.max() + 1 - rows.min(), columns.max() + 1 - columns.min()
    assert abs(width - 3 * height) <= 8, "two pictures of 3:2, not one of that and one of 3:1"


def test_weights_of_ones_own_have_credit(folder: Path) -> None:
    card: dict[str, Any] = {"licence": "CC0-1.0", "data": "my <own> photographs", "direction": "A2B"}
    save_style(folder / "mine.safetensors", work_size=48, **card)
    words = [
        "convert",
        "photos",
        "--to",
        "mine.safetensors",
        "--strength",
        "0.5",
        "--keep-colour",
        "--gallery",
        "g.html",
    ]
    assert run(words) == 0
    page = (folder / "g.html").read_text("utf-8")
    settings = "work size 48, detail 0.5, strength 0.5, colours kept"
    assert f"<p>mine: {settings}; learnt from my &lt;own&gt; photographs; CC0-1.0; weights " in page
