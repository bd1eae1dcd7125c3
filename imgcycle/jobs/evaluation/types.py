"""Data types of an evaluation: events while it runs, one report of plain data at the end."""

from __future__ import annotations

from dataclasses import dataclass

from imgcycle.config import JsonConfig
from imgcycle.jobs.events import Note


@dataclass(frozen=True)
class Distance(JsonConfig):
    """Distance of a set of images from the reference, on one kind of features.

    `kid` is × 1000, with the middle 90 % of a bootstrap over both sets; `ratio` is to the unconverted inputs, resampled
    alike, None if these are indistinguishable from the reference. `frechet` is FID on Inception-v3 only.
    """

    kid: float
    kid_low: float
    kid_high: float
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    frechet: float
    inception_score: float | None = None


@dataclass(frozen=True)
class ContentScores(JsonConfig):
    """Content preservation over all images: see `metrics/content.py`; `above` are shares of the images."""

    edges: float
    edges_p10: float
    structure: float
    luma: float
    luma_least: float
    luma_above_06: float
    luma_above_03: float


@dataclass(frozen=True)
class SetRow(JsonConfig):
    """One set of images with all figures; `strength` if it is a blend of inputs and outputs."""

    name: str
    pictures: int
    strength: float | None
    distances: dict[str, Distance]
    kept: ContentScores | None


@dataclass(frozen=True)
class Cycle(JsonConfig):
    """Mean and 10th percentile of the PSNR in dB of the round trip, and the mean of the outputs themselves."""

    psnr: float
    psnr_p10: float
    psnr_outputs: float


@dataclass(frozen=True)
class Report(JsonConfig):
    """Results of an evaluation; `nets` are the SHA-256 of the feature nets, `protocol` lines of text."""

    rows: tuple[SetRow, ...]
    cycle: Cycle | None
    pictures: int
    reference: int
    left_out: int
    nets: dict[str, str]
    protocol: tuple[str, ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 if every image was measured, 1 if some were left out."""
        return 1 if self.left_out else 0


@dataclass(frozen=True)
class LabelReport(JsonConfig):
    """Scores of label images, and those of predicting the commonest class everywhere; `classes` in palette order."""

    pictures: int
    left_out: int
    per_pixel: float
    per_class: float
    class_iou: float
    commonest: str
    commonest_per_pixel: float
    commonest_per_class: float
    commonest_class_iou: float
    classes: tuple[str, ...]
    accuracies: tuple[float | None, ...]
    ious: tuple[float | None, ...]
    protocol: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 if every image was scored, 1 if some were left out."""
        return 1 if self.left_out else 0


@dataclass(frozen=True)
class FlickerRow(JsonConfig):
    """One sequence: its warping error in squares of [0, 1] (None without two frames of a scene), its sharpness in
    8-bit levels.
    """

    name: str
    frames: int
    e_warp: float | None
    sharpness: float


@dataclass(frozen=True)
class FlickerReport(JsonConfig):
    """Flicker of a clip, of its source (the lower bound), and of a blurred version."""

    rows: tuple[FlickerRow, ...]
    frames: int
    protocol: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """Always 0: a clip that cannot be measured raises an error."""
        return 0


@dataclass(frozen=True)
class Measured:
    """Progress: number of images or frames measured, and the total."""

    done: int
    """Pictures or frames."""
    total: int


@dataclass(frozen=True)
class LeftOut:
    """An image left out of all figures, and the reason, in one line."""

    path: str
    reason: str
    """Why, on one line."""


@dataclass(frozen=True)
class Evaluated:
    """The end."""

    report: Report | LabelReport | FlickerReport


EvaluationEvent = Measured | LeftOut | Note | Evaluated
