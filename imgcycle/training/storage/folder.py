"""The run folder: everything needed to stop a run at any moment and resume it exactly.

config.json                     the run's TrainConfig, and the facts its bits depend on
state/step-N.pt                 everything at step N, one file a save; the newest readable one counts
weights/{A2B,B2A}.safetensors   what convert uses (the EMA where there is one)
weights/discriminators.safetensors   everything else that is learnt, for --start-from
weights/best/…                  the same at the best validation figure
metrics.jsonl, samples/step-N.png, samples/own/…
index.html                      the page of the run
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from imgcycle.config import JsonConfig, TrainConfig
from imgcycle.config.legacy import current_names
from imgcycle.errors import ImgcycleError, TrainingError, UsageError, reason_of, reported
from imgcycle.media.files import remove_leftovers, write_text
from imgcycle.media.locks import taken
from imgcycle.training.storage.saves import SavedStates, UnsoundState, read_state, writing_run

CHANGEABLE = (
    *("steps", "epochs", "epochs_decay", "sample_every", "save_every", "val_every", "patience"),
    *("a", "b", "val_a", "val_b", "sample_from", "strokes_luma"),
)
"""Settings that may differ between a run and its continuation, beside the number of workers.

Folders may have moved; whether they hold the same images is checked by fingerprint. `strokes_luma` is
for whoever uses the weights, and changes nothing that is learnt.
"""


class RunFolder:
    """Reads and writes one run folder; the process that writes to it has locked it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.states = SavedStates(root / "state")
        self.saved: int | None = None
        """Step of the newest state known to be valid."""
        self.weights = root / "weights"
        self.samples = root / "samples"
        self.metrics = root / "metrics.jsonl"
        self._lock: IO[bytes] | None = None

    def take(self) -> None:
        """Lock the folder, created if it does not exist, until `release`.

        UsageError if another process has locked it, or it cannot be written.
        """
        with reported(UsageError, f"{self.root} cannot be written", "choose another -o"):
            self.root.mkdir(parents=True, exist_ok=True)
            file = (self.root / ".lock").open("ab")
        if taken(file) is False:
            file.close()
            raise UsageError(f"another imgcycle is training in {self.root}", "wait for it, or choose another -o")
        self._lock = file

    def release(self) -> None:
        """Release the lock, if held."""
        if self._lock is not None:
            self._lock.close()

    def exists(self) -> bool:
        """True if a run began here."""
        return (self.root / "config.json").is_file()

    def writing(self) -> contextlib.AbstractContextManager[None]:
        """Context for everything that writes into the folder: OutputError, one line, if it cannot be written."""
        if self.saved is None or not self.exists():
            return writing_run(self.root, "nothing was begun", "start again, here or with another -o")
        return writing_run(self.root, f"the run is kept as of step {self.saved}", "go on with --resume")

    def prepare(self) -> None:
        """Create the folders of a new run, without leftovers of one that was killed at its start."""
        with self.writing():
            for folder in (self.states.folder, self.weights, self.samples):
                folder.mkdir(parents=True, exist_ok=True)
            self.states.forget()
            self.metrics.unlink(missing_ok=True)
        self.clean(0)

    def create(self, config: TrainConfig, facts: dict[str, Any], about: Mapping[str, Any] | None = None) -> None:
        """Write `config.json`: from now on the run exists, which is why its first state is saved before.

        `about` is information for the cards, and its length in steps.
        """
        self._write_config({"schema": 1, "config": config.to_dict(), "facts": facts, **(about or {})})

    def read_config(self) -> tuple[TrainConfig, dict[str, Any], dict[str, Any]]:
        """Stored config, stored facts, and the whole content; UsageError if there is no run, or none that can be
        read.
        """
        path = self.root / "config.json"
        if not path.exists():
            raise UsageError(f"{self.root} holds no run to go on with", "leave --resume out to begin one")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return TrainConfig.from_dict(content["config"]), dict(content["facts"]), content
        except OSError as error:
            reason = f"cannot be read: {reason_of(error)}"
        except UsageError as error:
            reason = f"holds settings of no run: {error.message}"
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            reason = "is damaged"
        raise UsageError(f"{path} {reason}", f"{self._afresh()}, or put back the file as it was")

    def update_config(self, config: TrainConfig, content: dict[str, Any]) -> None:
        """Store changed steps or intervals of a resumed run."""
        self._write_config({**content, "config": config.to_dict()})

    def _write_config(self, content: dict[str, Any]) -> None:
        with self.writing():
            write_text(self.root / "config.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def _afresh(self) -> str:
        """Hint for a run that cannot be resumed."""
        begun = any(self.weights.glob("*2*.safetensors"))
        return f"begin with its weights: --start-from {self.root} and another -o" if begun else "begin in another -o"

    def save_state(self, step: int, state: dict[str, Any]) -> Path:
        """Write `state/step-N.pt` atomically, then delete all but the newest two; OutputError if it cannot be
        written.
        """
        with self.writing():
            path = self.states.save(step, state)
        self.saved = step
        return path

    def newest_state(
        self,
        take: Callable[[dict[str, Any]], None] = lambda _: None,
        passed_over: Callable[[str], None] = lambda _: None,
    ) -> tuple[int, dict[str, Any]]:
        """Newest valid state that `take` accepts; TrainingError if there is none.

        Any exception of `take` means that the state does not fit. If newer ones had to be skipped, `passed_over` gets a
        line: which, why, and how many steps are lost by it.
        """
        bad: list[str] = []
        found = self.states.found()
        for step, path in found:
            try:
                state = read_state(path)
                _fitted(take, state)
            except UnsoundState as error:
                bad.append(f"{path.name} {error}")
                continue
            self.saved = step
            if bad:
                many = found[0][0] - step
                steps = "1 step is" if many == 1 else f"{many} steps are"
                passed_over(f"{self.states.folder}: {'; '.join(bad)}: it goes on from step {step}, {steps} lost")
            return step, state
        if not bad:
            raise TrainingError(f"{self.states.folder} holds no saved state", self._afresh())
        raise TrainingError(f"{self.states.folder} holds no readable state: {'; '.join(bad)}", self._afresh())

    def clean(self, step: int) -> int:
        """Remove a killed writer's leftovers and everything logged after `step`, and update an earlier version's names;
        return the number of damaged lines removed.

        The last line does not count: it may be incomplete if the writer was killed within it.
        """
        with self.writing():
            for folder in (self.root, self.states.folder, self.weights, self.weights / "best", self.samples):
                if folder.is_dir():
                    remove_leftovers(folder)
            if not self.metrics.is_file():
                return 0
            lines = self.metrics.read_bytes().split(b"\n")
            rows = [_logged(line) for line in lines]
            kept = [
                _renamed(line)
                for line, logged in zip(lines, rows, strict=True)
                if logged is not None and logged <= step
            ]
            if b"\n".join((*kept, b"")) != b"\n".join(lines):
                write_text(self.metrics, b"\n".join((*kept, b"")).decode())
        return sum(logged is None and bool(line.strip()) for line, logged in zip(lines[:-1], rows, strict=False))

    def log(self, row: dict[str, Any]) -> None:
        """Append one line to `metrics.jsonl`."""
        with self.writing(), self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _fitted(take: Callable[[dict[str, Any]], None], state: dict[str, Any]) -> None:
    try:
        take(state)
    except (UnsoundState, ImgcycleError):
        raise
    except Exception as error:
        raise UnsoundState("does not fit the nets of this run") from error


def _logged(line: bytes) -> int | None:
    """Step of a line of `metrics.jsonl`; None for a damaged one."""
    try:
        step = json.loads(line.decode())["step"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None
    return step if type(step) is int else None


def _renamed(line: bytes) -> bytes:
    """A line of `metrics.jsonl` with its losses under current names."""
    row = json.loads(line.decode())
    return line if (renamed := current_names(row)) == row else json.dumps(renamed).encode()


def continued(stored: TrainConfig, asked: TrainConfig) -> TrainConfig:
    """The config to resume with; UsageError names any difference that is not allowed."""
    fixed = {"steps"} if length_is_fixed(stored) else set()
    changes = {
        name: (value, getattr(asked, name))
        for name, value in stored.__dict__.items()
        if value != getattr(asked, name) and (name not in CHANGEABLE or name in fixed)
    }
    if changes:
        listed = ", ".join(f"{name} was {old!r} and is now {new!r}" for name, (old, new) in _plain(changes))
        may = "intervals" if fixed else "steps and intervals"
        raise UsageError(f"the run was begun with other settings: {listed}", f"only {may} may change")
    return stored.replace(**{name: getattr(asked, name) for name in CHANGEABLE})


def length_is_fixed(stored: TrainConfig) -> bool:
    """True if a run's number of steps followed from its stages or minutes when it began, and stays."""
    return bool(stored.stages) or stored.minutes is not None


def _plain(changes: Mapping[str, tuple[Any, Any]]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield differences by name, those of a net or a discriminator one by one."""
    for name, (old, new) in changes.items():
        if not isinstance(old, JsonConfig):
            yield name, (old, new)
            continue
        yield from (
            (f"{name}.{part}", (value, getattr(new, part)))
            for part, value in old.__dict__.items()
            if value != getattr(new, part)
        )
