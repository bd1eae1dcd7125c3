from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from imgcycle.media import temporary_folder
from imgcycle.media.temporary_folder import TemporaryFolder, remove_abandoned

_HOLDS_ONE = """
import time
from imgcycle.media.temporary_folder import TemporaryFolder
folder = TemporaryFolder()
(folder.path / "half").write_bytes(b"of a clip")
print(folder.path, flush=True)
time.sleep(600)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(temporary_folder, "_swept", set())
    return tmp_path


def test_it_is_empty_and_gone_at_the_end(place: Path) -> None:
    with TemporaryFolder() as path:
        assert list(path.iterdir()) == []
        (path / "a").write_bytes(b"a")
        assert place in path.parents
    assert list(place.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_what_a_killed_process_left_is_removed_and_nothing_else(place: Path) -> None:
    command = [sys.executable, "-c", _HOLDS_ONE]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(place)})
    assert process.stdout is not None
    theirs = Path(process.stdout.readline().strip())
    (place / "imgcycle-old").mkdir()  # of a version without locks
    (place / "elsewhere").mkdir()
    (place / "elsewhere" / "lock").touch()
    (place / "imgcycle-link").symlink_to(place / "elsewhere")
    with TemporaryFolder() as ours:
        remove_abandoned(place)
        assert (theirs / "half").exists(), "its owner is alive"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        remove_abandoned(place)
        assert not theirs.parent.exists()
        assert ours.exists()
    assert sorted(path.name for path in place.iterdir()) == ["elsewhere", "imgcycle-link", "imgcycle-old"]
    assert (place / "elsewhere" / "lock").exists()


def test_the_first_of_a_process_looks_for_leftovers(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Path] = []
    monkeypatch.setattr(temporary_folder, "remove_abandoned", looked.append)
    TemporaryFolder().close()
    TemporaryFolder().close()
    assert looked == [place]
