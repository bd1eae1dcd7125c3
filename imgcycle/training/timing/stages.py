"""A run by stages: which steps are whose, what is set for each, and what one hands to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from imgcycle.config import TrainConfig
from imgcycle.errors import UsageError
from imgcycle.training.session import Session
from imgcycle.training.timing.schedule import Schedule


@dataclass(frozen=True)
class PlannedStage:
    """Steps `start` to `end` - 1 of a run, and the config that holds for them, its length and warm-up in steps."""

    index: int
    name: str
    start: int
    end: int
    config: TrainConfig
    fresh_discriminators: bool = False


def plan_stages(config: TrainConfig, steps_per_epoch: int) -> list[PlannedStage]:
    """All stages of a run in order, those without a step left out; a run without stages is one.

    UsageError for a stage that contradicts the run's other settings.
    """
    total = Schedule(config, steps_per_epoch).total
    if not config.stages:
        return [PlannedStage(0, "", 0, total, config)]
    shares = sum(stage.share for stage in config.stages)
    planned: list[PlannedStage] = []
    before, done = 0.0, 0
    for number, stage in enumerate(config.stages, 1):
        before += stage.share
        end = total if number == len(config.stages) else round(total * before / shares)
        if end <= done:
            continue
        name = stage.name or f"stage {number}"
        length = end - done
        shape = {"layers": stage.discriminator_layers, "scales": stage.discriminator_scales}
        discriminator = config.discriminator.replace(**{k: v for k, v in shape.items() if v is not None})
        warmup = min(round(stage.warmup_share * length), length - 1)
        changes: dict[str, Any] = {**stage.changes(), "discriminator": discriminator, "warmup": warmup}
        try:
            own = config.replace(**changes, steps=length, stages=())
        except UsageError as error:
            raise error.at(name) from error
        fresh = stage.fresh_discriminators
        planned.append(PlannedStage(len(planned), name, done, end, own, fresh))
        done = end
    return planned


def stage_at(stages: list[PlannedStage], step: int) -> PlannedStage:
    """The stage that 0-based `step` belongs to; after the last step, the last."""
    return next((stage for stage in stages if step < stage.end), stages[-1])


def hand_over(before: Session, after: Session, fresh_discriminators: bool) -> None:
    """Begin a stage's session with what the one before has learnt: averaged generators, everything else as it is.

    Fresh are the optimizers, nets of another shape, and the discriminators where that is asked for.
    """
    translators: Mapping[str, nn.Module] = before.translators()
    for name, net in after.nets.items():
        state = translators.get(name, before.nets[name]).state_dict()
        is_discriminator = name.startswith("discriminator")
        if is_discriminator and (fresh_discriminators or _shapes(state) != _shapes(net.state_dict())):
            continue
        net.load_state_dict(state)
    for direction, average in after.averages.items():
        average.begin_from(after.nets[direction])
    if before.config.crop == after.config.crop:
        after.method.load_state(before.method.state())
    after.generation = before.generation


def _shapes(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.shape for name, value in state.items()}
