"""One run: everything the loop calls between steps, from opening the folder to the last line."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from imgcycle.config import TrainConfig
from imgcycle.data.batches import Batches, PairedBatches, Prefetcher, UnpairedBatches
from imgcycle.data.pairs import open_domains, remarks_on_pairs
from imgcycle.device import choose_kernels, default_memory, precision_name, resolve_precision
from imgcycle.errors import InputError, TrainingError, UsageError, counted
from imgcycle.methods.base import Batch
from imgcycle.methods.registry import build_method, method_class
from imgcycle.training import events
from imgcycle.training.distributed import World
from imgcycle.training.events import Finished, Listener
from imgcycle.training.first_net import FirstNet
from imgcycle.training.inspection import Inspection
from imgcycle.training.session import Arithmetic, Session
from imgcycle.training.storage.export import Exporter
from imgcycle.training.storage.folder import RunFolder, continued, length_is_fixed
from imgcycle.training.storage.resuming import (
    DATA_FACTS,
    RunContext,
    differences,
    facts_of_resume,
    length_left,
    resumed_context,
    with_whole_paths,
)
from imgcycle.training.storage.saves import KEPT_STATES, UnsoundState, check_room
from imgcycle.training.storage.start import check_start, start_from_weights
from imgcycle.training.timing.length import measured_length
from imgcycle.training.timing.schedule import Schedule
from imgcycle.training.timing.stages import PlannedStage, hand_over, plan_stages, stage_at
from imgcycle.training.validation import Validation

MAX_ROLLBACKS = 4
MOST_THREADS = 4096


def _a_run_already(root: Path) -> UsageError:
    return UsageError(f"{root} is a run already", "continue it with --resume, or choose another -o")


class Run:
    """A run in progress; `step` counts finished steps."""

    def __init__(self, config: TrainConfig, folder: RunFolder, device: torch.device, world: World, emit: Listener):
        self.config, self.folder, self.device, self.world, self.emit = config, folder, device, world, emit
        choose_kernels()
        self.dtype = resolve_precision(config.precision, device)
        self.paired = method_class(config.method).paired
        if folder.root.resolve() in (Path(config.a).resolve(), Path(config.b).resolve()):
            raise UsageError(f"{folder.root} holds the pictures to learn from", "choose another -o")
        self.first_net = FirstNet(config, device, self.dtype) if config.strokes_of is not None else None
        self.a, self.b, alone = open_domains(
            Path(config.a), Path(config.b), config.size, self.paired, default_memory() // 4, self._unreadable,
            leave_out=(folder.root,), least=config.crop, px_per_cm=config.px_per_cm, prepare_a=self.first_net,
            fewest_b=method_class(config.method).fewest_b, grey=config.net.luma,
        )  # fmt: skip
        for remark in remarks_on_pairs(self.a, alone):
            self.emit(events.Noted(remark))
        self.arithmetic = Arithmetic.fastest(config, device)
        self.step = 0
        self.fresh = True
        self.rollbacks = 0
        self.started_from: str | Path | None = None
        self.figure = 0.0
        self.rate = 0.0
        self._prefetcher: Prefetcher | None = None
        self.means: Mapping[str, float] = {}

    @classmethod
    def open(
        cls,
        config: TrainConfig,
        folder: RunFolder,
        resume: bool,
        start_from: str | Path | None,
        changed_data: bool,
        device: torch.device,
        world: World,
        context: RunContext,
        emit: Listener,
    ) -> Run:
        """Begin a new run or open one to resume; UsageError if the folder does not allow it, or another process
        uses it.
        """
        config = with_whole_paths(config)
        facts: dict[str, Any] = {}
        content: dict[str, Any] = {}
        if resume:
            stored, facts, content = folder.read_config()
            config = continued(stored, config)
            context = resumed_context(context, content, changed=config != stored)
            if facts.get("precision") in ("fp32", "bf16", "fp16"):
                config = config.replace(precision=facts["precision"])
            if type(threads := facts.get("threads")) is int and 1 <= threads <= MOST_THREADS:
                torch.set_num_threads(threads)
        run = cls(config, folder, device, world, emit)
        run.arithmetic = Arithmetic.frozen(facts, config, device)
        if not resume and config.minutes is not None and config.steps is None:
            if start_from is not None:
                check_start(start_from, run.config)
            run._fix_length(config.minutes)
        run._build(context)
        facts_now = facts_of_resume(run.device, run.dtype, world.size, run.arithmetic, run.a, run.b, run.first_net)
        run.started_from = start_from
        if not resume:
            if start_from is not None:
                for note in start_from_weights(start_from, run.config, run.session.nets, run.session.averages):
                    emit(events.Noted(note))
            run.begin(facts_now)
            return run
        for note in list(differences(facts, facts_now, config, changed_data)):
            emit(events.Noted(note))
        run._take(new=False)
        run._load()
        if remark := length_left(folder.root, run.step, run.total, length_is_fixed(run.config)):
            emit(events.Noted(remark))
        if world.leads:
            check_room(folder.root, run._room() - folder.states.size())
            content |= {"command": context.command, "licence": context.licence, "length": run.total}
            content["facts"] = {**facts, **{name: facts_now[name] for name in DATA_FACTS}}
            folder.update_config(continued(stored, config.replace(precision=stored.precision)), content)
            if run.exporter.stale(run.session.translators(), run.step):
                run._export()
                run.exporter.restate_best()
        return run

    def _room(self) -> int:
        """Most bytes of the run on disk: its states, one more while it is written, and twice its weights."""
        nets = sum(t.numel() * t.element_size() for net in self.session.nets.values() for t in net.parameters())
        return (KEPT_STATES + 1) * self.session.state_bytes() + 2 * nets

    def begin(self, facts: dict[str, Any]) -> None:
        """Save step 0, then create the run: one killed at any moment does not exist yet, or can be resumed."""
        if self.world.leads:
            check_room(self.folder.root, self._room())
        self._take(new=True)
        if self.world.leads:
            self.folder.prepare()
        path = self._write()
        if self.world.leads:
            said = {"command": self.exporter.command, "licence": self.exporter.licence}
            about = {**said, "length": self.total}
            self.folder.create(self.config, facts, about)
            self.emit(events.Saved(self.step, path))
        self.world.barrier()

    def _take(self, new: bool) -> None:
        """Lock the folder; UsageError on all ranks if the first one may not."""
        refused: UsageError | None = None
        if self.world.leads:
            try:
                self.folder.take()
                if new and self.folder.exists():
                    refused = _a_run_already(self.folder.root)
            except UsageError as error:
                refused = error
        if self.world.any(refused is not None, self.device):
            raise refused or UsageError(f"{self.folder.root} cannot be used", "the first rank says why")

    def _build(self, context: RunContext) -> None:
        config, world = self.config, self.world
        self.context = context
        self.steps_per_epoch = self._batches(config).steps_per_epoch
        self.stages = plan_stages(config, self.steps_per_epoch)
        self.total = self.stages[-1].end
        self.exporter = Exporter(
            self.folder, config, len(self.a), len(self.b), context.command, context.licence, self.first_net
        )
        validated = config.val_a is not None and world.leads
        validation = Validation.of(config, self.device, self.first_net) if validated else None
        self.inspection = Inspection(
            config, self.a, self.b, self.folder, self.device, self.dtype, self.paired, validation, self.emit
        )
        # The nets of later stages are built once in advance: what cannot be is said now, not hours later.
        for stage in self.stages[1:] if self.fresh else ():
            build_method(stage.config)
        self._open(self.stages[0])
        if world.leads:
            self.inspection.open_own_pictures(self.session.method.generators(), self._unreadable)

    def _batches(self, config: TrainConfig) -> Batches:
        return (PairedBatches if self.paired else UnpairedBatches)(
            self.a, self.b, config.seed, config.batch, config.crop, config.flip, self.world.rank, self.world.size,
            whole_b=method_class(config.method).whole_b(config),
        )  # fmt: skip

    def _fix_length(self, minutes: float) -> None:
        """Turn minutes into the steps that they are here."""
        span = "a minute" if minutes == 1 else f"{minutes:g} minutes"
        self.emit(events.Noted(f"timing some steps, to know how many fit into {span}"))
        steps = measured_length(self.config, self._batches, self.device, self.dtype, self.world)
        most = self.config.most_steps
        if most is None or steps <= most:
            said = f"{counted(steps, 'step')} fit into {span} here: that is now the length of the run"
        else:
            said = (
                f"{counted(steps, 'step')} would fit into {span} here; {counted(most, 'step')} are enough, "
                "says the recipe, and are now the length of the run (--steps N for more)"
            )
        self.config = self.config.replace(steps=steps if most is None else min(steps, most))
        self.emit(events.Noted(said))

    def _open(self, stage: PlannedStage) -> None:
        """Nets, optimizers, schedule and batches of a stage, as fresh as at its beginning."""
        self.close()
        self.stage = stage
        self.schedule = Schedule(stage.config, self.steps_per_epoch)
        self.session = Session(stage.config, self.device, self.dtype, self.world, self.arithmetic)
        self.exporter.config = stage.config
        self._prefetcher = Prefetcher(self._batches(stage.config), self.device, self.context.workers, stage.end)
        self._clock = (time.perf_counter(), 0.0, self.step)

    def next_stage(self) -> None:
        """Begin the stage that the next step belongs to, with what has been learnt."""
        before, stage = self.session, stage_at(self.stages, self.step)
        self._open(stage)
        hand_over(before, self.session, stage.fresh_discriminators)
        self.emit(
            events.StageBegan(
                self.step, self.total, stage.name, stage.index + 1, len(self.stages), stage.end - stage.start
            )
        )

    def train_on(self, batch: Batch) -> None:
        """The next step."""
        within = self.step - self.stage.start
        self.session.step(batch, self.schedule.factor(within), self.schedule.warmup_factor(within))
        self.step += 1

    def close(self) -> None:
        """Stop what works ahead."""
        if self._prefetcher is not None:
            self._prefetcher.close()

    @property
    def prefetcher(self) -> Prefetcher:
        """The batches of the stage."""
        assert self._prefetcher is not None
        return self._prefetcher

    def _load(self) -> None:
        def take(state: dict[str, Any]) -> None:
            stage = stage_at(self.stages, max(0, state["step"] - 1))
            if stage is not self.stage:
                self._open(stage)
            self.inspection.best = self.session.load_state(state, self.schedule)
            if not self.session.finite_weights():
                raise UnsoundState("holds weights that are no numbers")

        self.step, _ = self.folder.newest_state(take, lambda said: self.emit(events.Noted(said)))
        self.fresh = False
        if self.world.leads and (dropped := self.folder.clean(self.step)):
            lines = "1 damaged line" if dropped == 1 else f"{dropped} damaged lines"
            self.emit(events.Noted(f"{self.folder.metrics}: {lines} left out"))

    def _unreadable(self, path: Path, reason: str) -> None:
        self.emit(events.Noted(f"{path} is left out: {reason}"))

    def start(self) -> None:
        """Announce the run and start its clock."""
        self._clock = (time.perf_counter(), self.prefetcher.waited, self.step)
        self.emit(
            events.Started(
                self.folder.root, self.step, self.total, self.steps_per_epoch, len(self.a), len(self.b),
                str(self.device), precision_name(self.dtype), torch.get_num_threads(), not self.fresh,
            )
        )  # fmt: skip
        if self.world.leads:
            translators = self.session.translators()
            self.inspection.measure_references(translators, self.step, self.started_from is not None)

    def report(self) -> None:
        """Log and report the means of the losses since the last report."""
        self.means = self.session.take_means()
        self.figure = sum(value for name, value in self.means.items() if not name.startswith("discriminator"))
        if not self.world.leads:
            return
        self.folder.log({"step": self.step, **{k: round(v, 6) for k, v in self.means.items()}, "lr": self._lr()})
        if cleared := self.session.take_cleared():
            times = "once" if cleared == 1 else f"{cleared} times"
            self.emit(
                events.Noted(f"gradients beyond all measure were left out {times}: crops of one flat colour give such")
            )
        now, waited, step = time.perf_counter(), self.prefetcher.waited, self.step
        seconds = max(1e-9, now - self._clock[0])
        rate = (step - self._clock[2]) / seconds
        waiting = (waited - self._clock[1]) / seconds
        self._clock = (now, waited, step)
        self._announce(self.means, rate, waiting)

    def glance(self) -> None:
        """Announce the means of the losses so far, between two reports."""
        if self.world.leads and self.session.counted:
            now, waited = time.perf_counter(), self.prefetcher.waited
            seconds = max(1e-9, now - self._clock[0])
            rate, waiting = (self.step - self._clock[2]) / seconds, (waited - self._clock[1]) / seconds
            self._announce(self.session.means(), rate, waiting)

    def _announce(self, means: Mapping[str, float], rate: float, waiting: float) -> None:
        left = (self.total - self.step) / max(rate, 1e-9)
        epoch = (self.step - 1) // self.steps_per_epoch + 1
        self.rate = rate
        self.emit(events.Progress(self.step, self.total, epoch, means, self._lr(), rate, left, waiting))

    def _lr(self) -> float:
        """The generators' learning rate in the last step."""
        within = self.step - 1 - self.stage.start
        return self.stage.config.lr * self.schedule.factor(within) * self.schedule.warmup_factor(within)

    def count(self, seconds: float) -> None:
        """Announce the step, `seconds` after the run began or went on."""
        self.emit(
            events.Stepped(self.step, self.total, seconds, (self.total - self.step) / self.rate if self.rate else None)
        )

    def tell_length(self, seconds_a_step: float) -> None:
        """Announce how long the run takes, from a few steps that were timed."""
        self.rate = 1 / max(1e-9, seconds_a_step)
        config = self.config
        epochs = config.epochs + config.epochs_decay if config.steps is None else None
        self.emit(events.Timed(self.step, self.total, epochs, seconds_a_step))

    def probe(self) -> None:
        """Check fixed images for common failures."""
        if self.world.leads:
            # During warm-up generators hardly change, and discriminators are ahead of them by design.
            warming = self.step - self.stage.start <= self.stage.config.warmup
            losses = None if warming else self.means
            self.inspection.probe(self.session.method.generators(), self.step, losses, self.stage.config.gan)

    def sample(self) -> None:
        """Write the grid of fixed images."""
        if self.world.leads:
            self.inspection.sample(self.session.translators(), self.step)

    def validate(self) -> None:
        """Measure the validation images, and keep the weights of a direction at its best figure."""
        if self.world.leads:
            figures = self.inspection.validate(self.session.translators(), self.step, self.exporter)
            self.figure = sum(figures.values())

    def end_epoch(self) -> None:
        """Pass the epoch's figure to the plateau schedule; all ranks take rank 0's, so that learning rates stay
        equal.
        """
        if self.stage.config.schedule == "plateau":
            self.schedule.epoch_ended(self.world.share(self.figure, self.device))

    def save(self) -> None:
        """Write the state and the weights of this step, and report it."""
        path = self._write()
        if self.world.leads:
            self.emit(events.Saved(self.step, path))
        self.world.barrier()

    def _write(self) -> Path:
        state = self.session.state(self.step, self.schedule, self.inspection.best)
        if not self.world.leads:
            return self.folder.states.folder
        path = self.folder.save_state(self.step, state)
        self._export()
        return path

    def _export(self) -> None:
        with self.folder.writing():
            self.exporter.export(self.session.translators(), self.session.nets, self.step, self.inspection.best)

    def without_pictures(self, error: InputError) -> TrainingError:
        """The error for training images that have become unreadable (a disk was removed), after saving the current
        state.
        """
        if self.world.size == 1 and self.step != self.folder.saved and self.session.is_healthy():
            self.save()
        kept = f"the run is kept as of step {self.folder.saved}"
        return TrainingError(f"{error.message}; {kept}", "go on with --resume once its pictures are back")

    def roll_back(self) -> None:
        """Return to the last saved state, with other random numbers and half the learning rate."""
        self.rollbacks += 1
        if self.rollbacks > MAX_ROLLBACKS:
            raise TrainingError(
                f"the run diverges near step {self.step} again and again",
                "start again with a lower --lr, --grad-clip 1, or --precision fp32",
            )
        failed, generation = self.step, self.session.generation
        self.world.barrier()
        self._load()
        self.session.generation = generation + 1
        for each in self.session.phase_optimizers:
            each.stalled_steps.zero_()
        self._clock = (time.perf_counter(), self.prefetcher.waited, self.step)
        self.emit(events.RolledBack(failed, self.step, "losses or weights were no longer finite"))

    @property
    def exhausted(self) -> bool:
        """True after as many validations without improvement as the config's patience."""
        return self.inspection.exhausted

    def finish(self, seconds: float, *, interrupted: bool) -> Finished:
        """Report that the run ended; returns the event."""
        event = Finished(self.step, self.total, seconds, interrupted)
        self.emit(event)
        return event
