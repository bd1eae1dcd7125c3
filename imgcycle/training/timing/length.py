"""A run's length by the clock: how many steps a number of minutes are on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch

from imgcycle.config import TrainConfig
from imgcycle.data.batches import Batches, to_signed
from imgcycle.methods.base import Batch
from imgcycle.training.distributed import World
from imgcycle.training.session import Session
from imgcycle.training.timing.stages import PlannedStage, plan_stages

SPARE = 0.05
"""Share of the minutes that is left for samples, saves and pictures that are decoded for the first time."""
_UNTIMED, _TIMED = 1, 3
_PROVISIONAL = 1000


def steps_in(minutes: float, seconds: Sequence[float], shares: Sequence[float]) -> int:
    """Steps that fit into so many minutes, of stages with `shares` of the steps and so many `seconds` a step each."""
    mean = sum(s * share for s, share in zip(seconds, shares, strict=True)) / sum(shares)
    return max(len(seconds), int(minutes * 60 * (1 - SPARE) / mean))


def measured_length(
    config: TrainConfig,
    batches: Callable[[TrainConfig], Batches],
    device: torch.device,
    dtype: torch.dtype,
    world: World,
) -> int:
    """The steps that `config.minutes` are here: a few steps of every stage are timed, on nets that are thrown away.

    A collective call: all ranks take rank 0's figure.
    """
    assert config.minutes is not None
    stages = plan_stages(config.replace(steps=_PROVISIONAL), 1)
    seconds = [_seconds_a_step(stage, batches(stage.config), device, dtype, world) for stage in stages]
    return steps_in(config.minutes, seconds, [stage.end - stage.start for stage in stages])


def _seconds_a_step(
    stage: PlannedStage, batches: Batches, device: torch.device, dtype: torch.dtype, world: World
) -> float:
    session = Session(stage.config, device, dtype, world)
    a, b = (to_signed(pixels.to(device)) for pixels in batches.load(0))
    began = 0.0
    for step in range(_UNTIMED + _TIMED):
        if step == _UNTIMED:
            began = time.perf_counter()
        session.step(Batch(a.clone(), b.clone()), 1.0)
        session.is_healthy()  # waits for the device
    return world.share((time.perf_counter() - began) / _TIMED, device)
