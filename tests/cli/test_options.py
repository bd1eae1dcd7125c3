"""Names that no file here can have, in every option and input of every command; and whatever else may be typed."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgcycle.cli.app import COMMANDS, loaded, run
from tests.media.pictures import encoded, scene


def commands() -> Iterator[tuple[list[str], Any]]:
    for name in COMMANDS:
        command = loaded(name)
        inner = getattr(command, "commands", {})
        for each in inner.values():
            each.words = command.words
        yield from (([name, each], inner[each]) for each in inner)
        if not inner:
            yield [name], command


def texts(command: Any) -> list[Any]:
    """The parameters of a command that are text, or the name of a file: as its function declares them."""
    hints = get_type_hints(inspect.unwrap(command.callback))
    return [p for p in command.params if {str, Path} & {hints.get(p.name), *inner_types(hints.get(p.name))}]


def inner_types(hint: Any) -> Iterator[Any]:
    for each in get_args(hint):
        yield each
        yield from inner_types(each)


def words_for(words: list[str], command: Any, chosen: Any, value: str) -> list[str]:
    """A command line in which one parameter has the value, and whatever else is required has one."""
    options, arguments = [], []
    for parameter in command.params:
        if parameter is not chosen and not parameter.required:
            continue
        text = value if parameter is chosen else "x"
        if parameter.param_type_name == "option":
            options += [f"{max(parameter.opts, key=len)}={text}"]
        else:
            arguments.append(text)
    if chosen.param_type_name == "argument":  # those before it have to be there as well
        before = [p for p in command.params if p.param_type_name == "argument"]
        arguments = ["x"] * before.index(chosen) + [value]
    return [*words, *options, "--", *arguments]


PLACES = [
    pytest.param(words, command, parameter, id=f"{' '.join(words)} {parameter.name}")
    for words, command in commands()
    for parameter in texts(command)
    if parameter.name not in command.words
]
LONG = "n" * 256
BAD = {
    "ftp://host/a.jpg": "is an address",
    "https://me:word@host/a.jpg": "address",
    "FILE:///tmp/a.jpg": "is an address",
    "az+x.y-z://a": "is an address",
    LONG: "File name too long",
    f"in/{LONG}/a.jpg": "File name too long",
    f"{LONG}.png": "File name too long",
    "d/" * 2100 + "a.jpg": "File name too long",
    "loop/a.jpg": "symbolic links",
    "closed/a.jpg": "Permission denied",
    "link-to-closed": "Permission denied",
}


@pytest.fixture
def folder(folder: Path) -> Path:
    (folder / "in").mkdir()
    for n in range(2):
        (folder / "in" / f"{n}.png").write_bytes(encoded(scene(seed=n), "PNG"))
    (folder / "loop").symlink_to("loop")
    return folder


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that nobody may look into, whoever runs the tests."""
    look = os.stat

    def stat(path: Any, *more: Any, **named: Any) -> os.stat_result:
        if not isinstance(path, int) and os.fspath(path) in ("closed/a.jpg", "link-to-closed"):
            raise PermissionError(13, "Permission denied", path)
        return look(path, *more, **named)

    monkeypatch.setattr(os, "stat", stat)


def test_there_is_no_option_of_text_that_is_neither_looked_over_nor_plain_words() -> None:
    names = {cast(Any, parameter.values[2]).name for parameter in PLACES}
    known = {
        *("style", "inputs", "output", "name", "files_from", "sheet", "gallery", "failed_list", "stats", "a", "b"),
        *("start_from", "config", "val_a", "val_b", "outputs", "reference", "back", "inception", "palette", "flicker"),
        *("source", "names"),
    }
    assert names >= known
    words = {word for _, command in commands() for word in command.words}
    assert not names & words
    assert {parameter.name for _, command in commands() for parameter in texts(command)} <= names | words
    assert words == {
        *("work_size", "size", "device", "memory", "fps", "start", "end", "preview", "preset"),
        *("diff_augment", "licence", "mirror", "method", "recipe", "use", "shard", "workers", "cluster"),
    }


@pytest.mark.usefixtures("closed")
@pytest.mark.parametrize(("words", "command", "parameter"), PLACES)
def test_no_option_takes_what_no_file_can_be_called(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], command: Any, parameter: Any
) -> None:
    before = sorted(folder.rglob("*"))
    for value, why in BAD.items():
        assert run(words_for(words, command, parameter, value)) == 2, value
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1, said.err
        assert why in said.err
        assert len(said.err) < 250 or len(value) > 300 or "a.jpg" in value
    assert sorted(folder.rglob("*")) == before


def test_more_processes_than_any_machine_has_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan of so many would take all memory."""
    assert run(["convert", "in/0.png", "--to", "tiny.safetensors", "--workers", "9" * 30, "--dry-run"]) == 2
    assert "(choose between 1 and 4096)" in capsys.readouterr().err


def test_an_address_in_a_list_is_refused_too_and_a_drive_is_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "list").write_text("in/0.png\nftp://bucket/a.png\n")
    assert run(["convert", "--files-from", "list", "--to", "tiny.safetensors"]) == 2
    line = "imgcycle: an input is an address, ftp://bucket/a.png (files and folders of this machine are taken)\n"
    assert capsys.readouterr().err == line
    assert run(["convert", "C://photos/a.jpg", "--to", "tiny.safetensors"]) == 2
    assert "there is no C:" in capsys.readouterr().err
    assert run(["convert", "in/0.png", "--to", "tiny.safetensors", "-o", "c://out/"]) == 0
    assert (folder / "c:" / "out" / "0.png").exists()
    # A licence may be an address.
    assert run(["train", "in", "nowhere", "--licence", "https://example.org/licence", "--steps", "1"]) == 2
    assert "nowhere is no folder" in capsys.readouterr().err


PLAIN = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), max_size=8)
ODD = st.sampled_from(
    [
        *("", " ", "-", "--", ".", "..", "~", "~nobody", "*", "[", "{}", "{stem", "%", "%d", "%05d.png", "nan", "inf"),
        *("-inf", "1e999", "-1", "0", "1", "9" * 30, "1e-30", "0x10", "½", "٣", "1_0", "+1", "\n", "in/", "in/0.png"),
        *("in/*.png", "tiny.safetensors", "{stem}{ext}", "{dir}{stem}-{style}{ext}", "{stem:>9999999999}", "1G"),
        *("1e9G", "all", "none", ".imgcycle", "/dev/null", "/proc/self/mem", "a.jpg", "a.webp", "home"),
    ]
)
OPTIONS = [
    (max(p.opts, key=len), p)
    for p in loaded("convert").params
    if p.param_type_name == "option" and p.name not in ("help", "debug", "gallery", "sheet", "style")
]


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_typed_ends_in_one_of_four_codes_and_no_traceback(
    folder: Path, capsys: pytest.CaptureFixture[str], data: st.DataObject
) -> None:
    words = ["convert", "--to", "tiny.safetensors"]
    for name, parameter in data.draw(st.lists(st.sampled_from(OPTIONS), max_size=3, unique_by=lambda each: each[0])):
        words.append(name if parameter.is_flag else f"{name}={data.draw(ODD | PLAIN)}")
    words += [*data.draw(st.lists(ODD | PLAIN, max_size=1)), "in/0.png", "--limit", "1"]
    code = run([*words, "--dry-run"])
    said = capsys.readouterr()
    assert code in (0, 1, 2), words
    assert "unexpected" not in said.err, words
    assert "Traceback" not in said.err
    if code == 2:
        assert said.err.count("\n") == 1, said.err
    assert sorted(path.name for path in (folder / "in").iterdir()) == ["0.png", "1.png"]
