"""`imgcycle models` on what people really bring: odd names, damaged indexes, hostile cards. Run in this process."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from imgcycle.cli.app import run
from imgcycle.errors import ImgcycleError, UsageError
from imgcycle.weights.description import digest
from imgcycle.weights.find import find_style, index_damage, known_styles
from imgcycle.weights.native import load_generator
from imgcycle.weights.user_styles import add_style
from tests.styles import save_style
from tests.weights.importers import plain
from tests.weights.importers.plain import lively

Said = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IMGCYCLE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def one_line(capsys: Said, *words: str, code: int = 2) -> str:
    """What a command says on stderr, which is one line."""
    assert run(list(words)) == code
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "unexpected" not in said
    assert "Traceback" not in said
    return said


def test_import_of_a_file_of_ours_says_that_it_is(tmp_path: Path, capsys: Said) -> None:
    save_style(tmp_path / "x.safetensors")
    assert "is a weights file of imgcycle's already" in one_line(
        capsys, "models", "import", "x.safetensors", "-o", "y.safetensors"
    )
    assert not (tmp_path / "y.safetensors").exists()


def test_import_never_replaces_what_it_reads(tmp_path: Path, capsys: Said) -> None:
    safetensors.torch.save_file(lively(plain.Resnet(1)).state_dict(), tmp_path / "x.safetensors")
    before = (tmp_path / "x.safetensors").read_bytes()
    words = ("models", "import", "x.safetensors", "-o", "./x.safetensors", "--overwrite")
    assert "is the file to import" in one_line(capsys, *words)
    assert (tmp_path / "x.safetensors").read_bytes() == before


@pytest.mark.parametrize("output", ["folder.safetensors", "net.pth/x.safetensors"])
def test_import_to_where_nothing_can_be_written(tmp_path: Path, capsys: Said, output: str) -> None:
    torch.save(lively(plain.Resnet(1)).state_dict(), tmp_path / "net.pth")
    (tmp_path / "folder.safetensors").mkdir()
    words = ("models", "import", "net.pth", "-o", output, "--overwrite")
    assert "cannot be written" in one_line(capsys, *words, code=1)


@pytest.mark.parametrize(
    "style",
    [
        "", ".", "..", "../x", "/", "~", "a\nb", "\x1b[31m", "x" * 5000, "x" * 5000 + ".pth", "größe", "monet ", "-",
        "*", "none.pth", "none.safetensors", "/dev/null", "/dev/zero.pth", "a\0b", "a\0b.pth", "\udc80",
    ],
)  # fmt: skip
def test_odd_names_take_one_line(capsys: Said, style: str) -> None:
    for words in (("info",), ("path",), ("verify",), ("remove",), ("add", "--name", "x")):
        one_line(capsys, "models", words[0], *words[1:], "--", style)


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "", ".", "..", "con", "NUL.v2", "all", "x.pth", "é" * 70, "a\0b", "a b"]
)
def test_names_that_are_none(tmp_path: Path, home: Path, capsys: Said, name: str) -> None:
    save_style(tmp_path / "x.safetensors")
    one_line(capsys, "models", "add", "x.safetensors", "--name", name)
    assert not home.exists()


def test_composed_and_decomposed_letters_are_one_name(tmp_path: Path) -> None:
    add_style(str(save_style(tmp_path / "x.safetensors")), "gro\u0308ße")
    assert find_style("gr\u00f6ße").path == find_style("gro\u0308ße").path
    with pytest.raises(UsageError, match="already"):
        add_style(str(tmp_path / "x.safetensors"), "gr\u00f6ße")


def test_two_that_add_one_name_at_once(tmp_path: Path, home: Path) -> None:
    sources = [str(save_style(tmp_path / f"{n}.safetensors", n)) for n in range(4)]
    ready, ends = threading.Barrier(4), []

    def add(source: str) -> None:
        ready.wait()
        try:
            add_style(source, "mine")
        except ImgcycleError as error:
            ends.append(str(error))
        else:
            ends.append(source)

    threads = [threading.Thread(target=add, args=(source,)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (won,) = [end for end in ends if end in sources]
    assert all("there is a style mine already" in end for end in ends if end != won)
    assert find_style("mine").path.read_bytes() == Path(won).read_bytes()
    assert run(["models", "verify", "mine"]) == 0


GOOD = '[style.good]\nfile = "good.safetensors"\nsha256 = "{}"\nlicence = "CC0-1.0"\ndata = "noise"\n'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[style.bad]\nfile = "../x"\nsha256 = ""\nlicence = ""\ndata = ""\n', "style.bad"),
        ("[style.bad]\nfile = 5\n", "style.bad"),
        ("[style]\nbad = 5\n", "style.bad"),
        ('[style.bad]\nfile = "x"\nsha256 = ""\nlicence = ""\ndata = ""\nwork_size = -4\n', "work_size is -4"),
        ('[style.bad]\nfile = "x"\nsha256 = ""\nlicence = ""\ndata = ""\ndetail = nan\n', "detail is nan"),
        ('[remote.bad]\nsource = "s"\nfile = "x"\ndata = ""\n[source]\ns = 5\n', "source.s"),
    ],
)
def test_a_damaged_style_in_an_index_is_named_and_the_others_work(
    home: Path, capsys: Said, text: str, named: str
) -> None:
    home.mkdir()
    sha256 = digest(save_style(home / "good.safetensors"))
    (home / "index.toml").write_text(f"schema = 1\n{text}{GOOD.format(sha256)}")
    assert find_style("good").path == home / "good.safetensors"
    assert "monet" in known_styles()
    assert named in " ".join(index_damage())
    assert run(["models", "list"]) == 0
    said = capsys.readouterr()
    assert "good" in said.out
    assert named in said.err
    assert run(["models", "verify", "good"]) == 0
    assert run(["models", "verify"]) == 1
    assert named in capsys.readouterr().out
    add_style("good", "other")
    assert run(["models", "remove", "good"]) == 0
    assert run(["models", "remove", "other"]) == 0
    assert "[style" not in (home / "index.toml").read_text().replace(text, "")


@pytest.mark.parametrize(
    "content", [b"not toml", b"\xff\xfe", b"schema = 2", b"a = " + b"[" * 5000, b"style = 5\nschema = 1"]
)
def test_a_damaged_index_costs_no_bundled_style(tmp_path: Path, home: Path, capsys: Said, content: bytes) -> None:
    home.mkdir()
    (home / "index.toml").write_bytes(content)
    assert find_style("monet").digest
    assert run(["models", "path", "monet"]) == 0
    assert run(["models", "list"]) == 0
    assert "index.toml" in capsys.readouterr().err
    assert "index.toml" in one_line(capsys, "models", "info", "nothing-like-it")
    save_style(tmp_path / "x.safetensors")
    assert "index.toml" in one_line(capsys, "models", "add", "x.safetensors", "--name", "mine")
    assert (home / "index.toml").read_bytes() == content
    assert not (home / "mine.safetensors").exists()


HOSTILE: dict[str, Any] = {
    "data": "\x1b[2J\nfake: line", "licence": "[bold]x[/bold]<script>", "method": "x" * 100_000,
    "direction": ["\u202e"], "figures": {"kid": float("nan"), "\x07": 1}, "work_size": -3, "detail": "much", "notes": 5,
    "\x1b]0;x": 1,
}  # fmt: skip


def test_a_hostile_card_is_shown_as_text(tmp_path: Path, home: Path, capsys: Said) -> None:
    path = save_style(tmp_path / "x.safetensors", **HOSTILE)
    assert run(["models", "info", str(path)]) == 0
    said = capsys.readouterr().out
    assert said.replace("\n", "").isprintable()
    assert "\nfake" not in said
    assert len(said) < 10_000
    assert run(["models", "info", str(path), "--json"]) == 0
    line = capsys.readouterr().out
    assert json.loads(line, parse_constant=pytest.fail)["card"]["figures"]["kid"] is None
    entry, _ = add_style(str(path), "mine")
    assert (entry.work_size, entry.detail, entry.direction) == (None, None, "")
    assert known_styles()["mine"].entry == dataclasses.replace(entry, figures={"\x07": 1})
    assert run(["models", "list"]) == 0
    assert capsys.readouterr().out.replace("\n", "").isprintable()
    assert index_damage() == []


def test_weights_named_like_a_picture_are_weights(tmp_path: Path, capsys: Said) -> None:
    save_style(tmp_path / "x.jpg")
    assert run(["models", "info", "x.jpg"]) == 0
    assert "net:" in capsys.readouterr().out
    assert run(["models", "verify", "x.jpg"]) == 0
    (tmp_path / "page.pth").write_text("<html>")
    assert run(["models", "verify", "page.pth"]) == 1
    assert "is a web page" in capsys.readouterr().out
    assert "is a web page" in one_line(capsys, "models", "add", "page.pth", "--name", "x")
    assert "is a web page" in one_line(capsys, "models", "info", "page.pth")


def test_a_folder_of_checkpoints_names_them(tmp_path: Path, capsys: Said) -> None:
    folder = tmp_path / "horse2zebra"
    folder.mkdir()
    (folder / "latest_net_G.pth").touch()
    assert "name one of its files: latest_net_G.pth" in one_line(capsys, "models", "info", "./horse2zebra")


def test_add_takes_every_program_and_every_name(tmp_path: Path, home: Path) -> None:
    theirs = lively(plain.Resnet(1))
    safetensors.torch.save_file(theirs.state_dict(), tmp_path / "noname")
    entry, notes = add_style(str(tmp_path / "noname"), "mine")
    assert "official PyTorch" in notes[0]
    net, _ = load_generator(entry.path)
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.allclose(net(x), theirs(x), atol=1e-5)
