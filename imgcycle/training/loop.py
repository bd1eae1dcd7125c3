"""The training loop, from top to bottom: prepare, step, look, save, leave."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import torch

from imgcycle.config import TrainConfig
from imgcycle.data.sampling import step_seed
from imgcycle.device import resolve_device
from imgcycle.errors import InputError
from imgcycle.methods.base import Batch
from imgcycle.training.distributed import World, explain, join_world, leave_world
from imgcycle.training.events import Finished, Listener
from imgcycle.training.interrupts import stop_signals
from imgcycle.training.run import Run, RunContext
from imgcycle.training.storage.folder import RunFolder

LOG_EVERY = 50
PROBE_EVERY = 200
ASK_EVERY = 10
"""On several GPUs, steps between two agreements on stopping: each makes every device wait for the others."""


def train(
    config: TrainConfig,
    folder: str | Path,
    *,
    resume: bool = False,
    start_from: str | Path | None = None,
    changed_data: bool = False,
    surroundings: RunContext | None = None,
    listener: Listener | None = None,
) -> Finished:
    """Train as `config` says into a run folder; returns the last event.

    A run that exists is continued with `resume` (bit for bit on the CPU), else refused; when its folders hold other
    pictures than before, only with `changed_data`. `start_from` is a style, a weights file or a run. SIGINT and
    SIGTERM save and end it early (`Finished.interrupted`); a second one ends it at once. Events go to `listener`, on
    rank 0 only. Raises UsageError for a request that cannot be met, TrainingError when a run cannot go on, OutputError
    when its folder cannot be written.
    """
    world, device = join_world(resolve_device(config.device))
    around = surroundings or RunContext()
    say: Listener = listener if listener is not None and world.leads else lambda _: None
    place = RunFolder(Path(folder))
    try:
        run = Run.open(config, place, resume, start_from, changed_data, device, world, around, say)
        return _loop(run, world, device)
    except RuntimeError as error:
        explained = explain(error, world)
        if explained is None:
            raise
        raise explained from error
    finally:
        place.release()
        leave_world(world)


def _loop(run: Run, world: World, device: torch.device) -> Finished:
    config, total = run.config, run.schedule.total
    began = time.perf_counter()
    run.start()
    with closing(run.prefetcher), stop_signals() as stop:
        while run.step < total:
            try:
                image_a, image_b = run.prefetcher.get(run.step, run.session.generation)
            except InputError as error:
                raise run.without_pictures(error) from error
            torch.manual_seed(step_seed(config.seed, run.step, world.rank, run.session.generation))
            batch = Batch(image_a, image_b)
            run.session.step(batch, run.schedule.factor(run.step), run.schedule.warmth(run.step))
            run.step += 1

            step, ending = run.step, run.step == total
            stopping = (device.type == "cpu" or step % ASK_EVERY == 0) and world.any(stop.is_set(), device)
            saving = stopping or ending or step % config.save_every == 0
            logging = ending or step % LOG_EVERY == 0
            validating = config.val_a is not None and (ending or step % config.val_every == 0)
            if (saving or logging or validating) and world.any(not run.session.sound(), device):
                run.roll_back()
                continue
            if logging:
                run.report()
            if step % PROBE_EVERY == 0:
                run.probe()
            if ending or step % config.sample_every == 0:
                run.sample()
            if validating:
                run.validate()
            if step % run.steps_per_epoch == 0:
                run.end_epoch()
            if saving:
                run.save()
            if stopping and not ending:
                return run.finish(time.perf_counter() - began, interrupted=True)
    return run.finish(time.perf_counter() - began, interrupted=False)
