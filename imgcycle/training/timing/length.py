"""A run's length by the clock: how many steps a number of minutes are on this machine."""

from __future__ import annotations

import statistics
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
"""Share of the minutes that is left for the timing, samples, saves and pictures that are decoded for the first time."""
TIMING = 0.02
"""Share of the minutes that the timing may take, all stages together."""
MOST_SECONDS = 8.0
"""Seconds of timing a stage at most: more would keep a user waiting, and tell no more."""
LEAST_STEPS, MOST_STEPS = 3, 50
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
    """The steps that `config.minutes` are here: steps of every stage are timed, on nets that are thrown away.

    A collective call: all ranks take rank 0's figure.
    """
    assert config.minutes is not None
    stages = plan_stages(config.replace(steps=_PROVISIONAL), 1)
    allowed = min(MOST_SECONDS, TIMING * config.minutes * 60 / len(stages))
    seconds = [_seconds_a_step(stage, batches(stage.config), device, dtype, world, allowed) for stage in stages]
    return steps_in(config.minutes, seconds, [stage.end - stage.start for stage in stages])


def usual_seconds(
    step: Callable[[], None],
    allowed: float,
    agreed: Callable[[bool], bool] = bool,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """The median seconds of a step, of all that fit into the `allowed` seconds: a busy moment does not count.

    The first step, which finds kernels and fills caches, is not timed. `LEAST_STEPS` are, even if they take longer, but
    not beyond three times as long; `MOST_STEPS` at most. `agreed` makes one answer of every process's own.
    """
    began = clock()
    step()
    timed: list[float] = []
    while True:
        before = clock()
        step()
        now = clock()
        timed.append(now - before)
        spent, many = now - began, len(timed)
        if agreed((many >= LEAST_STEPS and spent >= allowed) or spent >= 3 * allowed or many >= MOST_STEPS):
            return statistics.median(timed)


def _seconds_a_step(
    stage: PlannedStage, batches: Batches, device: torch.device, dtype: torch.dtype, world: World, allowed: float
) -> float:
    session = Session(stage.config, device, dtype, world)
    a, b = (to_signed(pixels.to(device)) for pixels in batches.load(0))

    def step() -> None:
        session.step(Batch(a.clone(), b.clone()), 1.0)
        session.is_healthy()  # waits for the device

    # Of several processes the first decides when it is enough: each step waits for all of them.
    seconds = usual_seconds(step, allowed, lambda enough: world.any(enough and world.leads, device))
    return world.share(seconds, device)
