"""An index is written without losing what is in it, and what is written can be read again."""

from __future__ import annotations

import math
import threading
import tomllib
from pathlib import Path

import pytest

from imgcycle.errors import WeightsError
from imgcycle.weights.index import IndexEntry, Pin, read_index, read_pins
from imgcycle.weights.index_writer import add_entry, drop_entry


def entry(home: Path, name: str = "tiny", **more: object) -> IndexEntry:
    return IndexEntry(name, home / f"{name}.safetensors", "ab" * 32, "CC0-1.0", "noise", **more)  # type: ignore[arg-type]


def test_an_entry_comes_back_as_it_was(tmp_path: Path) -> None:
    made = entry(tmp_path, "größe.v2", direction="a → b", work_size=32, detail=0.0, figures={"kid": 0.1})
    add_entry(tmp_path, made)
    assert read_index(tmp_path) == {"größe.v2": made}
    assert read_pins(tmp_path) == {}
    drop_entry(tmp_path, "größe.v2")
    assert read_index(tmp_path) == {}


def test_an_entry_takes_the_place_of_the_one_before_and_its_pin_stays(tmp_path: Path) -> None:
    first, second = Pin("aa" * 32, "https://x/tiny.pth", "2026-01-02"), Pin("bb" * 32)
    add_entry(tmp_path, entry(tmp_path, method="old"), first)
    add_entry(tmp_path, entry(tmp_path, "other"))
    add_entry(tmp_path, entry(tmp_path), second)
    assert set(read_index(tmp_path)) == {"tiny", "other"}
    assert read_pins(tmp_path) == {"tiny": first}
    assert "[pin.tiny]" in (tmp_path / "index.toml").read_text()  # as messages call it
    drop_entry(tmp_path, "tiny")
    assert set(read_index(tmp_path)) == {"other"}
    assert read_pins(tmp_path) == {"tiny": first}


ODD = {
    "dotted": 'style.tiny = { file = "x" }\nstyle.b.file = "b"\n',
    "one table": '[style]\ntiny = { file = "x" }\nb = { file = "b" }\n',
    "a value like a table": '[style.tiny]\n[style.tiny.figures]\nm = [\n  [1, 2],\n]\n[style.b]\nfile = "b"\n',
    "apart": '[style.tiny]\n[pin.z]\nsha256 = ""\n[style.tiny.figures]\nk = 1\n[ style . "b" ]\nfile = "b"\n',
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_whatever_form_a_person_wrote_it_in(tmp_path: Path, text: str) -> None:
    index = tmp_path / "index.toml"
    text = "schema = 1\n" + text
    index.write_text(text)
    before = tomllib.loads(text)
    drop_entry(tmp_path, "tiny")
    del before["style"]["tiny"]
    assert tomllib.loads(index.read_text()) == before
    index.write_text(text)
    add_entry(tmp_path, entry(tmp_path), Pin("bb" * 32))
    after = tomllib.loads(index.read_text())
    assert after["style"]["tiny"]["file"] == "tiny.safetensors"
    assert after["style"]["b"] == before["style"]["b"]
    assert after["pin"]["tiny"]["sha256"] == "bb" * 32


def test_comments_and_line_ends_are_kept(tmp_path: Path) -> None:
    index = tmp_path / "index.toml"
    index.write_bytes(b"schema = 1 # mine\r\n\r\n[style.b] # b\r\nfile = 'b'\r\n")
    add_entry(tmp_path, entry(tmp_path))
    assert index.read_bytes().startswith(b"schema = 1 # mine\r\n\r\n[style.b] # b\r\nfile = 'b'\n\n[style.tiny]\n")


def test_an_index_that_nothing_can_be_added_to_is_left_alone(tmp_path: Path) -> None:
    text = 'schema = 1\nstyle = { b = { file = "b" } }\n'
    (tmp_path / "index.toml").write_text(text)
    with pytest.raises(WeightsError, match="in a way of its own"):
        add_entry(tmp_path, entry(tmp_path))
    assert (tmp_path / "index.toml").read_text() == text


@pytest.mark.parametrize("end", ["\u2028", "\u0085", "\x0c", "\r"])
def test_a_line_ends_where_toml_says(tmp_path: Path, end: str) -> None:
    """The words of a card are anyone's: they end no line, and begin no table."""
    kept = entry(tmp_path, "kept", method=f"a{end}[style.gone]{end}b")
    add_entry(tmp_path, kept)
    add_entry(tmp_path, entry(tmp_path, "gone"))
    drop_entry(tmp_path, "gone")
    assert read_index(tmp_path) == {"kept": kept}


def test_no_entry_is_lost_when_many_write_at_once(tmp_path: Path) -> None:
    names = [f"s{n}" for n in range(12)]
    threads = [threading.Thread(target=add_entry, args=(tmp_path, entry(tmp_path, name))) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(read_index(tmp_path)) == set(names)


def test_cards_survive_as_toml(tmp_path: Path) -> None:
    card = {
        "a": 'quo"te\\\n\x7f',
        "b": [1, 2.5, True],
        "c": {"d e": None, "f": math.inf},
        "g": "grün \U0001f600",
        "h": {},
        "i": chr(0xD800),
    }
    add_entry(tmp_path, entry(tmp_path, figures=card))
    made = tomllib.loads((tmp_path / "index.toml").read_text("utf-8"))["style"]["tiny"]["figures"]
    assert made == {**card, "c": {"f": math.inf}, "i": "?"}
