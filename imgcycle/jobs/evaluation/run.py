"""Evaluation of a folder of results: distances to a reference, and content preservation.

Every figure of the results is accompanied by those of baselines without learning (the inputs themselves, colour
transfer, an oil filter, a double exposure), and of blends between inputs and results.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imgcycle.config import EvaluateRequest
from imgcycle.data.batches import stack, to_signed
from imgcycle.data.folders import Pixels, read_scaled
from imgcycle.data.sampling import evenly_spaced, random_generator
from imgcycle.device import resolve_device
from imgcycle.errors import InputError, UsageError
from imgcycle.jobs.evaluation.samples import READING, LoadedSample, find_samples, look_at, pictures, read_ahead, square
from imgcycle.jobs.evaluation.types import (
    ContentScores,
    Cycle,
    Distance,
    Evaluated,
    EvaluationEvent,
    LeftOut,
    Measured,
    Report,
    SetRow,
)
from imgcycle.jobs.events import Note
from imgcycle.media.paths import shown
from imgcycle.metrics import baselines, content
from imgcycle.metrics.features import FeatureNet
from imgcycle.metrics.frechet import frechet_distance
from imgcycle.metrics.inception import PUBLISHED, InceptionNet, inception_score
from imgcycle.metrics.kid import DRAWS, WeightedRows, interval, kernel_distances

UNCONVERTED, OUTPUTS, REFERENCE, HALVES = "unconverted", "outputs", "reference", "reference, halves"
BASELINES = ("colour transfer", "oil paint", "double exposure")
WAY = {"strength 0.25": 0.25, "strength 0.5": 0.5, "strength 0.75": 0.75}
"""Blends from the inputs (0) to the outputs (1) that are measured."""

Net = FeatureNet | InceptionNet


def evaluate(request: EvaluateRequest) -> Iterator[EvaluationEvent]:
    """Measure what the request asks for; the last event is `Evaluated`.

    Only features are kept in memory. UsageError if a folder has fewer than two usable images, or names do not match;
    MissingExtra without VGG19's weights, WeightsError for a file that is not Inception's. Same files, options, seed,
    torch build and CPU: same figures.
    """
    begun = time.perf_counter()
    device = resolve_device(request.device)
    samples, left_out = find_samples(request)
    targets = evenly_spaced([source.path for source in pictures(request.reference)], request.sample)
    nets: list[Net] = [FeatureNet(device)]
    if request.inception is not None:
        nets.append(InceptionNet(Path(request.inception), device))
    yield from left_out
    if request.inputs is None:
        yield Note("--inputs (what the outputs were made from) adds baselines, and what was kept of the scene")

    seen = Seen(nets)
    names = [UNCONVERTED, *BASELINES, *WAY, OUTPUTS] if request.inputs is not None else [OUTPUTS]
    done, total = 0, len(targets) + len(samples) * len(names)
    readable: list[Path] = []
    for path, pixels in read_ahead(lambda p: square(read_scaled(p, request.side), request.side), targets, request.jobs):
        done += 1
        if isinstance(pixels, InputError):
            left_out.append(LeftOut(str(path), str(pixels)))
            yield left_out[-1]
        else:
            readable.append(path)
            seen.look([REFERENCE], [pixels])
        yield Measured(done, total)
    _enough(len(readable), request.reference)

    drawn = random_generator(request.seed, "double exposure").integers(len(readable), size=len(samples))
    partners = dict(zip(samples, (readable[n] for n in drawn), strict=True))
    for subject, look in read_ahead(lambda s: look_at(s, partners[s], request.side), samples, request.jobs):
        done += len(names)
        if isinstance(look, InputError):
            left_out.append(LeftOut(str(subject.output), str(look)))
            yield left_out[-1]
        else:
            seen.measure(names, look)
        yield Measured(done, total)
    count = seen.count(OUTPUTS)
    _enough(count, request.outputs)
    yield Evaluated(
        Report(
            rows=tuple(seen.rows(names, request.seed)),
            cycle=seen.cycle(),
            pictures=count,
            reference=len(readable),
            left_out=len(left_out),
            nets={net.name: net.digest for net in nets},
            protocol=tuple(_protocol(request, nets)),
            seconds=round(time.perf_counter() - begun, 2),
        )
    )


def _enough(count: int, where: str) -> None:
    if count < 2:
        raise UsageError(f"fewer than two pictures of {shown(where)} can be measured", "a set has at least two")


class Seen:
    """What was seen so far, by set: features on each net, logits for the inception score, what was kept."""

    def __init__(self, nets: Sequence[Net]) -> None:
        self.nets = nets
        self._features: defaultdict[tuple[str, str], list[Tensor]] = defaultdict(list)
        self._logits: defaultdict[str, list[Tensor]] = defaultdict(list)
        self._kept: defaultdict[str, list[Tensor]] = defaultdict(list)
        self._cycle: list[Tensor] = []

    def count(self, name: str) -> int:
        """Pictures seen of a set."""
        return len(self._features[self.nets[0].name, name])

    def look(self, names: Sequence[str], squares: Sequence[Pixels]) -> Tensor:
        """Put one picture of each named set through the nets; the batch they made, float NCHW in [-1, 1]."""
        batch = to_signed(stack(list(squares)))
        for net in self.nets:
            if isinstance(net, InceptionNet):
                features, logits = net.both(batch)
                for name, row in zip(names, logits, strict=True):
                    self._logits[name].append(row)
            else:
                features = net.features([batch])
            for name, row in zip(names, features, strict=True):
                self._features[net.name, name].append(row)
        return batch

    def measure(self, names: Sequence[str], look: LoadedSample) -> None:
        """Measure one subject and all variants of it."""
        if look.input is None:
            self.look(names, [look.output])
        else:
            batch = self.look(names, list(_variants(look)))
            source = batch[:1].expand_as(batch)
            measures = (content.edge_agreement, content.structure_similarity, content.luma_correlation)
            figures = torch.stack([measure(source, batch) for measure in measures], 1)
            for name, row in zip(names, figures, strict=True):
                self._kept[name].append(row)
        if look.back is not None and look.input is not None:
            source, made, back = (to_signed(stack([p])) for p in (look.input, look.output, look.back))
            self._cycle.append(torch.cat([content.psnr(source, back), content.psnr(source, made)]))

    def rows(self, names: Sequence[str], seed: int) -> Iterator[SetRow]:
        """Yield every set's figures, in order, and last those of one half of the reference against the other."""
        scales = {net.name: _Scale(self._set(net, REFERENCE), self._base(net, names), seed) for net in self.nets}
        for name in names:
            distances = {
                net.name: scales[net.name].distance(self._set(net, name), self._score(net, name)) for net in self.nets
            }
            strength = {UNCONVERTED: 0.0, OUTPUTS: 1.0, **WAY}.get(name) if UNCONVERTED in names else None
            yield SetRow(name, self.count(name), strength, distances, _kept(self._kept[name]))
        if self.count(REFERENCE) >= 4:
            order = random_generator(seed, "halves").permutation(self.count(REFERENCE))
            halves = {net.name: scales[net.name].halves(order) for net in self.nets}
            yield SetRow(HALVES, len(order) // 2, None, halves, None)

    def cycle(self) -> Cycle | None:
        """PSNR of the round trip; None without a way back."""
        if not self._cycle:
            return None
        back, outputs = torch.stack(self._cycle).double().T
        return Cycle(float(back.mean()), float(back.quantile(0.1)), float(outputs.mean()))

    def _set(self, net: Net, name: str) -> Tensor:
        return torch.stack(self._features[net.name, name])

    def _base(self, net: Net, names: Sequence[str]) -> Tensor | None:
        return self._set(net, UNCONVERTED) if UNCONVERTED in names else None

    def _score(self, net: Net, name: str) -> float | None:
        return inception_score(torch.stack(self._logits[name])) if isinstance(net, InceptionNet) else None


def _variants(look: LoadedSample) -> Iterator[Pixels]:
    """Yield all images to measure for one subject, in the order of the set names."""
    assert look.input is not None
    assert look.partner is not None
    yield look.input
    yield baselines.colour_transfer(look.input, look.partner)
    yield baselines.oil_paint(look.input)
    yield baselines.blend(look.input, look.partner, 0.5)
    for strength in WAY.values():
        yield baselines.blend(look.input, look.output, strength)
    yield look.output


class _Scale:
    """Distances to a reference, and their ratio to that of the unconverted inputs."""

    def __init__(self, reference: Tensor, base: Tensor | None, seed: int) -> None:
        self.seed = seed
        self.reference = WeightedRows.resampled(reference, seed, 1)
        self._base = None if base is None else kernel_distances(self._resampled(base), self.reference)

    def distance(self, features: Tensor, score: float | None) -> Distance:
        """Distance of a set of images, in the inputs' order."""
        drawn = kernel_distances(self._resampled(features), self.reference)
        return self._said(drawn, frechet_distance(features, self.reference.features), score)

    def halves(self, order: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Distance:
        """Distance between the two halves of the reference: the figure of a perfect conversion."""
        first, second = (self.reference.features[part] for part in np.array_split(order, 2))
        drawn = kernel_distances(self._resampled(first), WeightedRows.resampled(second, self.seed, 1))
        return self._said(drawn, frechet_distance(first, second), None)

    def _resampled(self, features: Tensor) -> WeightedRows:
        return WeightedRows.resampled(features, self.seed, 0)

    def _said(self, drawn: Tensor, frechet: float, score: float | None) -> Distance:
        low, high = interval(1000 * drawn)
        found = Distance(1000 * float(drawn[0]), low, high, None, None, None, frechet, score)
        # If inputs are indistinguishable from the reference, a ratio to them is meaningless.
        if self._base is None or interval(self._base)[0] <= 0:
            return found
        ratios = drawn / self._base
        least, most = interval(ratios)
        return found.replace(ratio=float(ratios[0]), ratio_low=least, ratio_high=most)


def _kept(figures: Sequence[Tensor]) -> ContentScores | None:
    if not figures:
        return None
    edges, structure, luma = torch.stack(list(figures)).double().T
    above = [float((luma > least).double().mean()) for least in (0.6, 0.3)]
    p10 = float(edges.quantile(0.1))
    return ContentScores(
        float(edges.mean()), p10, float(structure.mean()), float(luma.mean()), float(luma.min()), *above
    )


def _protocol(request: EvaluateRequest, nets: Sequence[Net]) -> Iterator[str]:
    """Yield lines with everything needed to repeat the figures."""
    yield f"pictures: {READING.format(request.side)}"
    for net in nets:
        how, known = "spatial means / 50", ""
        if isinstance(net, InceptionNet):
            how = "299×299 bilinear without antialiasing, logits without bias, IS over 10 parts"
            known = ", the published file" if net.digest.startswith(PUBLISHED) else ", not the published file"
        yield f"{net.name}: {how}, float32, weights {net.digest[:16]}{known}"
    yield f"KID: unbiased, kernel (x·y/d + 1)³; 90 % intervals from {DRAWS} bootstrap draws, seed {request.seed}"
    yield "Fréchet distances grow as pictures get fewer: compare them at equal counts only"
    if request.inputs is not None:
        yield "edges: cosine of signed luma gradients, σ = 3 px at 256², over each picture's strongest fifth"
        yield "colour transfer, double exposure (half and half): with a random picture of the reference each"
        yield "strength: inputs and outputs blended, as --strength does"
    yield f"torch {torch.__version__}"
