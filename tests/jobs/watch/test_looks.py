"""Which files are complete, by their sizes and times alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgcycle.jobs.watch.looks import Looks


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"1234")
    return path


def test_a_file_is_complete_once_it_stays_the_same(file: Path) -> None:
    looks, names = Looks(), [str(file)]
    assert looks.look(names) == []
    file.write_bytes(b"12345678")  # the copy goes on
    assert looks.look(names) == []
    assert looks.look(names) == names
    assert looks.look(names) == names  # as long as nobody has taken it
    looks.done(names)
    assert looks.look(names) == []


def test_same_size_and_another_time_is_another_content(file: Path) -> None:
    looks, names = Looks(), [str(file)]
    looks.look(names)
    assert looks.look(names) == names
    looks.done(names)
    os.utime(file, (10**9, 10**9))
    assert looks.look(names) == []
    assert looks.look(names) == names


def test_at_the_first_look_what_is_old_is_complete(file: Path) -> None:
    later = file.stat().st_ctime + 61
    assert Looks(lambda: later).look([str(file)]) == [str(file)]
    # A copy that has its source's time is new all the same.
    os.utime(file, (10**9, 10**9))
    assert Looks().look([str(file)]) == []
    looks = Looks(lambda: later)
    looks.look([])
    assert looks.look([str(file)]) == []


def test_empty_files_folders_and_what_is_gone_are_never_complete(file: Path) -> None:
    looks, names = Looks(), [str(file), str(file.parent), str(file.parent / "none.jpg")]
    file.write_bytes(b"")
    for _ in range(3):
        assert looks.look(names) == []
    file.write_bytes(b"1")
    looks.look(names)
    assert looks.look(names) == [str(file)]
    looks.done([str(file)])
    file.unlink()
    assert looks.look(names) == []
    file.write_bytes(b"1")
    looks.look(names)
    assert looks.look(names) == [str(file)]
