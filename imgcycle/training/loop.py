"""The training loop, from top to bottom: prepare, step, report, save, finish."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import torch

from imgcycle.config import TrainConfig
from imgcycle.data.sampling import step_seed
from imgcycle.device import resolve_device
from imgcycle.errors import InputError
from imgcycle.methods.base import Batch
from imgcycle.training.distributed import World, explain, join_world, leave_world
from imgcycle.training.events import Event, Finished, Listener, Progress, Stopping
from imgcycle.training.interrupts import stop_signals
from imgcycle.training.listeners.page import RunPage
from imgcycle.training.run import Run
from imgcycle.training.storage.folder import RunFolder
from imgcycle.training.storage.resuming import RunContext
from imgcycle.training.timing.display_clock import DisplayClock

LOG_EVERY = 50
PROBE_EVERY = 200
ASK_EVERY = 10
"""Steps between two agreements on stopping with several GPUs: each makes every device wait for the others."""


def train(
    config: TrainConfig,
    folder: str | Path,
    *,
    resume: bool = False,
    start_from: str | Path | None = None,
    changed_data: bool = False,
    context: RunContext | None = None,
    progress: Callable[[float], None] | None = None,
    listener: Listener | None = None,
) -> Finished:
    """Learn to turn pictures like those in one folder into pictures like those in another, as `config` says.

    Parameters
    ----------
    config
        Data, method, nets, losses and length (`TrainConfig`).
    folder
        The run folder: states, samples, weights and the log of the run. Its name works as a style at any moment.
    resume
        Continue the run that is in the folder, bit for bit on the CPU; without it, a folder with a run is refused.
    start_from
        A style, a weights file or another run to begin with.
    changed_data
        Continue although the folders hold other pictures than before.
    context
        What changes nothing of the weights: threads that read, what the cards say.
    progress
        Hears the share of the steps that is done, 0 to 1.
    listener
        Hears every event (`imgcycle.training.events`): losses, samples, validation, diagnosis. Both are called on
        rank 0 only.

    Returns
    -------
    Finished
        The last event. SIGINT and SIGTERM save and end a run early (`interrupted`); a second one ends it at once.

    Raises
    ------
    UsageError
        For a request that cannot be met.
    TrainingError
        When the run cannot go on.
    OutputError
        When its folder cannot be written.

    Examples
    --------
    >>> from imgcycle import TrainConfig, train
    >>> config = TrainConfig("photos/", "paintings/", method="cut", steps=20_000)
    >>> ended = train(config, "runs/mine", progress=lambda share: print(f"{share:.0%}"))
    """
    world, device = join_world(resolve_device(config.device))
    context = context or RunContext()
    place = RunFolder(Path(folder))
    emit: Listener = _heard(RunPage(place), listener, progress) if world.leads else lambda _: None
    try:
        run = Run.open(config, place, resume, start_from, changed_data, device, world, context, emit)
        return _loop(run, world, device)
    except RuntimeError as error:
        explained = explain(error, world)
        if explained is None:
            raise
        raise explained from error
    finally:
        place.release()
        leave_world(world)


def _heard(page: RunPage, listener: Listener | None, progress: Callable[[float], None] | None) -> Listener:
    """One listener for three: the run's page, one for all events, one for the share of the steps done."""

    def hear(event: Event) -> None:
        page(event)
        if listener is not None:
            listener(event)
        if progress is not None and isinstance(event, Progress | Finished):
            progress(event.step / event.steps)

    return hear


def _loop(run: Run, world: World, device: torch.device) -> Finished:
    config, total = run.config, run.total
    began = time.perf_counter()
    run.start()
    clock = DisplayClock()
    with closing(run), stop_signals(lambda: run.emit(Stopping(run.step))) as stop:
        while run.step < total:
            if run.step >= run.stage.end:
                run.next_stage()
            try:
                image_a, image_b = run.prefetcher.get(run.step, run.session.generation)
            except InputError as error:
                raise run.without_pictures(error) from error
            torch.manual_seed(step_seed(config.seed, run.step, world.rank, run.session.generation))
            run.train_on(Batch(image_a, image_b))

            step, ending = run.step, run.step == total
            closing_stage = step == run.stage.end  # its losses are logged before it is saved, not when the next begins
            stopping = (device.type == "cpu" or step % ASK_EVERY == 0) and world.any(stop.is_set(), device)
            saving = stopping or ending or step % config.save_every == 0
            logging = closing_stage or step % LOG_EVERY == 0
            validating = config.val_a is not None and (ending or step % config.val_every == 0)
            if (saving or logging or validating) and world.any(not run.session.is_healthy(), device):
                run.roll_back()
                continue
            _look(run, clock, time.perf_counter() - began, logging=logging, ending=ending)
            if validating:
                run.validate()
            if step % run.steps_per_epoch == 0:
                run.end_epoch()
            exhausted = validating and world.any(run.exhausted, device)
            if saving or exhausted:
                run.save()
            if stopping and not ending:
                return run.finish(time.perf_counter() - began, interrupted=True)
            if exhausted:
                break
    return run.finish(time.perf_counter() - began, interrupted=False)


def _look(run: Run, clock: DisplayClock, seconds: float, *, logging: bool, ending: bool) -> None:
    """Say how far the run is, probe and sample it: when its steps or the clock ask for that."""
    step = run.step
    if (seconds_a_step := clock.timed()) is not None:
        run.tell_length(seconds_a_step)
    if logging:
        run.report()
        clock.done("losses")
    elif clock.due("losses"):
        run.glance()
    elif clock.due("count"):
        run.count(seconds)
    if step % PROBE_EVERY == 0 or clock.due("diagnosis"):
        run.probe()
        clock.done("diagnosis")
    if ending or step % run.config.sample_every == 0 or clock.due("samples"):
        run.sample()
        clock.done("samples")
