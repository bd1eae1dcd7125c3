"""Checks of side outputs (a page, a list) before the work: writable, and never an input or a result."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from imgcycle.errors import UsageError
from imgcycle.jobs.tasks import ClipTask, Task
from imgcycle.jobs.video.kinds import is_sequence
from imgcycle.media.paths import check_name, identity, in_state_folder, same_file, shown
from imgcycle.media.video.sequences import picture_numbers, picture_path


def check_place(option: str, path: Path, tasks: Sequence[Task | ClipTask]) -> None:
    """UsageError if the file that `option` names cannot be written, or is an input or a result of the tasks."""
    if in_state_folder(path):
        raise UsageError(f"{option} {shown(path)} is where imgcycle keeps its own notes", "name another file")
    if os.path.isdir(path):  # noqa: PTH112 - False for one that nobody may look at
        raise UsageError(f"{option} {shown(path)} is a folder", "name a file")
    if not _is_writable(path.parent):
        # Told now rather than after hours of work.
        raise UsageError(f"{option} {shown(path)} is where nothing can be written", "name another file")
    check_name(os.fspath(path), option)
    facts = identity(path)
    for task in tasks:
        both = ((task.input, "an input"), (task.output, "a result"))
        for name, what in ((name, what) for names, what in both for name in _files(names)):
            # A result need not exist yet, so its name counts; otherwise comparing inodes is faster.
            named = os.path.basename(name).casefold() == path.name.casefold()  # noqa: PTH119
            if (named and same_file(path, Path(name))) or (facts is not None and facts == identity(name)):
                raise UsageError(f"{option} {shown(path)} is itself {what}", "name another file")


def _files(name: str) -> Iterator[str]:
    """A file, or the existing files of a sequence."""
    pattern = Path(name)
    if not is_sequence(pattern):
        yield name
    elif pattern.parent.is_dir():
        yield from (os.fspath(picture_path(pattern, number)) for number in picture_numbers(pattern))


def _is_writable(folder: Path) -> bool:
    """True if files can be created in a folder, which need not exist yet."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK) and folder.is_dir()
