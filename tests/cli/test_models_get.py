"""`imgcycle models get`, and what `--to` says of a published style that is not here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from imgcycle.cli import prompt
from imgcycle.cli.app import app, run
from imgcycle.cli.render import models as models_view
from imgcycle.weights.download import MIRROR
from imgcycle.weights.events import Asking, Event, Kept, Received, Refused, Waiting
from imgcycle.weights.index import read_pins
from tests.media.pictures import encoded, scene
from tests.weights.published import Server, checkpoint, write_index

GOOD = checkpoint(0)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> Path:
    monkeypatch.setenv("IMGCYCLE_HOME", str(tmp_path / "home"))
    for name in (MIRROR, "IMGCYCLE_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").write_bytes(encoded(scene()))
    write_index(tmp_path / "home", server.base, direction="noise → dice")
    return tmp_path / "home"


def test_get_list_info_verify_convert_remove(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert run(["models", "list"]) == 0
    said = capsys.readouterr()
    assert any(line.split() == ["tiny", "noise", "→", "dice", "(to", "get)"] for line in said.out.splitlines())
    assert "imgcycle models get NAME" in said.err
    assert run(["models", "info", "tiny", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["present"], facts["licence"], facts["get"]) == (False, "CC0-1.0", "imgcycle models get tiny")
    assert run(["models", "path", "tiny"]) == 2
    capsys.readouterr()
    assert run(["models", "get", "tiny"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "tiny is kept at" in said.err
    assert "its digest is pinned" in said.err
    assert run(["models", "list", "--json"]) == 0
    rows = {row["name"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows["tiny"]["present"]
    assert not rows["style_ukiyoe"]["present"]
    assert rows["style_ukiyoe"]["path"] == str(home / "style_ukiyoe.safetensors")
    assert rows["monet"]["present"]
    assert run(["models", "verify", "tiny"]) == 0
    assert run(["models", "path", "tiny"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(home / "tiny.safetensors")
    assert run(["convert", "a.jpg", "--to", "tiny", "-q"]) == 0
    assert Path("a-tiny.jpg").exists()
    assert run(["models", "remove", "tiny"]) == 0
    assert run(["models", "path", "tiny"]) == 2


def test_verify_finds_weights_that_are_not_from_the_pinned_file(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert run(["models", "get", "tiny", "-q"]) == 0
    index = home / "index.toml"
    index.write_text(index.read_text().replace(read_pins(home)["tiny"].sha256, "0" * 64))
    assert run(["models", "verify", "tiny"]) == 1
    assert "not made from the file that was fetched first" in capsys.readouterr().out


def test_json_has_a_line_for_each_style(capsys: pytest.CaptureFixture[str], home: Path, server: Server) -> None:
    assert run(["models", "get", "tiny", "monet", "tiny", "--json", "-v"]) == 0
    said = capsys.readouterr()
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [(row["name"], row["status"], row["error"]) for row in rows] == [
        ("tiny", "done", None),
        ("monet", "skipped", None),
    ]
    assert rows[0]["path"] == str(home / "tiny.safetensors")
    assert rows[0]["size"] == len(GOOD)
    progress = [json.loads(line)["progress"] for line in said.err.splitlines()]
    assert progress[0] == {"event": "asking", "name": "tiny", "url": f"{server.base}/tiny.pth"}
    assert all(json.loads(line)["schema"] == 1 for line in (said.out + said.err).splitlines())


def test_what_fails_takes_one_line_and_exit_1(capsys: pytest.CaptureFixture[str], home: Path, server: Server) -> None:
    server.answers.clear()
    assert run(["models", "get", "tiny", "-q"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(f"imgcycle: tiny could not be fetched: {server.base}/tiny.pth answers 404 Not Found")
    assert str(home / "tiny.pth") in said
    assert run(["models", "get", "tiny", "monet", "--json"]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["status"] for row in rows] == ["failed", "skipped"]


def test_unknown_names_are_told_before_anything_is_fetched(capsys: pytest.CaptureFixture[str], server: Server) -> None:
    assert run(["models", "get", "tiny", "style_ukiyo"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "known: style_ukiyoe*, " in said
    assert server.asked == []


def test_a_mirror_is_an_option_and_a_variable(
    capsys: pytest.CaptureFixture[str], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MIRROR, f"{server.base}/b")
    assert run(["models", "get", "tiny", "--mirror", f"{server.base}/a"]) == 0
    assert server.asked == ["/a/tiny.pth", "/b/tiny.pth", "/tiny.pth"]
    assert f"a/tiny.pth answers 404 Not Found; trying {server.base}/b/tiny.pth instead\n" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["convert", "a.jpg", "--to"], ["video", "a.mp4", "--style"]])
def test_where_nobody_can_be_asked_the_command_is_named(
    words: list[str], capsys: pytest.CaptureFixture[str], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for more, somebody in ([], False), (["--json"], True), (["-q"], True), (["--dry-run"], True):
        monkeypatch.setattr(prompt, "_is_interactive", lambda there=somebody: there)
        assert run([*words, "tiny", *more]) == 2
        said = capsys.readouterr()
        assert said.err == "imgcycle: tiny is not on this machine yet (imgcycle models get tiny)\n"
        assert said.out == ""
    assert server.asked == []


@pytest.mark.parametrize(("answer", "fetched"), [("\n", True), ("Yes\n", True), ("n\n", False), ("", False)])
def test_a_person_is_asked(answer: str, fetched: bool, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt, "_is_interactive", lambda: True)
    result = CliRunner().invoke(app, ["convert", "a.jpg", "--to", "tiny"], input=answer)
    assert "tiny (noise → dice) is published, but not on this machine yet." in result.stderr
    assert "Learnt from noise. Licence: CC0-1.0." in result.stderr
    assert "Fetch it from 127.0.0.1, about 1 MB? [Y/n]" in result.stderr
    assert result.stdout == ""
    assert (result.exit_code == 0) is fetched
    assert Path("a-tiny.jpg").exists() is fetched
    assert server.asked == (["/tiny.pth"] if fetched else [])
    monkeypatch.setenv(MIRROR, "https://mirror.example/cyclegan")
    again = CliRunner().invoke(app, ["convert", "a.jpg", "--to", "tiny"], input="n\n")
    assert ("Fetch it from mirror.example, about 1 MB? [Y/n]" in again.stderr) is not fetched


def test_ctrl_c_during_a_fetch_is_130_and_keeps_nothing(
    capsys: pytest.CaptureFixture[str], home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("imgcycle.weights.download._write", stopped)
        assert run(["models", "get", "tiny"]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not list(home.rglob("*.safetensors"))
    assert not list(home.rglob("*.pth"))
    assert run(["models", "get", "tiny"]) == 0


EVENTS: list[Event] = [
    Waiting("x"),
    Asking("x", "https://a/x.pth"),
    Refused("x", "https://a/x.pth", "answers 404 Not Found", "http://a/x.pth"),
    Refused("x", "http://a/x.pth", "broke off", None),
    Received("x", 1_500_000, 45_600_000),
    Received("x", 1_500_000, None),
    Kept("x", Path("/h/x.safetensors"), "ab", "http://a/x.pth", 45_600_000, trusted_now=True),
    Kept("x", Path("/h/x.safetensors"), fresh=False),
]


def test_every_event_has_words() -> None:
    assert [models_view.fetch_line(event) for event in EVENTS] == [
        "x: another imgcycle is fetching it, waiting",
        "x: fetching https://a/x.pth",
        "https://a/x.pth answers 404 Not Found; trying http://a/x.pth instead, which anyone on the way could alter",
        "http://a/x.pth broke off",
        "x: 1.5 MB of 45.6 MB",
        "x: 1.5 MB",
        "x is kept at /h/x.safetensors (45.6 MB fetched; its digest is pinned from now on):"
        " imgcycle convert PHOTOS --to x",
        "x is here already: /h/x.safetensors",
    ]


def test_the_bar_shows_everything_but_the_bytes_in_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with models_view.fetching() as listen:
        for event in EVENTS:
            listen(event)
    said = capsys.readouterr().err
    assert "is kept at /h/x.safetensors" in said
    assert "anyone on the way could alter" in said
