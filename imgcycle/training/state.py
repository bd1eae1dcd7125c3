"""The run folder: what is kept so that a run can be stopped at any moment and go on as if it never had been.

config.json                     the run's TrainConfig, and the facts its bits depend on
state/step-N.pt                 everything at step N, one file a save; the newest readable one counts
weights/{A2B,B2A,critics}.safetensors   what convert uses (the EMA where there is one)
weights/best/…                  the same at the best validation figure
metrics.jsonl, samples/step-N.png
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import torch

from imgcycle.config import TrainConfig
from imgcycle.errors import TrainingError, UsageError
from imgcycle.media.files import atomic_write, remove_leftovers, write_text
from imgcycle.media.locks import taken

KEPT_STATES = 2
CHANGEABLE = ("steps", "epochs", "epochs_decay", "sample_every", "save_every", "val_every", "a", "b", "val_a", "val_b")
"""What may differ between a run and its continuation, beside the number of workers.

Folders may have moved; whether they hold the same pictures is compared by fingerprint.
"""


class RunFolder:
    """Reads and writes one run folder; the process that writes to it has taken it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.states = root / "state"
        self.weights = root / "weights"
        self.samples = root / "samples"
        self.metrics = root / "metrics.jsonl"
        self._lock: IO[bytes] | None = None

    def take(self) -> None:
        """Hold the folder, which is made if it is not there, until `release`.

        UsageError when another process has it, or it cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            file = (self.root / ".lock").open("ab")
        except OSError as error:
            raise UsageError(
                f"{self.root} cannot be written: {error.strerror or error}", "choose another -o"
            ) from error
        if taken(file) is False:
            file.close()
            raise UsageError(f"another imgcycle is training in {self.root}", "wait for it, or choose another -o")
        self._lock = file

    def release(self) -> None:
        """Let the folder go, if it was held."""
        if self._lock is not None:
            self._lock.close()

    def exists(self) -> bool:
        """Whether a run began here."""
        return (self.root / "config.json").is_file()

    def prepare(self) -> None:
        """Make the folders of a new run, empty of what one that died at birth may have left."""
        for folder in (self.states, self.weights, self.samples):
            folder.mkdir(parents=True, exist_ok=True)
        for _, old in self._saved():
            old.unlink()
        self.metrics.unlink(missing_ok=True)
        self.clean(0)

    def create(self, config: TrainConfig, facts: dict[str, Any], about: Mapping[str, str] | None = None) -> None:
        """Write `config.json`: from now on there is a run, which is why its first state is saved before.

        `about` is what the cards say of the run's making.
        """
        content = {"schema": 1, "config": config.to_dict(), "facts": facts, **(about or {})}
        write_text(self.root / "config.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def read_config(self) -> tuple[TrainConfig, dict[str, Any], dict[str, Any]]:
        """The stored config, the stored facts, and the whole content; UsageError when it cannot be read."""
        path = self.root / "config.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return TrainConfig.from_dict(content["config"]), dict(content["facts"]), content
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} cannot be read: {error}", "is this a run folder of imgcycle train?") from error

    def update_config(self, config: TrainConfig, content: dict[str, Any]) -> None:
        """Store a continuation's changed steps or intervals."""
        content = {**content, "config": config.to_dict()}
        write_text(self.root / "config.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def save_state(self, step: int, state: dict[str, Any]) -> Path:
        """Write `state/step-N.pt` whole, then forget all but the newest two."""
        path = self.states / f"step-{step}.pt"
        with atomic_write(path) as file:
            torch.save(state, file)
        for _, old in sorted(self._saved(), reverse=True)[KEPT_STATES:]:
            old.unlink(missing_ok=True)
        return path

    def newest_state(self) -> tuple[int, dict[str, Any]]:
        """The newest state that can be read; TrainingError when none can."""
        for step, path in sorted(self._saved(), reverse=True):
            try:
                state = torch.load(path, map_location="cpu", weights_only=True)
            except (OSError, RuntimeError, ValueError, EOFError, KeyError):
                continue
            return step, state
        raise TrainingError(f"{self.root} holds no readable state", "start again in a new folder")

    def clean(self, step: int) -> None:
        """Remove a killed writer's leftovers and everything logged after `step`."""
        for folder in (self.root, self.states, self.weights, self.weights / "best", self.samples):
            if folder.is_dir():
                remove_leftovers(folder)
        if self.metrics.is_file():
            kept = [line for line in self._lines() if json.loads(line).get("step", 0) <= step]
            write_text(self.metrics, "".join(f"{line}\n" for line in kept))

    def log(self, row: dict[str, Any]) -> None:
        """Append one line to `metrics.jsonl`."""
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def _lines(self) -> Iterator[str]:
        # The last line may be half a line if the writer was killed within it.
        for line in self.metrics.read_text(encoding="utf-8").splitlines():
            try:
                json.loads(line)
            except ValueError:
                continue
            yield line

    def _saved(self) -> Iterator[tuple[int, Path]]:
        for path in self.states.glob("step-*.pt"):
            if match := re.fullmatch(r"step-(\d+)\.pt", path.name):
                yield int(match[1]), path


def continued(stored: TrainConfig, asked: TrainConfig) -> TrainConfig:
    """The config to continue with; UsageError names any difference that may not be."""
    changes = {
        name: (value, getattr(asked, name))
        for name, value in stored.__dict__.items()
        if value != getattr(asked, name) and name not in CHANGEABLE
    }
    if changes:
        listed = ", ".join(f"{name} was {old!r} and is now {new!r}" for name, (old, new) in changes.items())
        raise UsageError(f"the run was begun with other settings: {listed}", "only steps and intervals may change")
    return stored.replace(**{name: getattr(asked, name) for name in CHANGEABLE})
