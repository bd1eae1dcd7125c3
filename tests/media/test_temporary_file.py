from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from imgcycle.errors import OutputError
from imgcycle.media.temporary_file import SpillFile


def spilled(folder: Path, needed: int = 0) -> SpillFile:
    return SpillFile(folder, needed, "planes", "set TMPDIR to another disk")


@pytest.mark.parametrize("without", [(), ("preadv", "pwrite", "posix_fallocate")])
def test_bytes_come_back_from_where_they_were_put(
    tmp_path: Path, without: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in without:
        monkeypatch.delattr(os, name, raising=False)
    with spilled(tmp_path, 64) as file:
        file.write(8, memoryview(b"second"))
        file.write(0, memoryview(b"first"))
        found = bytearray(10)
        file.read_into(2, memoryview(found))
        assert found == b"rst\0\0\0seco"
        file.read_into(0, memoryview(b""))


def test_the_file_has_no_name_and_goes_with_an_exception(tmp_path: Path) -> None:
    def broken() -> None:
        with spilled(tmp_path, 4096) as file:
            if os.name == "posix":
                assert not list(tmp_path.iterdir())
            file.write(0, memoryview(b"abcd"))
            raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert not list(tmp_path.iterdir())


def test_a_kill_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from imgcycle.media.temporary_file import SpillFile\n"
        "file = SpillFile(Path(sys.argv[1]), 65536, 'planes', '')\n"
        "file.write(0, memoryview(bytes(65536))); os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", script, tmp_path], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OutputError, match=r"^planes cannot be written to .* for 3\.0 GB: No space left") as caught:
        spilled(tmp_path, 3_000_000_000)
    assert caught.value.hint == "set TMPDIR to another disk"
    assert type(caught.value) is OutputError  # TMPDIR is full, which says nothing of the disk of the results
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    monkeypatch.setattr(os, "pwrite", full, raising=False)
    with spilled(tmp_path) as file, pytest.raises(OutputError, match="No space left"):
        file.write(0, memoryview(b"abc"))


def test_a_folder_that_takes_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no temporary file"):
        spilled(tmp_path / "nowhere")


def test_a_file_cut_short_is_noticed(tmp_path: Path) -> None:
    with spilled(tmp_path) as file, pytest.raises(OutputError, match="shorter"):
        file.read_into(0, memoryview(bytearray(8)))
