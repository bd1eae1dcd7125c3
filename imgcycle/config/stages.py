"""Stages: what changes in the course of one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from imgcycle.config.json import JsonConfig
from imgcycle.errors import UsageError

SchedulePolicy = Literal["linear", "cosine", "step", "plateau", "constant", "halving"]
Augment = Literal["colour", "translation", "cutout"]


@dataclass(frozen=True)
class Stage(JsonConfig):
    """A part of a run: `share` of its steps, relative to those of the other stages, and what is set for it.

    What is None is as the run has it. `warmup_share` 0..1 is the part of the stage over which the generators' rate
    rises from 0. A stage begins with the averaged weights and fresh optimizers; discriminators go on, unless they are
    `fresh_discriminators`, or are given other `discriminator_layers` or `discriminator_scales`.
    """

    share: float
    name: str = ""
    fresh_discriminators: bool = False
    discriminator_layers: int | None = None
    discriminator_scales: int | None = None
    crop: int | None = None
    lr: float | None = None
    lr_discriminator: float | None = None
    schedule: SchedulePolicy | None = None
    warmup_share: float = 0.0
    ema: float | None = None
    grad_clip: float | None = None
    diff_augment: tuple[Augment, ...] | None = None
    lambda_gan: float | None = None
    lambda_cycle: float | None = None
    lambda_identity: float | None = None
    lambda_nce: float | None = None
    lambda_l1: float | None = None
    lambda_vgg: float | None = None
    lambda_content: float | None = None
    lambda_style: float | None = None
    lambda_tv: float | None = None
    lambda_shift: float | None = None
    lambda_grid: float | None = None
    lambda_path: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1e6:
            raise UsageError(f"a stage's share is {self.share}", "above 0; shares need not add up to 1")
        if not 0 <= self.warmup_share <= 1:
            raise UsageError(f"a stage's warmup_share is {self.warmup_share}", "from 0 to 1")

    def changes(self) -> dict[str, object]:
        """The fields of TrainConfig that the stage sets, by name."""
        own = ("share", "name", "fresh_discriminators", "discriminator_layers", "discriminator_scales", "warmup_share")
        return {name: value for name, value in self.__dict__.items() if value is not None and name not in own}
