"""Detection of common training failures, from the same few images at every probe.

These are failures that users report without recognising them: inverted colours, output equal to input, mode collapse,
fading colours, a discriminator that has won.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from imgcycle.metrics.content import luma, luma_correlation

PATIENCE = 3
"""Probes in a row that must agree before a finding is reported."""

BLACK_AND_WHITE = 1.0
"""Levels of chroma below which images count as colourless: none can fade."""


@dataclass(frozen=True)
class Probe:
    """Measurements on fixed images of one direction.

    `luma` is the correlation of input and output luminance; `change` their mean absolute difference in 8-bit levels;
    `variety` the differences between outputs, as a share of those between inputs; `colour` their distance from grey, as
    a share of that of the inputs or the target images, whichever is less.
    """

    luma: float
    change: float
    variety: float
    colour: float


def probe(source: Tensor, made: Tensor, wanted: Tensor) -> Probe:
    """Measure a batch (float NCHW in [-1, 1], at least two images) against its translation, and that against pictures
    of the other domain (any number, of any size).
    """
    source, made, wanted = source.float(), made.float(), wanted.float()
    change = (source - made).abs().mean() * 127.5
    variety = _spread(made) / _spread(source).clamp_min(1e-6)
    colour = (_chroma(made) + BLACK_AND_WHITE) / (min(_chroma(source), _chroma(wanted)) + BLACK_AND_WHITE)
    return Probe(float(luma_correlation(source, made).mean()), float(change), float(variety), colour)


def _chroma(images: Tensor) -> float:
    """Mean absolute distance of R, G and B from the luma, in 8-bit levels."""
    return float(((images + 1) * 127.5 - luma(images)).abs().mean())


def _spread(images: Tensor) -> Tensor:
    return (images - images.roll(1, 0)).abs().mean()


@dataclass
class Diagnosis:
    """Counts how often in a row each finding held, and reports it once until it passes."""

    counts: dict[str, int] = field(default_factory=dict)

    def look(self, probes: Mapping[str, Probe], losses: Mapping[str, float], gan: str) -> Iterator[tuple[str, str]]:
        """Yield (finding, advice) for findings that held for `PATIENCE` probes."""
        checks: list[tuple[str, bool, str, str]] = []
        for direction, p in probes.items():
            checks += [
                (
                    f"inverted {direction}",
                    p.luma < -0.2,
                    f"{direction} is inverting colours: dark turns light (luma correlation {p.luma:.2f})",
                    "it rarely recovers: start again with another --seed, or a larger --lambda-identity",
                ),
                (
                    f"identity {direction}",
                    p.change < 1.0,
                    f"{direction} gives its input back (mean change {p.change:.1f} of 255 levels)",
                    "lower what holds it there (--lambda-identity, --lambda-cycle, --lambda-nce), or check that the "
                    "two folders differ in look",
                ),
                (
                    f"collapse {direction}",
                    p.variety < 0.15,
                    f"{direction} gives nearly the same picture for every input (variety {p.variety:.2f})",
                    "stop; lower --lr, or use more varied images",
                ),
                (
                    f"drained {direction}",
                    p.colour < 0.5,
                    f"{direction} is losing its colours ({100 * p.colour:.0f} % of those in the duller folder)",
                    "where it goes on, start again from earlier weights with a lower --lr, not --lr-discriminator",
                ),
            ]
        for name, value in losses.items():
            if name.startswith("discriminator") and gan in ("lsgan", "vanilla"):
                checks.append(
                    (
                        f"won {name}",
                        value < 0.01,
                        f"{name} tells real from made without error (loss {value:.4f}): nothing is left to learn from",
                        "lower --lr-discriminator, use a narrower or shallower --discriminator, or more images",
                    )
                )
        for key, holds, finding, advice in checks:
            self.counts[key] = self.counts.get(key, 0) + 1 if holds else 0
            if self.counts[key] == PATIENCE:
                yield finding, advice
