"""What makes a long conversion resumable: closed segments, a manifest of them, and what the temporal part remembers.

The manifest names nothing that is not wholly on disk: a segment is closed, then the memory at its end is written,
then the manifest. A process killed at any moment leaves the segments of the manifest before.
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
    """Where the segments of a result gather: one folder for each place below the root, whatever its name holds."""
    name = hashlib.sha256(os.fsencode(output.relative_to(root))).hexdigest()[:16]
    return root / STATE_FOLDER / _SHELVES / name


def is_begun(root: Path, output: Path) -> bool:
    """Whether a result was begun, and never finished."""
    return (segment_folder(root, output) / _MANIFEST).exists()


def remove_segments(root: Path, output: Path) -> None:
    """Clear a result's segments away, where there are any: it stands, and the ledger tells of it."""
    folder = segment_folder(root, output)
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()


@dataclass(frozen=True)
class SegmentRecord:
    """One finished segment: its frames, the seconds from which to which they are shown, the number of its last frame.

    `failed` counts frames for which another stands in.
    """

    frames: int
    start: Fraction
    end: Fraction
    last: int
    failed: int = 0


class SegmentStore:
    """The folder below an output root in which the segments of one result gather; a context manager that locks it.

    `making` is everything the bytes of a segment depend on: when it differs from the manifest's, all is begun afresh.
    `there` is asked whether what lies elsewhere of so many segments is still there. OutputError when another process
    is at work on the same result, or the folder cannot be written.
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
        """What was wrong with the source, once its last frame is done; None until then."""

    @property
    def frames(self) -> int:
        """Frames in closed segments."""
        return sum(closed.frames for closed in self.closed)

    @property
    def failed(self) -> int:
        """Frames among them for which another stands in."""
        return sum(closed.failed for closed in self.closed)

    @property
    def last(self) -> int | None:
        """The number of the last frame that is done; None at the beginning."""
        return self.closed[-1].last if self.closed else None

    @property
    def next_path(self) -> Path:
        """Where the next segment goes."""
        return self._path(len(self.closed))

    def segments(self) -> list[Segment]:
        """All closed segments, in order."""
        return [Segment(self._path(n), closed.start, closed.end) for n, closed in enumerate(self.closed)]

    def memory(self) -> State:
        """What the temporal part remembered at the end of the last closed segment."""
        path = self._memory(len(self.closed))
        if not path.exists():
            return {}
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as found:
            return {key: found[key] for key in found.files}

    def begin(self) -> None:
        """Note that the result is begun, before there is anything of it: what then appears is known to be ours."""
        self._note()

    def add(self, closed: SegmentRecord, memory: State) -> None:
        """Note a segment that is closed, and what is remembered at its end."""
        number = len(self.closed) + 1
        with reported(OutputError, f"{shown(self.folder)} cannot be written"):
            if memory:
                with atomic_write(self._memory(number)) as file:
                    np.savez(file, allow_pickle=False, **memory)
            else:
                # A process that was killed before it could note the segment may have left one.
                self._memory(number).unlink(missing_ok=True)
            self.closed.append(closed)
            self._write()
        self._memory(number - 1).unlink(missing_ok=True)

    def complete(self, problems: Sequence[str]) -> None:
        """Note that no frame is to come any more, and what was wrong with the source."""
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
        """The segments of a manifest that was made the same way, as far as they are all there."""
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
