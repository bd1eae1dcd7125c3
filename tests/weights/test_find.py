from __future__ import annotations

from pathlib import Path

import pytest
import torch

from imgcycle.errors import StyleNotHere, UnknownStyle, UsageError, WeightsError
from imgcycle.jobs.translators import load_translator
from imgcycle.weights import find
from imgcycle.weights.description import digest
from imgcycle.weights.find import find_style, known_styles
from imgcycle.weights.importers import convert_checkpoint
from imgcycle.weights.index import read_index
from imgcycle.weights.user_styles import add_style
from tests.styles import save_style, settle
from tests.weights.importers import plain


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IMGCYCLE_HOME", str(tmp_path))
    monkeypatch.setattr(find, "homes", lambda: [tmp_path])
    return tmp_path


def write_index(home: Path, name: str = "monet", **values: object) -> None:
    path = save_style(home / f"{name}.safetensors")
    fields = {"file": path.name, "sha256": digest(path), "licence": "CC0-1.0", "data": "noise"} | values
    lines = [f"{k} = {v!r}" if not isinstance(v, str) else f'{k} = "{v}"' for k, v in fields.items()]
    index = home / "index.toml"
    before = index.read_text() if index.exists() else "schema = 1\n"
    index.write_text(before + f"[style.{name}]\n" + "\n".join(lines) + "\n")


def test_a_name_leads_to_the_file_and_its_ways(home: Path) -> None:
    write_index(home, work_size=300, detail=0.25)
    found = find_style("monet")
    assert found.path == home / "monet.safetensors"
    assert load_translator("monet").style == type(load_translator("monet").style)(
        "monet", digest(found.path), 300, 0.25
    )


def test_unknown_styles_name_the_known_ones_nearest_first(home: Path) -> None:
    for name in ("winter", "vangogh", "monet"):
        write_index(home, name)
    with pytest.raises(UnknownStyle, match="known: monet, vangogh, winter") as caught:
        find_style("monnet")
    assert caught.value.exit_code == 2


def test_a_file_that_is_there_is_not_called_unknown(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_index(home)
    for name in ("a.jpg", "monet", "noise"):
        (tmp_path / name).write_bytes(b"x")
    for style in ("a.jpg", "noise", str(tmp_path / "monet")):
        with pytest.raises(UnknownStyle, match=rf"{style} is no weights file but a text, beginning with “x”"):
            find_style(style)
    assert find_style("monet").label == "monet"


def test_a_changed_file_is_not_trusted(home: Path) -> None:
    write_index(home)
    save_style(home / "monet.safetensors", seed=1)
    with pytest.raises(WeightsError, match=r"not the file .*\(imgcycle models remove monet, then add it again\)"):
        load_translator("monet")
    (home / "monet.safetensors").unlink()
    with pytest.raises(WeightsError, match="are not at"):
        find_style("monet")


def test_styles_to_get_are_named_with_a_mark(home: Path) -> None:
    write_index(home)
    text = (home / "index.toml").read_text()
    remote = '\n[source.s]\nbases = ["https://a.example/"]\nlicence = ""\n'
    remote += "".join(f'[remote.{name}]\nsource = "s"\nfile = "x.pth"\ndata = ""\n' for name in ("monet", "monet_old"))
    (home / "index.toml").write_text(text + remote)
    with pytest.raises(UnknownStyle, match=r"known: monet, monet_old\*; \*: imgcycle models get NAME"):
        find_style("monnet")
    assert find_style("monet").path == home / "monet.safetensors"
    (home / "monet.safetensors").unlink()
    for name, words in (("monet", "are not at"), ("monet_old", "not on this machine yet")):
        with pytest.raises(StyleNotHere, match=rf"{words}.*\(imgcycle models get {name}\)") as caught:
            find_style(name)
        assert caught.value.exit_code == 2


def test_a_folder_of_pictures_does_not_hide_a_style_to_get(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "index.toml").write_text(
        'schema = 1\n[source.s]\nbases = ["https://a/"]\nlicence = ""\n'
        '[remote.zebra]\nsource = "s"\nfile = "x"\ndata = ""\n'
    )
    (home / "zebra").mkdir()
    monkeypatch.chdir(home)
    with pytest.raises(StyleNotHere):
        find_style("zebra")


def test_run_folders_prefer_their_best(tmp_path: Path) -> None:
    run = tmp_path / "photo2monet"
    for place in ("weights", "weights/best"):
        (run / place).mkdir(parents=True, exist_ok=True)
    save_style(run / "weights" / "A2B.safetensors")
    assert find_style(str(run)).path == run / "weights" / "A2B.safetensors"
    assert find_style(str(run)).label == "photo2monet"
    best = save_style(run / "weights" / "best" / "A2B.safetensors")
    assert find_style(str(run)).path == best
    assert find_style(str(best)).label == "photo2monet"
    with pytest.raises(UnknownStyle, match="A2B"):
        find_style(str(run), "B2A")
    with pytest.raises(UnknownStyle):
        find_style(str(tmp_path))


def test_the_first_home_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_index(tmp_path / name, data=name)
    monkeypatch.setattr(find, "homes", lambda: [tmp_path / "one", tmp_path / "two", tmp_path / "none"])
    entry = known_styles()["monet"].entry
    assert entry is not None
    assert entry.data == "one"


@pytest.mark.parametrize(
    "text",
    [
        "schema = 2",
        "not toml",
        'schema = 1\n[style.a]\nfile = "x"',
        'schema = 1\n[style.a]\nfile = "../x"\nsha256=""\nlicence=""\ndata=""',
        'schema = 1\n[style.a]\nfile = "x"\nsha256=""\nlicence=""\ndata=""\nwork_size="big"',
        'schema = 1\n[style.a]\nfile = "x"\nsha256=""\nlicence=""\ndata=""\nfrom="?"',
    ],
)
def test_a_damaged_index_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.toml").write_text(text)
    with pytest.raises(WeightsError):
        read_index(tmp_path)


def test_the_card_speaks_where_no_index_does(tmp_path: Path) -> None:
    path = save_style(tmp_path / "own.safetensors", work_size=400, detail=0.1)
    style = load_translator(str(path)).style
    assert (style.name, style.work_size, style.detail) == ("own", 400, 0.1)
    odd = save_style(tmp_path / "odd.safetensors", work_size="large", detail=7)
    assert load_translator(str(odd)).style.work_size == 512


def test_the_home_of_nobody_is_no_style() -> None:
    with pytest.raises(UnknownStyle, match="there is no ~no such person/x"):
        find_style("~no such person/x")


def test_the_way_back_is_refused_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch, tmp_path / "home", "plain")
    card = save_style(tmp_path / "card.safetensors", direction="photograph → painting")
    add_style(str(card), "known")
    with pytest.raises(UsageError, match="known holds no B2A, it has one direction alone: photograph → painting"):
        find_style("known", "B2A")
    with pytest.raises(UsageError, match=r"plain holds no B2A, it has one direction alone \(leave --direction out\)"):
        find_style("plain", "B2A")
    there = save_style(tmp_path / "A2B.safetensors", direction="A2B")
    back = save_style(tmp_path / "B2A.safetensors", direction="B2A")
    foreign = tmp_path / "one.pth"
    torch.save(plain.lively(plain.Resnet(1)).state_dict(), foreign)
    for path, held in ((there, ": A2B"), (card, ": photograph → painting"), (foreign, "")):
        said = rf"{path.name} holds no B2A, it has one direction alone{held} \(leave --direction out\)"
        with pytest.raises(UsageError, match=said):
            load_translator(str(path), "B2A")
        with pytest.raises(UsageError, match=said):
            add_style(str(path), "mine", "B2A")
        load_translator(str(path), "A2B")
    with pytest.raises(UsageError, match=r"one\.pth holds no B2A"):
        convert_checkpoint(foreign, tmp_path / "out.safetensors", "B2A")
    assert not (tmp_path / "out.safetensors").exists()
    assert load_translator(str(back), "B2A").style.digest == digest(back)
    add_style(str(back), "back", "B2A")


def test_where_a_style_leads_back_is_said() -> None:
    with pytest.raises(UsageError, match=r"monet holds no B2A.*: photograph → .*\(--to photo leads back\)"):
        find_style("monet", "B2A")
