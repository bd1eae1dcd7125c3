"""Inputs are opened without waiting; what is written appears whole or not at all."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from imgcycle.media.files import PARTIAL, atomic_path, atomic_write, opened, read_file


def refusal(path: Path) -> str:
    """What opening says; a reader that waits is let go by a writer, and fails."""
    said: list[str] = []

    def attempt() -> None:
        try:
            opened(path).close()
        except OSError as error:
            said.append(error.strerror or "")

    reader = threading.Thread(target=attempt)
    reader.start()
    reader.join(120)
    if reader.is_alive():
        os.close(os.open(path, os.O_WRONLY))
        reader.join()
        pytest.fail("it waited for a writer")
    return said[0]


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a b\n.bin"
    path.write_bytes(bytes(range(256)) * 99)
    assert read_file(path) == bytes(range(256)) * 99
    with opened(path) as file:
        assert (file.read(2), file.seek(0, 2)) == (b"\0\1", 256 * 99)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders there")
def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "linked.jpg").symlink_to("pipe.jpg")
    assert refusal(tmp_path / "pipe.jpg") == refusal(tmp_path / "linked.jpg") == "a pipe, not a file"
    assert refusal(tmp_path / "folder.jpg") == "a folder, not a file"
    assert refusal(Path(os.devnull)) == "a device, not a file"
    assert refusal(tmp_path / "none.jpg") == os.strerror(2)


@pytest.mark.skipif(sys.platform == "win32", reason="no such flag there")
def test_a_file_that_is_lent_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a")
    plain = os.open

    def lent(path: Path, flags: int) -> int:
        if flags & os.O_NONBLOCK:
            raise BlockingIOError
        return plain(path, flags)

    monkeypatch.setattr(os, "open", lent)
    assert read_file(tmp_path / "a.jpg") == b"a"


@pytest.mark.skipif(sys.platform == "win32", reason="handles are not listed there")
def test_a_refused_file_leaves_no_handle(tmp_path: Path) -> None:
    handles = Path("/proc/self/fd")
    if not handles.is_dir():
        handles = Path("/dev/fd")
    before = len(list(handles.iterdir()))
    for _ in range(20):
        with pytest.raises(OSError, match="a folder"):
            opened(tmp_path)
    assert len(list(handles.iterdir())) == before


def write_half(path: Path) -> None:
    with atomic_write(path) as file:
        file.write(b"half")
        raise RuntimeError


def fill_half(path: Path) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError


@pytest.mark.parametrize("fail", [write_half, fill_half])
def test_what_fails_leaves_the_old_file_and_no_other(tmp_path: Path, fail: Callable[[Path], None]) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError):
        fail(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_bytes() == b"old"


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with atomic_write(path, mode=0o640, times=(10**18, 2 * 10**18)) as file:
        file.write(b"whole")
        (other,) = path.parent.iterdir()
        assert other.name.startswith(PARTIAL)
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]
    assert (path.read_bytes(), path.stat().st_mode & 0o777, path.stat().st_mtime_ns) == (b"whole", 0o640, 2 * 10**18)
