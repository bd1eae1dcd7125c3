"""Learning-rate policies, as factors on the initial rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from imgcycle.config import TrainConfig

HALVED_EVERY = 100_000


@dataclass
class Schedule:
    """Learning-rate factor at each step of a run.

    With epochs, as the reference: linear is 1 − max(0, e + 1 − constant)/(decay + 1) in the epoch index e. With
    `--steps N` the same in steps, constant for N/2. cosine falls from 1 to 0 over the whole; step is ×0.1 every quarter
    (50 of 200 epochs); plateau is ×0.2 after five epochs without improvement, and is the only one with a state.
    constant is 1 throughout, as in UNIT; halving is ×0.5 every 100,000 steps, as in its rewrite of 2018.
    """

    config: TrainConfig
    steps_per_epoch: int
    plateau_factor: float = 1.0
    best: float = math.inf
    bad_epochs: int = 0

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        if self.config.steps is not None:
            return self.config.steps
        return (self.config.epochs + self.config.epochs_decay) * self.steps_per_epoch

    def factor(self, step: int) -> float:
        """Factor on the initial learning rate at 0-based `step`."""
        policy = self.config.schedule
        if policy == "plateau":
            return self.plateau_factor
        if policy == "constant":
            return 1.0
        if policy == "halving":
            return float(0.5 ** (step // HALVED_EVERY))
        if self.config.steps is not None:
            now, constant = step, self.config.steps - self.config.steps // 2
            whole = self.config.steps
        else:
            now, constant = step // self.steps_per_epoch, self.config.epochs
            whole = self.config.epochs + self.config.epochs_decay
        if policy == "linear":
            return 1 - max(0, now + 1 - constant) / (whole - constant + 1)
        if policy == "cosine":
            return (1 + math.cos(math.pi * now / whole)) / 2
        return float(0.1 ** (now // max(1, whole // 4)))

    def warmup_factor(self, step: int) -> float:
        """Further factor on the generators' rate at 0-based `step`.

        The gradients of an untrained discriminator are noise, and would spoil good initial weights.
        """
        return min(1.0, (step + 1) / max(1, self.config.warmup))

    def epoch_ended(self, figure: float) -> None:
        """Pass the epoch's figure to plateau (lower is better: KID if validated, else the generator's loss)."""
        if figure < self.best * (1 - 1e-4):
            self.best, self.bad_epochs = figure, 0
            return
        self.bad_epochs += 1
        if self.bad_epochs > 5:
            self.plateau_factor, self.bad_epochs = self.plateau_factor * 0.2, 0

    def state(self) -> dict[str, Any]:
        """State of plateau."""
        return {"factor": self.plateau_factor, "best": self.best, "bad_epochs": self.bad_epochs}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the result of `state()`."""
        self.plateau_factor, self.best, self.bad_epochs = state["factor"], state["best"], state["bad_epochs"]
