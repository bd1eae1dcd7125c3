"""Resuming of video conversions: finished segments, their manifest, and the smoother's state.

The manifest lists only what is completely on disk: a segment is closed, then the state at its end is written, then the
manifest. A process killed at any moment leaves the segments of the previous manifest.

Ranges of a clip that other workers make have stores of their own below its store, each with one writer; whoever comes
to the first frame of such a range takes over what is there.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
_SHELVES, _MANIFEST, _LOCK, _RANGE = "clips", "manifest.json", "lock", "from-"


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


def begun_ranges(folder: Path) -> list[int]:
    """First frames of the ranges that have stores of their own below a result's, ascending."""
    found = (path.name.removeprefix(_RANGE) for path in folder.glob(f"{_RANGE}*"))
    return sorted(int(name) for name in found if name.isdigit())


def frames_begun(folder: Path) -> int | None:
    """Number of the last frame in a result's store, whatever it was made with; None if there is none."""
    found = _manifest(folder)
    return found["segments"][-1]["last"] if found is not None and found["segments"] else None


def _range_folder(whole: Path, first: int) -> Path:
    return whole / f"{_RANGE}{first:09d}"


def _manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a store; None without one that can be read."""
    try:
        found = json.loads((folder / _MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and {"schema", "making", "segments"} <= found.keys() else None


def discard_segments(root: Path, output: Path) -> None:
    """Remove them before anything is begun, unless another process is at work on them, which whoever begins is told."""
    folder = segment_folder(root, output)
    with contextlib.suppress(FileNotFoundError), reported(OutputError, f"{shown(folder)} cannot be written to"):
        if folder.is_dir():
            with appending(folder / _LOCK) as file:
                free = taken(file) is not False
            if free:
                shutil.rmtree(folder)


@dataclass(frozen=True)
class SegmentRecord:
    """One finished segment: its frames, start and end in seconds, the number of its last frame.

    `failed` counts frames for which the previous result is repeated. `place` is its file below the result's store if
    another worker made it.
    """

    frames: int
    start: Fraction
    end: Fraction
    last: int
    failed: int = 0
    place: str = ""


class SegmentStore:
    """Folder below an output root for the segments of one result; a context manager that locks it.

    `making` is everything that the bytes of a segment depend on: if it differs from the manifest's, everything is
    started again. `there` is called to check that outputs of so many segments elsewhere still exist. OutputError if
    another process works on the same result, or the folder cannot be written. With `first` it is the store of a range
    that begins with that frame.
    """

    def __init__(
        self,
        root: Path,
        output: Path,
        making: dict[str, Any],
        resume: bool = True,
        there: Callable[[Sequence[SegmentRecord]], bool] = lambda _: True,
        first: int | None = None,
    ) -> None:
        self.root = root
        self._whole = segment_folder(root, output)
        self.folder = self._whole if first is None else _range_folder(self._whole, first)
        self.output = output
        self._first, self._making = first, making
        self._digest = hashlib.sha256(json.dumps(making, sort_keys=True).encode()).hexdigest()
        self._resume, self._there = resume, there
        self._lock: IO[bytes] | None = None
        self.closed: list[SegmentRecord] = []
        self.met: tuple[str, ...] = ()
        """Problems of the source, as far as it was read to an end."""
        self.problems: tuple[str, ...] | None = None
        """All of them, after its last frame; None before."""
        self._reached: int | None = None

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
        """Number of the last frame that is done or cannot be had; None at the beginning."""
        done = [] if self._first is None else [self._first - 1]
        done += [] if self._reached is None else [self._reached - 1]
        return max([*done, *(closed.last for closed in self.closed[-1:])], default=None)

    @property
    def next_path(self) -> Path:
        """Path of the next segment."""
        return self._path(len(self.closed))

    def segments(self) -> list[Segment]:
        """All finished segments, in order."""
        return [Segment(self._place(n, each), each.start, each.end) for n, each in enumerate(self.closed)]

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

    def reach(self, number: int, problems: Sequence[str]) -> None:
        """Record that all that could be had before a frame is done, and the problems of the source until there."""
        self._reached = number
        self.met = tuple(dict.fromkeys((*self.met, *problems)))
        self._note()

    def complete(self) -> None:
        """Record that all frames are done."""
        self.problems = self.met
        self._note()

    def gap(self, at: int, stop: int) -> range:
        """Frames to make next, from number `at` on and before `stop`; empty if there are none.

        What other workers made from there on is taken over, and what is there further on is left for later.
        """
        begun = {first: self._made_until(first) for first in begun_ranges(self._whole) if first != self._first}
        for first, last in begun.items():
            # Those that end before are perhaps being made just now, and none of this one's business.
            if first <= at <= last and at < stop:
                at = self._taken_over(first, at, stop)
        return range(
            at, min((first for first, last in begun.items() if at < first < stop and last >= first), default=stop)
        )

    def _made_until(self, first: int) -> int:
        """The last frame of the range that begins with a frame, as far as it is made, and as this is made; -1: none."""
        found = _manifest(_range_folder(self._whole, first))
        if found is None or (found["schema"], found["making"]) != (_SCHEMA, self._digest):
            return -1
        return max(found["segments"][-1]["last"] if found["segments"] else -1, (found.get("reached") or 0) - 1)

    def _taken_over(self, first: int, at: int, stop: int) -> int:
        """Take over the segments of a range, from the one on that begins at frame `at`; the frame to go on with."""
        with SegmentStore(self.root, self.output, self._making, first=first) as made:
            begins = first
            for number, closed in enumerate(made.closed):
                if begins == at and closed.last < stop:
                    self._adopt(made, number)
                    at = closed.last + 1
                begins = closed.last + 1
            if begins == at and made.last is not None and at <= made.last < stop:
                at = made.last + 1
            if at > first:
                self.reach(at, made.met)
        return at

    def _adopt(self, made: SegmentStore, number: int) -> None:
        """Add a segment of another store; its file stays there."""
        closed = replace(
            made.closed[number], place=str(made._place(number, made.closed[number]).relative_to(self._whole))
        )
        self.add(closed, made.memory() if number + 1 == len(made.closed) else {})

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
            self._reached, self.met = None, ()
            for path in self.folder.iterdir():
                if path.is_file() and path.name != _LOCK:
                    path.unlink()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._lock is not None:
            self._lock.close()

    def _known(self) -> list[SegmentRecord]:
        """Segments of a manifest with the same settings, as far as all their files exist."""
        found = _manifest(self.folder)
        try:
            if found is None or (found["schema"], found["making"]) != (_SCHEMA, self._digest):
                return []
            closed = [
                SegmentRecord(
                    s["frames"], Fraction(s["start"]), Fraction(s["end"]), s["last"], s["failed"], s.get("place", "")
                )
                for s in found["segments"]
            ]
            paths = [self._place(n, each) for n, each in enumerate(closed)]
            problems, met, reached = found["problems"], found.get("met", ()), found.get("reached")
            self.met, self._reached = tuple(map(str, met)), None if reached is None else int(reached)
        except (ValueError, KeyError, TypeError):
            return []
        whole = not found["files"] or all(path.exists() for path in paths)
        if not (whole and self._there(closed)):
            return []
        if problems is not None:
            self.problems = tuple(map(str, problems))
        return closed

    def _write(self) -> None:
        segments = [
            {
                "frames": c.frames,
                "start": str(c.start),
                "end": str(c.end),
                "last": c.last,
                "failed": c.failed,
                "place": c.place,
            }
            for c in self.closed
        ]
        files = any(self._place(n, each).exists() for n, each in enumerate(self.closed[:1]))
        values = {
            "schema": _SCHEMA,
            "making": self._digest,
            "files": files,
            "segments": segments,
            "reached": self._reached,
            "met": self.met,
            "problems": self.problems,
        }
        write_text(self.folder / _MANIFEST, json.dumps(values))

    def _place(self, number: int, closed: SegmentRecord) -> Path:
        return self._whole / closed.place if closed.place else self._path(number)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.mp4"

    def _memory(self, number: int) -> Path:
        return self.folder / f"memory-{number:06d}.npz"
