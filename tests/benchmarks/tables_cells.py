"""The cells of the comparison's tables: which methods, on which scenes, with which settings; one trained and scored.

A cell is a row of the tables with one seed, in both directions: A2B is labels→photo, B2A photo→labels. Methods that
lead one way are trained once a way. All have one budget, chosen on other scenes with other seeds (100 and above).
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from imgcycle import load_translator
from imgcycle.cli.commands.train_config import build_config
from imgcycle.config import DiscriminatorConfig, NetConfig, TrainConfig
from imgcycle.data.batches import stack, to_signed
from imgcycle.device import hardware_facts, resolve_precision
from imgcycle.media.files import atomic_path, write_text
from imgcycle.metrics.segmentation import Counts, LabelScores, label_scores
from imgcycle.training.loop import train
from imgcycle.training.storage.folder import RunFolder
from imgcycle.training.storage.resuming import RunContext
from imgcycle.weights.description import digest
from tests.benchmarks.tables_scores import score_labels, score_photos, segmenter
from tests.benchmarks.world import Bytes, Scene, scene

Way = Literal["A2B", "B2A"]
WAYS: tuple[Way, Way] = ("A2B", "B2A")
CPU = torch.device("cpu")
FIXED = {"size": 64, "crop": 64, "save_every": 500, "sample_every": 1000, "precision": "auto", "device": "cpu"}
Figures = tuple[float, float, float]
"""Per-pixel accuracy, per-class accuracy, class IoU."""


@dataclass(frozen=True)
class Budget:
    """What all rows have in common.

    `labels` and `photos` are numbers of scenes that have none in common; the pairs are those of `labels`.
    """

    labels: tuple[int, int] = (0, 1000)
    photos: tuple[int, int] = (1000, 2000)
    tested: tuple[int, int] = (10_000, 10_200)
    net: NetConfig = field(default_factory=lambda: NetConfig("resnet", 24, 6))
    discriminator: DiscriminatorConfig = field(default_factory=lambda: DiscriminatorConfig("nlayers", 32, 3))
    settings: Mapping[str, Any] = field(
        default_factory=lambda: {
            "gan": "lsgan", "steps": 2500, "batch": 1, "lr": 5e-4, "ema": 0.99, "pool": 50, "lambda_identity": 0.0,
        }
    )  # fmt: skip


BUDGET = Budget()


@dataclass(frozen=True)
class Row:
    """A method: what it is called, how it is asked for, what was published of it.

    `leads` is `both` when one run learns both ways, `directed` when a run is told the way, `onward` when it always
    leads from its first folder to its second. A method whose nets cannot be the others' says in `own` what it has
    instead of the budget's nets and settings.
    """

    title: str
    published: tuple[Figures, Figures]
    options: Mapping[str, Any] = field(default_factory=dict)
    leads: Literal["both", "directed", "onward"] = "both"
    seeds: tuple[int, ...] = (0,)
    own: Mapping[str, Any] | None = None


THREE = (0, 1, 2)
ROWS = {
    # As the paper took the published one; 1,500 steps of sixteen drawings cost what CycleGAN's do.
    "cogan": Row(
        "CoGAN", ((0.40, 0.10, 0.06), (0.45, 0.11, 0.08)), {"method": "cogan"},
        own={"steps": 1500, "batch": 16, "width": 16, "discriminator_width": 32},
    ),
    "bigan": Row("BiGAN/ALI", ((0.19, 0.06, 0.02), (0.41, 0.13, 0.07)), {"method": "bigan"}),
    "simgan": Row("SimGAN", ((0.20, 0.10, 0.04), (0.47, 0.11, 0.07)), {"method": "simgan"}, "onward"),
    "feature-loss": Row(
        "Feature loss + GAN", ((0.06, 0.04, 0.01), (0.50, 0.10, 0.06)),
        {"method": "simgan", "feature_loss": "vgg19"}, "onward",
    ),
    "cycle-alone": Row("Cycle alone", ((0.22, 0.07, 0.02), (0.10, 0.05, 0.02)), {"use_gan": False}, seeds=THREE),
    "gan-alone": Row("GAN alone", ((0.51, 0.11, 0.08), (0.53, 0.11, 0.07)), {"cycle": "none"}, seeds=THREE),
    "gan-forward": Row("GAN + forward cycle", ((0.55, 0.18, 0.12), (0.49, 0.11, 0.07)), {"cycle": "forward"}),
    "gan-backward": Row("GAN + backward cycle", ((0.39, 0.14, 0.06), (0.01, 0.06, 0.01)), {"cycle": "backward"}),
    "cyclegan": Row("CycleGAN", ((0.52, 0.17, 0.11), (0.58, 0.22, 0.16)), seeds=THREE),
    "pix2pix": Row(
        "pix2pix (paired)", ((0.71, 0.25, 0.18), (0.85, 0.40, 0.32)), {"method": "pix2pix"}, "directed", THREE
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A row with a seed, in a folder of results."""

    row: str
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.row}-{self.seed}"

    @property
    def world(self) -> int:
        """The seed of its scenes: seeds to choose settings with have others than those of the tables."""
        return 0 if self.seed < 100 else 100

    @property
    def file(self) -> Path:
        """Where its figures are, once it is finished."""
        return self.folder / "cells" / f"{self.name}.json"

    def runs(self) -> dict[str, tuple[TrainConfig, dict[Way, Way]]]:
        """Each run's folder name, config, and for the table's ways the run's own."""
        row, data = ROWS[self.row], data_folder(self.folder, self.world)
        if row.leads == "both":
            return {"both": (self._config(data / "labels", data / "photos"), {"A2B": "A2B", "B2A": "B2A"})}
        if row.leads == "directed":
            labels, pairs = data / "labels", data / "pairs"
            return {way: (self._config(labels, pairs, direction=way), {way: way}) for way in WAYS}
        return {
            "A2B": (self._config(data / "labels", data / "photos"), {"A2B": "A2B"}),
            "B2A": (self._config(data / "photos", data / "labels"), {"B2A": "A2B"}),
        }

    def _config(self, a: Path, b: Path, **more: Any) -> TrainConfig:
        row = ROWS[self.row]
        given = {"a": a, "b": b, **FIXED, "seed": self.seed, **(row.own or {}), **row.options, **more}
        config = build_config(given, stored={} if row.own else dict(BUDGET.settings))
        return config if row.own else config.replace(net=BUDGET.net, discriminator=BUDGET.discriminator)


def data_folder(folder: Path, world: int) -> Path:
    return folder / f"world-{world}"


def write_world(folder: Path, world: int) -> None:
    """The folders that are trained on, once: labels, photos of other scenes, and photos of the labels' scenes."""
    root = data_folder(folder, world)
    for name, numbers in (("labels", BUDGET.labels), ("pairs", BUDGET.labels), ("photos", BUDGET.photos)):
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(*numbers):
            path = root / name / f"{index:05}.png"
            if not path.is_file():
                shown = scene(world, index)
                with atomic_path(path) as temporary:
                    Image.fromarray(shown.labels if name == "labels" else shown.photo).save(temporary, "PNG")


def held_out(world: int) -> list[Scene]:
    """What is measured on; nothing learns from it."""
    return [scene(world, index) for index in range(*BUDGET.tested)]


def run_cell(cell: Cell) -> dict[str, Any]:
    """Train what is not trained yet, score it, keep the figures; in one thread, for the same bits every time."""
    torch.set_num_threads(1)
    write_world(cell.folder, cell.world)
    reader = segmenter(cell.folder / f"segmenter-{cell.world}.pt", cell.world)
    scenes = held_out(cell.world)
    inputs = {"A2B": [one.labels for one in scenes], "B2A": [one.photo for one in scenes]}
    began, counts, digests, made = time.process_time(), dict[Way, Counts](), {}, dict[Way, list[Bytes]]()
    for name, (config, ways) in cell.runs().items():
        run = cell.folder / "runs" / f"{cell.name}-{name}"
        ended = train(config, run, resume=RunFolder(run).exists(), context=RunContext(workers=1))
        if ended.interrupted:
            raise SystemExit(130)
        for way, own in ways.items():
            made[way] = translated(run, own, inputs[way])
            digests[way] = digest(run / "weights" / f"{own}.safetensors")
            counts[way] = score_photos(scenes, made[way], reader) if way == "A2B" else score_labels(scenes, made[way])
    show(cell.file.with_suffix(".png"), inputs, made)
    figures = {
        "row": cell.row, "seed": cell.seed, "seconds": time.process_time() - began, "weights": digests,
        "facts": dataclasses.asdict(hardware_facts(CPU, resolve_precision("auto", CPU))),
        "budget": budget_facts(), "counts": {way: counts[way].tolist() for way in WAYS},
    }  # fmt: skip
    write_text(cell.file, json.dumps(figures) + "\n")
    return figures


def budget_facts() -> dict[str, Any]:
    """The budget as JSON gives it back."""
    return dict(json.loads(json.dumps(dataclasses.asdict(BUDGET))))


def finished(cell: Cell) -> dict[str, Any] | None:
    """A finished cell's figures; SystemExit where they were made with another budget."""
    if not cell.file.is_file():
        return None
    figures = dict(json.loads(cell.file.read_text(encoding="utf-8")))
    if figures["budget"] != budget_facts():
        raise SystemExit(f"{cell.file} was made with another budget: choose another folder, or remove it")
    return figures


def scores(figures: Mapping[str, Any], way: Way) -> LabelScores:
    """A finished cell's scores of one way."""
    return label_scores(np.array(figures["counts"][way], np.int64))


def translated(run: Path, way: Way, pictures: Sequence[Bytes]) -> list[Bytes]:
    """Pictures through a run's weights, as `convert` would have them: in float32, then in 8 bits."""
    translator = load_translator(str(run), way, "cpu", "fp32")
    parts: list[Tensor] = [translator(part) for part in torch.split(to_signed(stack(list(pictures))), 20)]
    pixels = torch.cat(parts).add(1).mul(127.5).round().clamp(0, 255).byte()
    return list(pixels.permute(0, 2, 3, 1).numpy())


def show(path: Path, inputs: Mapping[str, Sequence[Bytes]], made: Mapping[Way, Sequence[Bytes]]) -> None:
    """Eight scenes: labels, the photograph made of them, the photograph, the labels made of it."""
    rows = [inputs["A2B"], made["A2B"], inputs["B2A"], made["B2A"]]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        Image.fromarray(np.vstack([np.hstack(row[:8]) for row in rows])).save(temporary, "PNG")
