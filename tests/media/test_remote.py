"""Addresses, secrets in them, and stores that fail for a while."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from imgcycle.cli.app import run
from imgcycle.errors import InputError, OutputError, UsageError
from imgcycle.media import remote
from imgcycle.media.remote import address_of, check_store_address, is_remote, is_web, without_secrets


class Refused(OSError):
    """What a store's package raises for a status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status} of https://me:word@host/a?sig=abc for AKIA1234567890ABCDEF")
        self.status = status


@pytest.fixture
def fs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    found = fsspec.filesystem("memory")
    found.store.clear()
    monkeypatch.setattr(remote, "_FIRST_WAIT", 0.0)
    yield found
    found.store.clear()


def failing(monkeypatch: pytest.MonkeyPatch, fs: Any, method: str, errors: list[Exception]) -> list[str]:
    """Have a method raise these errors first; what it was called with."""
    act, called = getattr(type(fs), method), list[str]()

    def tried(self: Any, name: str, *rest: Any, **more: Any) -> Any:
        called.append(name)
        if errors:
            raise errors.pop(0)
        return act(self, name, *rest, **more)

    monkeypatch.setattr(type(fs), method, tried)
    return called


def test_an_address_is_a_path_inside_and_itself_outside() -> None:
    for text in ("s3://bucket/a b/ü.jpg", "https://host/a.jpg", "memory://x"):
        path = Path(text)
        assert address_of(path) == text
        assert is_remote(path)
        assert is_remote(text)
    assert Path("s3://bucket/a.jpg").suffix == ".jpg"
    assert [is_web(text) for text in ("https://h/a", "s3://b/https://h")] == [True, False]
    for name in ("photos/a.jpg", "C:/a.jpg", "/s3:/a", "s3"):
        assert not is_remote(Path(name))
        assert address_of(Path(name)) == name


def test_a_failure_that_passes_is_waited_for(fs: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    called = failing(monkeypatch, fs, "pipe_file", [Refused(429), Refused(503), TimeoutError(), ConnectionError()])
    assert remote.put_object(b"whole", Path("memory://b/a.jpg"), create=True).size == 5
    assert len(called) == 5
    called = failing(monkeypatch, fs, "get_file", [Refused(500)])
    remote.fetch_object(Path("memory://b/a.jpg"), tmp_path / "a.jpg")
    assert (tmp_path / "a.jpg").read_bytes() == b"whole"
    assert len(called) == 2


@pytest.mark.parametrize("error", [Refused(403), PermissionError("no"), FileNotFoundError("gone")])
def test_a_failure_that_stays_is_not(
    error: Exception, fs: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fs.pipe_file("/b/a.jpg", b"whole")
    called = failing(monkeypatch, fs, "get_file", [error])
    with pytest.raises(InputError, match="cannot be read"):
        remote.fetch_object(Path("memory://b/a.jpg"), tmp_path / "a.jpg")
    assert len(called) == 1


def test_at_some_point_it_is_given_up_and_no_secret_is_told(fs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    called = failing(monkeypatch, fs, "pipe_file", [Refused(503) for _ in range(9)])
    with pytest.raises(OutputError) as found:
        remote.put_object(b"whole", Path("memory://b/a.jpg"), create=False)
    assert len(called) == 5
    assert str(found.value) == "cannot be written: status 503 of https://host/a?… for …"
    assert fs.store == {}


def test_only_what_is_our_own_may_be_there(fs: Any) -> None:
    path = Path("memory://b/a.jpg")
    fs.pipe_file("/b/a.jpg", b"theirs")
    with pytest.raises(OutputError, match=r"memory://b/a\.jpg was written by somebody else meanwhile"):
        remote.put_object(b"ours", path, create=True)
    assert fs.cat_file("/b/a.jpg") == b"theirs"
    remote.put_object(b"ours", path, create=False)
    remote.put_object(b"ours", path, create=True)  # the answer to the first attempt was lost
    assert fs.cat_file("/b/a.jpg") == b"ours"


def test_half_an_object_is_noticed(fs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(fs), "pipe_file", lambda self, *_, **__: self.store.clear())
    with pytest.raises(OutputError, match="holds nothing after 5 bytes were written"):
        remote.put_object(b"whole", Path("memory://b/a.jpg"), create=False)


def test_a_walk_is_sorted_and_enters_what_it_may(fs: Any) -> None:
    for name in ("b/2.jpg", "b/x/1.jpg", "b/1.jpg", "b/.imgcycle/done/1.jsonl", "b/a/z/3.jpg"):
        fs.pipe_file(f"/{name}", b"x")
    asked: list[str] = []

    def enters(folder: Path) -> bool:
        asked.append(folder.name)
        return not folder.name.startswith(".")

    found = [address_of(path) for path in remote.walk_objects(Path("memory://b"), True, enters)]
    assert found == [f"memory://b/{name}" for name in ("1.jpg", "2.jpg", "a/z/3.jpg", "x/1.jpg")]
    assert asked == [".imgcycle", "a", "z", "x"]
    assert len(list(remote.walk_objects(Path("memory://b"), False, enters))) == 2


@pytest.mark.parametrize(
    "text", ["https://u:p@host/a.jpg", "s3://key@bucket/a.jpg", "https://h/a.jpg?sig=1", "https://h/a?w=1&token=x"]
)
def test_an_address_with_a_secret_is_refused_without_telling_it(text: str) -> None:
    with pytest.raises(UsageError, match="with a secret in it") as found:
        check_store_address(text, "INPUT")
    assert not any(secret in str(found.value) for secret in ("u:p", "key@", "sig=1", "token=x"))
    assert without_secrets(f"GET {text} failed").endswith(" failed")


def test_without_its_package_an_address_is_refused_with_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    remote._connected.cache_clear()
    monkeypatch.setitem(sys.modules, "fsspec", None)
    for words in (["convert", "s3://b/a.jpg"], ["convert", "a.jpg", "-o", "s3://b/"], ["video", "gs://b/a.mp4"]):
        assert run([*words, "--to", "monet"]) == 2
        said = capsys.readouterr().err
        assert "pip install 'imgcycle[remote]'" in said
        assert said.count("\n") == 1
    assert run(["convert", "a.jpg", "--to", "monet", "--mask", "s3://b/m.png"]) == 2
    assert "--mask is an address" in capsys.readouterr().err
    remote._connected.cache_clear()
