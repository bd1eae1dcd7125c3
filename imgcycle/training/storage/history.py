"""Read-only view of a run folder: settings, progress, figures, findings, samples."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from imgcycle.media.locks import taken

State = Literal["running", "finished", "stopped"]
_DEPTH = 3
"""Depth of folders in which runs are searched."""


@dataclass(frozen=True)
class RunHistory:
    """A run as stored: the content of `config.json` and the rows of `metrics.jsonl`.

    Only the form is checked: a run of another version, or one whose images are gone, can be viewed.
    """

    root: Path
    content: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings, plain values by name."""
        return _mapping(self.content.get("config"))

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts that the run's bits depend on beside its settings: machine, libraries, images."""
        return _mapping(self.content.get("facts"))

    @property
    def steps(self) -> int | None:
        """Length of the run in steps; None if the folder does not tell."""
        known = self.config.get("steps") or self.content.get("length")
        if isinstance(known, int):
            return known
        try:  # runs of earlier versions stored what it follows from
            epoch = max(self.facts["count_a"], self.facts["count_b"])
            epochs = self.config["epochs"] + self.config["epochs_decay"]
            return int(epochs * -(-epoch // (self.config["batch"] * self.facts["world"])))
        except (KeyError, TypeError, ZeroDivisionError):
            return None

    @property
    def saved(self) -> int:
        """Step of the newest saved state."""
        found = [re.fullmatch(r"step-(\d+)\.pt", path.name) for path in (self.root / "state").glob("step-*.pt")]
        return max((int(match[1]) for match in found if match), default=0)

    @property
    def logged(self) -> int:
        """Last step that was logged or saved."""
        return max(self.saved, *(int(row["step"]) for row in self.rows), 0) if self.rows else self.saved

    def state(self) -> State:
        """State of the run: a process is training, all steps are done, or it can be resumed."""
        if self.steps is not None and self.saved >= self.steps:
            return "finished"
        ended = bool(self.rows) and "ended" in self.rows[-1]
        try:
            with (self.root / ".lock").open("rb") as file:
                # Shared, so that two readers do not take each other for the run; Windows has no such lock.
                free = taken(file, shared=True)
                if (taken(file) if free is None else free) is False:
                    return "running"
        except OSError:
            pass
        return "finished" if ended else "stopped"

    def age(self) -> float:
        """Seconds since anything was saved or logged."""
        times = [path.stat().st_mtime for path in (self.root / "metrics.jsonl", self.root / "state") if path.exists()]
        return max(0.0, time.time() - max(times, default=(self.root / "config.json").stat().st_mtime))

    def series(self, part: str | None = None) -> dict[str, tuple[tuple[int, ...], tuple[float, ...]]]:
        """Steps and values of every logged number, by name: losses and `lr`, or those of a `part` (`kid`)."""
        found: dict[str, tuple[list[int], list[float]]] = {}
        for row in self.rows:
            for name, value in _mapping(row.get(part) if part else row).items():
                if isinstance(value, int | float) and not isinstance(value, bool) and name != "step":
                    steps, values = found.setdefault(name, ([], []))
                    steps.append(int(row["step"]))
                    values.append(float(value))
        return {name: (tuple(steps), tuple(values)) for name, (steps, values) in found.items()}

    def best(self) -> dict[str, float]:
        """Lowest validation figure of each direction."""
        return {name: min(values) for name, (_, values) in self.series("kid").items()}

    def validations(self) -> list[Mapping[str, float]]:
        """The validation figures by direction, in order."""
        return [row["kid"] for row in self.rows if isinstance(row.get("kid"), dict)]

    def references(self) -> dict[str, dict[str, float]]:
        """Reference values of validation figures, by name and direction."""
        found: dict[str, dict[str, float]] = {}
        for row in self.rows:
            for name, figures in _mapping(row.get("kid_references")).items():
                found[name] = {k: float(v) for k, v in _mapping(figures).items() if isinstance(v, int | float)}
        return found

    def samples(self) -> dict[int, Path]:
        """Grids of fixed images by step, in order."""
        found = {}
        for path in (self.root / "samples").glob("step-*.png"):
            if match := re.fullmatch(r"step-(\d+)\.png", path.name):
                found[int(match[1])] = path
        return dict(sorted(found.items()))


def read_history(root: Path) -> RunHistory | None:
    """History of the run in a folder; None if no run began there. Damaged lines are skipped."""
    try:
        content = json.loads((root / "config.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("config"), dict) or "facts" not in content:
        return None
    try:
        lines = (root / "metrics.jsonl").read_bytes().splitlines()
    except OSError:
        lines = []
    return RunHistory(root, content, tuple(row for line in lines if (row := _row(line)) is not None))


def find_runs(folder: Path) -> Iterator[RunHistory]:
    """Yield the runs at and below a folder, by name; runs are not searched within runs."""
    yield from _found(folder, _DEPTH)


def _found(folder: Path, depth: int) -> Iterator[RunHistory]:
    if (history := read_history(folder)) is not None:
        yield history
        return
    if depth == 0:
        return
    try:
        below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return
    for path in below:
        yield from _found(path, depth - 1)


def _row(line: bytes) -> Mapping[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and type(row.get("step")) is int else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
