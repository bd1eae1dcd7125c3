"""Whole batches in a store: fsspec's own in memory, which behaves as object stores do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from imgcycle.cli.app import run
from imgcycle.errors import InputError
from imgcycle.jobs.ledger import Record
from imgcycle.jobs.results import ledger as ledgers
from imgcycle.media import remote
from tests.jobs.films import film
from tests.jobs.test_shard import tree
from tests.styles import save_style


class Store:
    """A bucket with pictures, and the same ones in a folder."""

    def __init__(self, folder: Path, fs: Any) -> None:
        self.fs, self.folder = fs, folder
        self.here = tree(folder / "photos", 5)
        self.style = str(save_style(folder / "tiny.safetensors", work_size=32))
        for path in self.here.rglob("*.jpg"):
            fs.pipe_file(f"/in/photos/{path.relative_to(self.here)}", path.read_bytes())

    def convert(self, *words: str) -> int:
        return run(["convert", *words, "--to", self.style, "--precision", "fp32"])

    def files(self, folder: str) -> dict[str, bytes]:
        found = {name.removeprefix(folder): self.fs.cat_file(name) for name in self.fs.find(folder)}
        return {name: data for name, data in found.items() if "/.imgcycle/" not in name}

    def parts(self, folder: str) -> list[str]:
        return sorted(self.fs.find(f"{folder}/.imgcycle/done"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    yield Store(tmp_path, fs)
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


def test_a_bucket_comes_out_as_a_folder_does(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.fs.pipe_file("/in/photos/0/.DS_Store", b"junk")
    store.fs.pipe_file("/in/photos/notes.txt", b"no picture")
    store.fs.pipe_file("/in/photos/film.mp4", b"a clip")
    assert store.convert("memory://in/photos", "-o", "memory://out/painted", "--json") == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {(row["input"], row["output"], row["status"]) for row in said[:-1]} == {
        (f"memory://in/photos/{n % 3}/{n}.jpg", f"memory://out/painted/{n % 3}/{n}.jpg", "done") for n in range(5)
    }
    assert store.convert(str(store.here), "-o", f"{store.folder / 'out'}/") == 0
    made = {
        f"/{path.relative_to(store.folder / 'out')}": path.read_bytes()
        for path in (store.folder / "out").rglob("*.jpg")
    }
    assert store.files("/out/painted") == made
    assert len(made) == 5
    assert len(store.parts("/out/painted")) == 1
    capsys.readouterr()
    assert store.convert("memory://in/photos", "-o", "memory://out/painted") == 0
    assert "5 converted before" in capsys.readouterr().err


def test_without_o_results_lie_beside_and_are_never_inputs(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert store.convert("memory://in/photos") == 0
    assert len(store.files("/in/photos-tiny")) == 5
    assert store.convert("memory://in/photos/0/0.jpg") == 0
    assert "/0-tiny.jpg" in store.files("/in/photos/0")
    capsys.readouterr()
    assert store.convert("memory://in") == 2
    assert "memory://in has no folder beside it" in capsys.readouterr().err
    assert store.convert("memory://in", "-o", "memory://up/") == 0
    assert "6 earlier results of imgcycle left out" in capsys.readouterr().err
    assert len(store.files("/up")) == 5


def test_here_and_there_go_together(store: Store) -> None:
    assert store.convert("memory://in/photos/*/1.jpg", str(store.here / "2"), "-o", f"{store.folder / 'out'}/") == 0
    here = sorted(str(path.relative_to(store.folder / "out")) for path in (store.folder / "out").rglob("*.jpg"))
    assert here == ["1.jpg", "2.jpg"]
    assert store.convert(str(store.here), "-o", "memory://up/") == 0
    assert len(store.files("/up")) == 5
    assert store.convert("memory://in/photos/*/1.jpg", "-o", "memory://one.png") == 0
    assert store.fs.cat_file("/one.png").startswith(b"\x89PNG")


def test_what_is_there_is_judged_without_fetching_it(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["memory://in/photos", "-o", "memory://out/"]
    store.fs.pipe_file("/out/0/0.jpg", b"somebody else's")
    assert store.convert(*command) == 1
    assert store.fs.cat_file("/out/0/0.jpg") == b"somebody else's"
    before = store.files("/out")
    store.fs.pipe_file("/out/1/1.jpg", b"edited")
    store.fs.pipe_file("/in/photos/2/2.jpg", store.fs.cat_file("/in/photos/0/3.jpg"))
    fetched: list[str] = []
    fetch = type(store.fs).get_file

    def get_file(self: Any, name: str, *rest: Any, **more: Any) -> Any:
        fetched.append(name)
        return fetch(self, name, *rest, **more)

    monkeypatch.setattr(type(store.fs), "get_file", get_file)
    capsys.readouterr()
    assert store.convert(*command, "--json") == 1
    rows = {row["output"]: row for row in map(json.loads, capsys.readouterr().out.splitlines()) if "output" in row}
    said = {name.removeprefix("memory://out/"): (row["status"], row["error"]) for name, row in rows.items()}
    assert said == {
        "0/0.jpg": ("kept", "not written by imgcycle (--overwrite to replace)"),
        "1/1.jpg": ("kept", "edited since (--overwrite to replace)"),
        "2/2.jpg": ("kept", "made before its input changed (--update to redo, another -o for both)"),
        "0/3.jpg": ("skipped", None),
        "1/4.jpg": ("skipped", None),
    }
    assert fetched == ["memory://out/0/0.jpg"], "what the ledger does not know may be ours by its recipe"
    assert store.convert(*command, "--update") == 1
    assert store.files("/out")["/2/2.jpg"] not in (before["/2/2.jpg"], b"edited")
    assert store.fs.cat_file("/out/1/1.jpg") == b"edited"
    assert store.convert(*command, "--overwrite") == 0
    assert store.files("/out")["/1/1.jpg"] == before["/1/1.jpg"]


def test_results_whose_part_of_the_ledger_was_lost_are_known_by_their_recipes(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["memory://in/photos", "-o", "memory://out/"]
    assert store.convert(*command) == 0
    store.fs.rm("/out/.imgcycle", recursive=True)
    capsys.readouterr()
    assert store.convert(*command) == 0
    assert "5 converted before" in capsys.readouterr().err


def test_parts_of_a_ledger_are_united(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ledgers, "ROWS", 1)
    command = ["memory://in/photos", "-o", "memory://out/"]
    assert store.convert(*command) == 0
    assert len(store.parts("/out")) == 5
    monkeypatch.setattr(ledgers, "UNITED", 5)
    store.fs.pipe_file("/in/photos/9.jpg", store.fs.cat_file("/in/photos/0/3.jpg"))
    assert store.convert(*command) == 0
    assert len(store.parts("/out")) == 1
    capsys.readouterr()
    assert store.convert(*command) == 0
    assert "6 converted before" in capsys.readouterr().err


def test_of_two_drivers_the_record_that_was_noted_last_counts(store: Store) -> None:
    root = Path("memory://out/painted")
    early, late = ledgers.RemoteLedger(root), ledgers.RemoteLedger(root)

    def noted(ledger: ledgers.RemoteLedger, weights: str) -> None:
        ledger.append(Record("a.jpg", "a.jpg", 1, 1, "i", 1, 1, "o", weights, "{}"))
        ledger.flush()

    noted(late, "first")
    noted(early, "second")  # its parts have the lesser names
    names = store.parts("/out/painted")
    assert b"second" in store.fs.cat_file(names[0])
    found = ledgers.RemoteLedger(root).get("memory://out/painted/a.jpg")
    assert found is not None
    assert found.weights == "second"


def test_a_part_that_cannot_be_read_is_not_removed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "ROWS", 1)
    command = ["memory://in/photos", "-o", "memory://out/"]
    assert store.convert(*command) == 0
    before = store.parts("/out")
    monkeypatch.setattr(ledgers, "UNITED", 5)
    read = remote.read_object

    def refused(path: Path) -> bytes:
        if path.name == Path(before[0]).name:
            raise InputError("cannot be read: 503")
        return read(path)

    ledger = ledgers.RemoteLedger(Path("memory:/out"))
    with monkeypatch.context() as patch:
        patch.setattr(remote, "read_object", refused)
        ledger.close()
    assert set(before) <= set(store.parts("/out"))
    ledger.close()
    assert len(store.parts("/out")) == 1


def test_a_dry_run_and_a_shard_of_a_bucket(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert store.convert("memory://in/photos", "-o", "memory://out/", "--dry-run") == 0
    assert "memory://in/photos/0/0.jpg → memory://out/0/0.jpg" in capsys.readouterr().out
    assert store.files("/out") == {}
    for part in ("1/2", "2/2"):
        assert store.convert("memory://in/photos", "-o", "memory://out/", "--shard", part) == 0
    assert len(store.files("/out")) == 5


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["memory://nowhere"], "there is no memory://nowhere"),
        (["memory://in/*.gif"], "nothing matches memory://in/*.gif"),
        (["ftp://host/a.jpg"], "is an address of a kind that is not known: ftp://host/a.jpg"),
        (["https://me:word@host/a.jpg"], "INPUT is an address with a secret in it, https://host/a.jpg"),
        (["https://host/a.jpg?X-Amz-Signature=abc"], "INPUT is an address with a secret in it, https://host/a.jpg?…"),
        (["https://host/a.jpg"], "https://host is read and not written (say where to with -o)"),
        (["memory://in/photos", "--watch"], "folders of this machine are watched"),
        (["memory://in/photos", "--sheet", "a.jpg"], "a sheet or gallery shows files of this machine"),
    ],
)
def test_what_cannot_be_takes_one_line(
    store: Store, words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert store.convert(*words) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1
    assert "word" not in said.replace("password", "")


def test_one_picture_as_a_stream(store: Store, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert store.convert("memory://in/photos/0/0.jpg", "-o", "-") == 0
    assert capfdbinary.readouterr().out.startswith(b"\xff\xd8")


def test_one_file_that_cannot_be_read_fails_alone(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.fs.pipe_file("/in/photos/bad.jpg", b"\xff\xd8 no picture")
    assert store.convert("memory://in/photos", "-o", "memory://out/") == 1
    assert "memory://in/photos/bad.jpg" in capsys.readouterr().err
    assert len(store.files("/out")) == 5


def test_clips_of_a_bucket(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    film(store.folder / "a.mp4", 5)
    store.fs.pipe_file("/clips/x/a.mp4", (store.folder / "a.mp4").read_bytes())
    store.fs.pipe_file("/clips/bad.mp4", b"no clip")
    command = ["video", "--to", store.style, "--precision", "fp32", "--json"]
    assert run([*command, "memory://clips", "-o", "memory://out/"]) == 1
    said = capsys.readouterr()
    rows = {row["output"]: row for row in map(json.loads, said.out.splitlines()) if "output" in row}
    assert {name: (row["status"], row["frames"]) for name, row in rows.items()} == {
        "memory://out/x/a.mp4": ("done", 5),
        "memory://out/bad.mp4": ("failed", 0),
    }
    assert "imgcycle-" not in said.out + said.err, "what lies here meanwhile is nobody's business"
    assert run([*command, str(store.folder / "a.mp4"), "-o", f"{store.folder / 'b.mp4'}"]) == 0
    assert store.fs.cat_file("/out/x/a.mp4") == (store.folder / "b.mp4").read_bytes()
    capsys.readouterr()
    assert run([*command, "memory://clips/x", "-o", "memory://out/x/"]) == 0, "known by its recipe"
    assert run([*command, "memory://clips", "-o", "memory://out/"]) == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["summary"]["skipped"] == 1
    assert run([*command, "memory://clips/%05d.png", "-o", "memory://out/"]) == 2
    assert "on this machine alone" in capsys.readouterr().err
