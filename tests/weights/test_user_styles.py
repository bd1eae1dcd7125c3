"""Styles of the user's own: added, found by name, removed; nothing replaced unasked."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from imgcycle.errors import OutputError, UnknownStyle, UsageError, WeightsError
from imgcycle.jobs.translators import load_translator
from imgcycle.weights.find import find_style, known_styles
from imgcycle.weights.index import read_index
from imgcycle.weights.native import load_generator
from imgcycle.weights.user_styles import add_style, remove_style
from tests.styles import save_style
from tests.weights.importers import plain
from tests.weights.importers.plain import lively


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IMGCYCLE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_weights_are_copied_and_found_by_name(tmp_path: Path, home: Path) -> None:
    source = save_style(tmp_path / "x.safetensors", work_size=300, detail=0.25, licence="CC0-1.0", figures={"kid": 0.1})
    entry, notes = add_style(str(source), "mine")
    assert notes == ()
    assert entry.path == home / "mine.safetensors"
    source.unlink()
    found = find_style("mine")
    assert found.entry == entry
    style = load_translator("mine").style
    assert (style.name, style.work_size, style.detail) == ("mine", 300, 0.25)
    assert (entry.licence, entry.data, entry.figures) == ("CC0-1.0", "unknown", {"kid": 0.1})


def test_what_an_index_knows_of_weights_goes_with_them(tmp_path: Path, home: Path) -> None:
    kept, _ = add_style(str(save_style(tmp_path / "x.safetensors", work_size=300, detail=0.25, data="noise")), "x")
    index = home / "index.toml"
    index.write_text(index.read_text().replace("work_size = 300", "work_size = 400"))
    copy = Path(shutil.copy(kept.path, tmp_path / "copy.safetensors"))
    assert load_translator(str(copy)).style.work_size == 400
    again, _ = add_style(str(copy), "again")
    assert (again.work_size, again.detail, again.data) == (400, 0.25, "noise")
    other = save_style(tmp_path / "other.safetensors", 1, work_size=300)
    assert load_translator(str(other)).style.work_size == 300


def test_weights_named_by_path_need_no_index(tmp_path: Path, home: Path) -> None:
    source = save_style(tmp_path / "x.safetensors", work_size=300)
    home.mkdir()
    (home / "index.toml").write_text("not toml")
    assert load_translator(str(source)).style.work_size == 300


@pytest.mark.parametrize(
    ("way", "said"), [("A2B", "p/photo (7) to p/monet (9)"), ("B2A", "p/monet (9) to p/photo (7)")]
)
def test_the_data_of_a_run_are_said_in_words(tmp_path: Path, way: str, said: str) -> None:
    data = {"A": {"folder": "p/photo", "images": 7}, "B": {"folder": "p/monet", "images": 9}}
    entry, _ = add_style(str(save_style(tmp_path / "x.safetensors", data=data, direction=way)), "mine")
    assert (entry.data, entry.direction) == (said, "")


def test_a_card_cannot_spoil_the_index(tmp_path: Path, home: Path) -> None:
    odd: dict[str, Any] = {
        "work_size": True,
        "detail": False,
        "licence": 5,
        "method": "x\u2028[style.y]",
        "figures": {"": {"a\nb": [None]}},
    }
    entry, _ = add_style(str(save_style(tmp_path / "odd.safetensors", **odd)), "odd")
    assert (entry.work_size, entry.detail, entry.licence) == (None, None, "unknown")
    add_style(str(save_style(tmp_path / "x.safetensors")), "x")
    assert set(read_index(home)) == {"odd", "x"}
    remove_style("x")
    assert set(read_index(home)) == {"odd"}


def test_a_run_folder_has_two_ways(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "weights").mkdir(parents=True)
    for seed, way in enumerate(("A2B", "B2A")):
        save_style(run / "weights" / f"{way}.safetensors", seed)
    for way in ("A2B", "B2A"):
        add_style(str(run), f"mine-{way}", way)  # type: ignore[arg-type]
        assert find_style(f"mine-{way}").path.read_bytes() == (run / "weights" / f"{way}.safetensors").read_bytes()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_foreign_weights_are_converted(tmp_path: Path, suffix: str) -> None:
    theirs = lively(plain.Resnet(1))
    path = tmp_path / f"horse2zebra{suffix}"
    if suffix == ".pth":
        torch.save(theirs.state_dict(), path)
    else:
        import safetensors.torch

        safetensors.torch.save_file(theirs.state_dict(), path)
    entry, notes = add_style(str(path), "zebra")
    assert "official PyTorch" in notes[0]
    assert "official PyTorch" in entry.method
    net, about = load_generator(entry.path)
    assert about.card["source"] == path.name
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.allclose(net(x), theirs(x), atol=1e-5)


def test_both_ways_of_a_foreign_file_are_styles_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "both.pth"
    torch.save({name: lively(plain.Resnet(1), n).state_dict() for n, name in enumerate(("G_A2B", "G_B2A"))}, path)
    there, back = load_translator(str(path), "A2B").style, load_translator(str(path), "B2A").style
    assert (there.name, back.name) == ("both", "both-back")
    assert there.digest != back.digest
    assert "both.pth is recognised as ResNet generator of 1 block" in there.origin


def test_nothing_is_replaced(tmp_path: Path, home: Path) -> None:
    source = str(save_style(tmp_path / "x.safetensors"))
    add_style(source, "mine")
    for name in ("mine", "Mine"):
        with pytest.raises(UsageError, match="there is a style mine already") as caught:
            add_style(source, name)
        assert "models remove mine" in str(caught.value)
    (home / "other.safetensors").write_bytes(b"precious")
    with pytest.raises(UsageError, match="in the way"):
        add_style(source, "other")
    assert (home / "other.safetensors").read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["", ".x", "-x", "a/b", "a b", "../x", "x.", "all", "x.pth", "a\nb", "x" * 65])
def test_names_that_could_not_be_used(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        add_style(str(save_style(tmp_path / "x.safetensors")), name)
    assert not (tmp_path / "home").exists()


def test_what_cannot_be_read_leaves_nothing(tmp_path: Path, home: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    torch.save(plain.Discriminator().state_dict(), tmp_path / "discriminator.pth")
    for source in ("bad.safetensors", "discriminator.pth"):
        with pytest.raises(WeightsError):
            add_style(str(tmp_path / source), "mine")
    with pytest.raises(UnknownStyle):
        add_style("nowhere", "mine")
    assert not list(home.glob("*")) if home.exists() else True


def test_a_folder_that_cannot_be_written_is_one_line_and_nothing_in_the_way(tmp_path: Path, home: Path) -> None:
    source = str(save_style(tmp_path / "x.safetensors"))
    add_style(source, "old")
    shutil.rmtree(home / ".imgcycle")
    (home / ".imgcycle").touch()  # no folder for locks, even for root
    before = sorted(home.iterdir())
    with pytest.raises(OutputError, match="cannot be changed"):
        add_style(source, "mine")
    with pytest.raises(OutputError, match="cannot be changed"):
        remove_style("old")
    assert sorted(home.iterdir()) == before
    (home / ".imgcycle").unlink()
    add_style(source, "mine")


def test_an_index_keeps_what_a_person_wrote(tmp_path: Path, home: Path) -> None:
    source = str(save_style(tmp_path / "x.safetensors"))
    add_style(source, "one")
    index = home / "index.toml"
    index.write_text(index.read_text() + "# mine\n")
    add_style(source, "two.v2", "A2B")
    add_style(source, "größe")
    assert "# mine" in index.read_text()
    assert set(read_index(home)) == {"one", "two.v2", "größe"}
    assert remove_style("two.v2") == home / "two.v2.safetensors"
    assert set(read_index(home)) == {"one", "größe"}
    assert not (home / "two.v2.safetensors").exists()
    remove_style("one")
    assert "größe" in known_styles()


def test_only_own_styles_are_removed(home: Path) -> None:
    with pytest.raises(UsageError, match="not one of your own"):
        remove_style("monet")
