"""Resuming of video conversions: finished segments, their manifest, and the smoother's state.

The manifest lists only what is completely on disk: a segment is closed, then the state at its end is written, then the
manifest. A process killed at any moment leaves the segments of the previous manifest.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from imgcycle.engine.smoothing import State
from imgcycle.errors import OutputError, reported
from imgcycle.jobs.ledger import check_state
from imgcycle.media.files import appending, atomic_write, remove_leftovers, write_text
from imgcycle.media.locks import taken
from imgcycle.media.paths import STATE_FOLDER, shown
from imgcycle.media.video.mux import Segment

_SCHEMA = 1
_SHELVES, _MANIFEST, _LOCK = "clips", "manifest.json", "lock"


def segment_folder(root: Path, output: Path) -> Path:
    """Folder for the segments of a result: one for each path below the root, named by a hash."""
    name = hashlib.sha256(os.fsencode(output.relative_to(root))).hexdigest()[:16]
    return root / STATE_FOLDER / _SHELVES / name


def is_begun(root: Path, output: Path) -> bool:
    """True if a result was begun and not finished."""
    return (segment_folder(root, output) / _MANIFEST).exists()


def remove_segments(root: Path, output: Path) -> None:
    """Remove a result's segments, if any, after it is finished and recorded."""
    folder = segment_folder(root, output)
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()


@dataclass(frozen=True)
class SegmentRecord:
    """One finished segment: its frames, start and end in seconds, the number of its last frame.

    `failed` counts frames for which the previous result is repeated.
    """

    frames: int
    start: Fraction
    end: Fraction
    last: int
    failed: int = 0


class SegmentStore:
    """Folder below an output root for the segments of one result; a context manager that locks it.

    `making` is everything that the bytes of a segment depend on: if it differs from the manifest's, everything is
    started again. `there` is called to check that outputs of so many segments elsewhere still exist. OutputError if
    another process works on the same result, or the folder cannot be written.
    """

    def __init__(
        self,
        root: Path,
        output: Path,
        making: dict[str, Any],
        resume: bool = True,
        there: Callable[[Sequence[SegmentRecord]], bool] = lambda _: True,
    ) -> None:
        self.root = root
        self.folder = segment_folder(root, output)
        self.output = output
        self._digest = hashlib.sha256(json.dumps(making, sort_keys=True).encode()).hexdigest()
        self._resume, self._there = resume, there
        self._lock: IO[bytes] | None = None
        self.closed: list[SegmentRecord] = []
        self.problems: tuple[str, ...] | None = None
        """Problems of the source, after its last frame; None before."""

    @property
    def frames(self) -> int:
        """Frames in finished segments."""
        return sum(closed.frames for closed in self.closed)

    @property
    def failed(self) -> int:
        """Frames among them for which the previous result is repeated."""
        return sum(closed.failed for closed in self.closed)

    @property
    def last(self) -> int | None:
        """Number of the last frame done; None at the beginning."""
        return self.closed[-1].last if self.closed else None

    @property
    def next_path(self) -> Path:
        """Path of the next segment."""
        return self._path(len(self.closed))

    def segments(self) -> list[Segment]:
        """All finished segments, in order."""
        return [Segment(self._path(n), closed.start, closed.end) for n, closed in enumerate(self.closed)]

    def memory(self) -> State:
        """State of the smoother at the end of the last finished segment."""
        path = self._memory(len(self.closed))
        if not path.exists():
            return {}
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as found:
            return {key: found[key] for key in found.files}

    def begin(self) -> None:
        """Record that the result is begun, before any output: files that then appear are known to be ours."""
        self._note()

    def add(self, closed: SegmentRecord, memory: State) -> None:
        """Record a finished segment, and the smoother's state at its end."""
        number = len(self.closed) + 1
        with reported(OutputError, f"{shown(self.folder)} cannot be written"):
            if memory:
                with atomic_write(self._memory(number)) as file:
                    np.savez(file, allow_pickle=False, **memory)
            else:
                # A process killed before it recorded the segment may have left one.
                self._memory(number).unlink(missing_ok=True)
            self.closed.append(closed)
            self._write()
        self._memory(number - 1).unlink(missing_ok=True)

    def complete(self, problems: Sequence[str]) -> None:
        """Record that all frames are done, and the problems of the source."""
        self.problems = tuple(problems)
        self._note()

    def _note(self) -> None:
        with reported(OutputError, f"{shown(self.folder)} cannot be written"):
            self._write()

    def __enter__(self) -> Self:
        check_state(self.root)
        with reported(OutputError, f"{shown(self.folder)} cannot be written to"):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = appending(self.folder / _LOCK)
        if taken(self._lock) is False:
            self._lock.close()
            raise OutputError(f"another imgcycle is at work on {shown(self.output)}")
        remove_leftovers(self.folder)
        self.closed = self._known() if self._resume else []
        if not self.closed:
            for path in self.folder.iterdir():
                if path.name != _LOCK:
                    path.unlink()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._lock is not None:
            self._lock.close()

    def _known(self) -> list[SegmentRecord]:
        """Segments of a manifest with the same settings, as far as all their files exist."""
        try:
            found = json.loads((self.folder / _MANIFEST).read_bytes())
            if (found["schema"], found["making"]) != (_SCHEMA, self._digest):
                return []
            closed = [
                SegmentRecord(s["frames"], Fraction(s["start"]), Fraction(s["end"]), s["last"], s["failed"])
                for s in found["segments"]
            ]
            problems = found["problems"]
        except (OSError, ValueError, KeyError, TypeError):
            return []
        whole = not found["files"] or all(self._path(n).exists() for n in range(len(closed)))
        if not (whole and self._there(closed)):
            return []
        if problems is not None:
            self.problems = tuple(map(str, problems))
        return closed

    def _write(self) -> None:
        segments = [
            {"frames": c.frames, "start": str(c.start), "end": str(c.end), "last": c.last, "failed": c.failed}
            for c in self.closed
        ]
        files = self._path(0).exists()
        values = {
            "schema": _SCHEMA,
            "making": self._digest,
            "files": files,
            "segments": segments,
            "problems": self.problems,
        }
        write_text(self.folder / _MANIFEST, json.dumps(values))

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.mp4"

    def _memory(self, number: int) -> Path:
        return self.folder / f"memory-{number:06d}.npz"
