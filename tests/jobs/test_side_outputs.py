"""Files about a conversion go where they harm nothing, or are refused before the work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgcycle.errors import UsageError
from imgcycle.jobs.recipe import ResolvedOptions
from imgcycle.jobs.side_outputs import check_place
from imgcycle.jobs.tasks import Task


def task(folder: Path) -> Task:
    (folder / "in").mkdir()
    (folder / "in" / "a.jpg").write_bytes(b"a")
    return Task(str(folder / "in" / "a.jpg"), str(folder / "out" / "a.jpg"), str(folder / "out"), ResolvedOptions())


def test_what_would_be_harmed_is_named(tmp_path: Path) -> None:
    work = task(tmp_path)
    os.link(work.input, tmp_path / "twin.txt")
    (tmp_path / "link.txt").symlink_to(work.input)
    places = {
        tmp_path: "is a folder",
        Path(work.input): "is itself an input",
        tmp_path / "twin.txt": "is itself an input",
        tmp_path / "link.txt": "is itself an input",
        tmp_path / "in" / ".." / "out" / "a.jpg": "is itself a result",
        Path(work.input) / "list.txt": "is where nothing can be written",
    }
    for place, said in places.items():
        with pytest.raises(UsageError, match=f"--list .* {said}"):
            check_place("--list", place, [work])


def test_a_new_file_in_a_new_folder_is_fine(tmp_path: Path) -> None:
    work = task(tmp_path)
    for place in (tmp_path / "b" / "c" / "list.txt", tmp_path / "in" / "list.txt", Path("list.txt")):
        check_place("--list", place, [work])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]
