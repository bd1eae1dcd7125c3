"""What a run looks at between its steps: fixed images, pictures of the user's own, validation and diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import torch

from imgcycle.config import TrainConfig
from imgcycle.data.folders import ImageFolder
from imgcycle.nets.layers import Generator
from imgcycle.training import events
from imgcycle.training.diagnosis import Diagnosis, probe
from imgcycle.training.events import Listener
from imgcycle.training.samples import FixedImages, OwnPictures
from imgcycle.training.storage.export import Exporter
from imgcycle.training.storage.folder import RunFolder
from imgcycle.training.storage.history import RunHistory, read_history
from imgcycle.training.validation import Validation, validations_without_gain


class Inspection:
    """Looks at the nets of a run and says what it finds; on the first rank only.

    `best` holds the lowest validation figure of each direction. `exhausted` is true after as many validations without
    improvement as the config's patience.
    """

    def __init__(
        self,
        config: TrainConfig,
        a: ImageFolder,
        b: ImageFolder,
        folder: RunFolder,
        device: torch.device,
        dtype: torch.dtype,
        paired: bool,
        validation: Validation | None,
        emit: Listener,
    ) -> None:
        self.config, self.folder, self.device, self.dtype, self.emit = config, folder, device, dtype, emit
        self.paired, self.validation = paired, validation
        self.fixed = FixedImages(a, b, config.crop, device, paired)
        self.diagnosis = Diagnosis()
        self.own: OwnPictures | None = None
        self.best: dict[str, float] = {}
        self.exhausted = False

    def open_own_pictures(self, generators: Mapping[str, Generator], unreadable: Callable[[Path, str], None]) -> None:
        """Open the pictures of `--sample-from`, if there are any and the nets can translate them; `unreadable` hears
        of those that cannot be read.
        """
        if self.config.sample_from is None:
            return
        if any(net.fixed_output_side is not None for net in generators.values()):
            self.emit(events.Noted(f"{self.config.method} translates squares alone, and no pictures of --sample-from"))
            return
        self.own = OwnPictures(Path(self.config.sample_from), self.folder.samples / "own", unreadable)

    def measure_references(self, translators: Mapping[str, Generator], step: int, begun_from_weights: bool) -> None:
        """Log the figures of unconverted pictures and of the weights that the run began from, once a run."""
        if self.validation is not None and not self._history().references():
            references = self.validation.references(translators, self.dtype, begun_from_weights and step == 0)
            self.folder.log({"step": step, "kid_references": references})

    def probe(
        self, generators: Mapping[str, Generator], step: int, losses: Mapping[str, float] | None, gan: str
    ) -> None:
        """Check fixed images for common failures; without `losses`, as during warm-up, only log what was seen."""
        made = self.fixed.translate(generators, self.dtype)
        # Probes work without pairs; where there are pairs, the ground truth is known.
        fixed = self.fixed
        probes = {} if self.paired else {d: probe(fixed.sources[d], x, fixed.wanted(d)) for d, x in made.items()}
        self.folder.log({"step": step, "probe": {d: asdict(p) for d, p in probes.items()}})
        if losses is None:
            return
        for finding, advice in self.diagnosis.look(probes, losses, gan):
            self.folder.log({"step": step, "finding": finding, "advice": advice})
            self.emit(events.Diagnosed(step, finding, advice))

    def sample(self, translators: Mapping[str, Generator], step: int) -> None:
        """Write the grid of fixed images, and the user's own pictures translated."""
        path = self.folder.samples / f"step-{step}.png"
        with self.folder.writing():
            self.fixed.grid(translators, self.dtype, path)
            if self.own is not None:
                self.own.write(next(iter(translators.values())), step, self.device, self.dtype)
        self.emit(events.Sampled(step, path))

    def validate(self, translators: Mapping[str, Generator], step: int, exporter: Exporter) -> dict[str, float]:
        """Measure the validation images, keep the weights of a direction at its best figure, return the figures."""
        if self.validation is None:
            return {}
        figures = self.validation.measure(translators, self.dtype)
        self.folder.log({"step": step, "kid": figures})
        for direction, figure in figures.items():
            if figure < self.best.get(direction, float("inf")):
                self.best[direction] = figure
                with self.folder.writing():
                    exporter.export_best(direction, translators[direction], step, figure)
        history = self._history()
        self.emit(events.Validated(step, figures, dict(self.best), history.references()))
        if self.config.patience is not None and validations_without_gain(history.validations()) >= self.config.patience:
            self.exhausted = True
            why = f"nothing came nearer in {self.config.patience} validations"
            self.folder.log({"step": step, "ended": why})
            self.emit(events.Noted(f"{why}: the run ends at step {step}; the nearest weights are in weights/best"))
        return figures

    def _history(self) -> RunHistory:
        """Everything logged so far."""
        history = read_history(self.folder.root)
        assert history is not None
        return history
