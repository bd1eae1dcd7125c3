"""Temporary folders of a run; those of a process that was killed are removed by the next one that needs one."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import IO

from imgcycle.media.files import appending
from imgcycle.media.locks import taken

PREFIX = "imgcycle-"
_LOCK, _NEW = "lock", "lock.new"
_swept: set[str] = set()
"""Where leftovers were looked for already."""


class TemporaryFolder:
    """An empty folder of one's own, `path`, in the system's place for temporary files; a context, which removes it.

    Its owner holds the lock on a file in it for as long as it lives: a folder whose lock is free is nobody's.
    """

    def __init__(self) -> None:
        place = tempfile.gettempdir()
        if place not in _swept:
            _swept.add(place)
            remove_abandoned(Path(place))
        self._home = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = _locked(self._home)
        self.path = self._home / "files"
        self.path.mkdir()

    def close(self) -> None:
        """Remove it with all that is in it."""
        if self._lock is not None:
            self._lock.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.close()


def _locked(folder: Path) -> IO[bytes] | None:
    """The lock, which has its name only once it is held; None where there is none: a kill leaves such a folder."""
    with contextlib.suppress(OSError):
        file = appending(folder / _NEW)
        try:
            if taken(file):
                (folder / _NEW).rename(folder / _LOCK)
                return file
        except OSError:  # of systems that do not rename what is open
            pass
        file.close()
    return None


def remove_abandoned(place: Path) -> None:
    """Remove this user's temporary folders of processes that are gone; what has no lock file is left alone."""
    for folder in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
                continue
            if not (folder / _LOCK).is_file():
                continue
            with appending(folder / _LOCK) as file:
                free = taken(file) is True
            if free:
                shutil.rmtree(folder, ignore_errors=True)
