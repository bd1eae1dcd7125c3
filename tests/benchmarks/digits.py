"""UNIT's domain adaptation in small: python -m tests.benchmarks.digits

Labels are known for digits drawn in seven fonts, dark ink on bright paper of any colour, and wanted for real
handwriting, white on black (scikit-learn's `load_digits`, from the UCI repository: 1,297 pictures without labels to
adapt to, 500 others to measure on). As in the paper's section on adaptation, UNIT learns to translate between the
two; its discriminators share all layers but the first; a classifier on the features of the fonts' discriminator learns
the fonts' labels; features of a picture and of its translation are held together. Two ways to read handwriting then:

discriminator  the classifier on the features of handwriting's discriminator, the paper's way
translated     the classifier on the fonts' discriminator, of handwriting translated into a font

Without adaptation there is one: the fonts' discriminator. Whoever knows what differs can reverse the fonts' colours
half of the time; that is a row as well. Printed: accuracy on the 500, mean ± standard deviation over seeds; one
learning rate and one set of weights for all rows, chosen with seeds 0 and 100. Nothing is downloaded, one core is
enough.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits
from torch import Tensor, nn

from imgcycle.cli.commands.train_config import build_config
from imgcycle.config import DiscriminatorConfig, TrainConfig
from imgcycle.data.sampling import random_generator
from imgcycle.methods.adversarial import gan_loss, make_discriminator
from imgcycle.methods.base import Batch, Losses, Method, Phase
from imgcycle.methods.unit import DiscriminatorPhase, Unit, noisy
from imgcycle.nets.discriminators import PlainDiscriminator
from imgcycle.nets.layers import initialise
from imgcycle.nets.vae import LatentGenerator

Plane = np.ndarray[Any, np.dtype[np.float32]]
SIDE, BATCH, HELD_OUT, FONTS = 16, 32, 500, 2000
WIDTH, LATENT, DISCRIMINATOR = 16, 64, 16
LIKENESS = 10.0
WEIGHTS: dict[str, Any] = {
    "lambda_gan": 3.0, "lambda_reconstruction": 10.0, "lambda_cycle": 10.0, "lambda_kl": 0.01, "shared_blocks": 2,
    "lr": 1e-3,
}  # fmt: skip
HERSHEY = [
    cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
]  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """A row of the table: with what of the rest, which discriminators, which fields of the config changed."""

    adapts: bool = True
    reverses: bool = False
    discriminator_layers: int = 4
    changes: Mapping[str, Any] = field(default_factory=dict)


SETTINGS = {
    "no adaptation": Setting(adapts=False),
    "no adaptation, colours reversed": Setting(adapts=False, reverses=True),
    "UNIT": Setting(),
    "UNIT, generators share nothing": Setting(changes={"shared_blocks": 0}),
    "UNIT, no cycle": Setting(changes={"cycle": "none"}),
    "UNIT, 3-layer discriminators": Setting(discriminator_layers=3),
}


@dataclass(frozen=True)
class Digits:
    """Pictures, float32 NCHW RGB in [-1, 1], and what they show."""

    images: Tensor
    labels: Tensor

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """A batch, drawn uniformly."""
        chosen = torch.from_numpy(rng.integers(len(self.images), size=BATCH))
        return self.images[chosen].contiguous(memory_format=torch.channels_last), self.labels[chosen]


def handwriting() -> tuple[Digits, Digits]:
    """Real digits: to adapt to (without their labels), and to measure on."""
    found = load_digits()
    grey = torch.from_numpy(found.images).float()[:, None] / 8 - 1
    images = F.interpolate(grey, (SIDE, SIDE), mode="bilinear").expand(-1, 3, -1, -1).contiguous()
    labels = torch.from_numpy(found.target).long()
    return Digits(images[:-HELD_OUT], labels[:-HELD_OUT]), Digits(images[-HELD_OUT:], labels[-HELD_OUT:])


def fonts(seed: int) -> Digits:
    """Digits of changing weight, size, slant and place, in changing colours."""
    rng = random_generator(seed, "fonts")
    labels = rng.integers(10, size=FONTS)
    images = np.stack([coloured(glyph(int(digit), rng), rng) for digit in labels])
    return Digits(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels).long())


def glyph(digit: int, rng: np.random.Generator) -> Plane:
    """One digit's coverage, 0..1: drawn large, then turned, slanted and scaled down."""
    page = drawn(digit, int(rng.integers(len(HERSHEY) + 1)), int(rng.integers(5, 11)), bool(rng.random() < 0.3))
    ys, xs = np.nonzero(page > 127)
    centre = np.array([(xs.min() + xs.max()) / 2, (ys.min() + ys.max()) / 2])
    scale = SIDE * rng.uniform(0.8, 1.0) / (ys.max() - ys.min() + 1)
    turn, slant, wide = np.deg2rad(rng.normal(0, 6)), rng.normal(0, 0.12), rng.uniform(0.8, 1.2)
    bend = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.array([[wide, slant], [0, 1]])
    bend *= scale
    middle = SIDE / 2 - 0.5 + rng.normal(0, 0.4, 2)
    # Averaged first: the way down to a fifth would alias.
    soft = cv2.GaussianBlur(page, (0, 0), 0.4 / scale)
    small = cv2.warpAffine(soft, np.hstack([bend, (middle - bend @ centre)[:, None]]), (SIDE, SIDE))
    return cast(Plane, small.astype(np.float32) / 255)


def drawn(digit: int, font: int, weight: int, italic: bool) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A digit in the middle of a large page: in one of OpenCV's fonts, or in Pillow's own."""
    page, side = np.zeros((96, 96), np.uint8), 96
    if font == len(HERSHEY):
        picture = Image.fromarray(page)
        face = ImageFont.load_default(76)
        middle = (side / 2, side / 2)
        ImageDraw.Draw(picture).text(middle, str(digit), 255, face, anchor="mm", stroke_width=weight // 4)
        return np.array(picture)
    hershey = HERSHEY[font] | (cv2.FONT_ITALIC if italic else 0)
    (width, height), _ = cv2.getTextSize(str(digit), hershey, 2.4, weight)
    at = ((side - width) // 2, (side + height) // 2)
    cv2.putText(page, str(digit), at, hershey, 2.4, 255, weight, cv2.LINE_AA)
    return page


def coloured(cover: Plane, rng: np.random.Generator) -> Plane:
    """Dark ink on bright paper, HWC in [-1, 1]."""
    ink, paper = rng.uniform(-1.0, -0.2, 3), rng.uniform(0.2, 1.0, 3)
    return cast(Plane, (paper + cover[:, :, None] * (ink - paper)).astype(np.float32))


class DigitsGenerator(LatentGenerator):
    """The paper's generator for digits, narrowed: three convolutions into a latent of one pixel, three out of it."""

    def __init__(self) -> None:
        super().__init__()
        w = WIDTH
        into = [nn.Conv2d(3, w, 4, 2, 1), nn.Conv2d(w, 2 * w, 4, 2, 1), nn.Conv2d(2 * w, LATENT, 4)]
        wide = nn.ConvTranspose2d(LATENT, 2 * w, 4)
        out = [wide, nn.ConvTranspose2d(2 * w, w, 4, 2, 1), nn.ConvTranspose2d(w, 3, 4, 2, 1)]
        self.encoder, self.decoder = nn.ModuleList(into), nn.ModuleList(out)
        initialise(self, "kaiming")

    def to_latent(self, x: Tensor) -> Tensor:
        return self._run(self.encoder, x)

    def from_latent(self, z: Tensor) -> Tensor:
        return torch.tanh(self._run(self.decoder, z))

    def _run(self, layers: nn.ModuleList, x: Tensor) -> Tensor:
        for n, layer in enumerate(layers):
            x = F.leaky_relu(layer(x), 0.2) if n < len(layers) - 1 else layer(x)
        return x


@dataclass
class LabelledBatch(Batch):
    """A batch whose images of A have labels, (N,) whole numbers."""

    labels: Tensor = field(kw_only=True)


class AdaptingDiscriminators(DiscriminatorPhase):
    """The discriminators' phase, with the fonts' labels, and a picture's and its translation's features alike."""

    def __init__(self, config: TrainConfig, nets: dict[str, nn.Module], classifier: nn.Module) -> None:
        super().__init__(config, nets)
        self.nets["classifier"] = classifier
        self.updates = (*self.updates, "classifier")

    def forward(self, batch: Batch) -> Losses:
        """The discriminators' own terms as UNIT's phase has them, from features that are computed once for all."""
        config, losses, seen = self.config, Losses(), {}
        into_b, into_a = (cast(LatentGenerator, self.net(way)) for way in ("A2B", "B2A"))
        with torch.no_grad():
            fake = {
                "B": into_b.from_latent(noisy(into_b.to_latent(batch.a))),
                "A": into_a.from_latent(noisy(into_a.to_latent(batch.b))),
            }
        for domain, real in (("A", batch.a), ("B", batch.b)):
            discriminator = cast(PlainDiscriminator, self.net(f"discriminator_{domain}"))
            planes = discriminator.features(torch.cat([real, fake[domain]]))
            on_real, on_fake = discriminator.last(planes).chunk(2)
            both = gan_loss(config.gan, on_real, True) + gan_loss(config.gan, on_fake, False)
            losses[f"discriminator_{domain}"] = config.lambda_gan * both
            seen[domain] = planes.chunk(2)
        losses["labels"] = F.cross_entropy(self.net("classifier")(seen["A"][0]), cast(LabelledBatch, batch).labels)
        losses["likeness_A"] = LIKENESS * F.l1_loss(seen["B"][1], seen["A"][0])
        losses["likeness_B"] = LIKENESS * F.l1_loss(seen["A"][1], seen["B"][0])
        return losses


class LabelsAlone(Phase):
    """What is learnt without adaptation: the fonts' discriminator and the classifier, from labels alone."""

    name, trains = "labels", ("discriminator_A", "classifier")

    def __init__(self, method: AdaptingUnit, reverses: bool) -> None:
        super().__init__(method.config, {**method.nets(), "classifier": method.classifier})
        self.reverses = reverses

    def forward(self, batch: Batch) -> Losses:
        """The labels' one term; with `reverses` half of the pictures are negatives."""
        signs = torch.where(torch.rand(len(batch.a), 1, 1, 1) < 0.5, -1.0, 1.0) if self.reverses else 1.0
        planes = cast(PlainDiscriminator, self.net("discriminator_A")).features(signs * batch.a)
        return {"labels": F.cross_entropy(self.net("classifier")(planes), cast(LabelledBatch, batch).labels)}


class AdaptingUnit(Unit):
    """UNIT for digits: discriminators that share all layers but the first, and a classifier."""

    def __init__(self, config: TrainConfig) -> None:
        Method.__init__(self, config)
        into_b, into_a = DigitsGenerator(), DigitsGenerator()
        into_a.share(into_b, config.shared_blocks)
        first, second = (cast(PlainDiscriminator, make_discriminator(config, "kaiming")) for _ in "AB")
        for n in range(1, len(first.convs)):
            second.convs[n] = first.convs[n]
        second.last = first.last
        with torch.no_grad():
            count = first.features(torch.zeros(1, 3, SIDE, SIDE)).numel()
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(count, 10))
        self._nets = {"A2B": into_b, "B2A": into_a, "discriminator_A": first, "discriminator_B": second}
        self._perceptual = None
        for net in (*self._nets.values(), self.classifier):
            net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def phases(self) -> list[Phase]:
        """UNIT's generators after the discriminators that adapt."""
        return [AdaptingDiscriminators(self.config, self._nets, self.classifier), super().phases()[1]]

    def read(self, images: Tensor, domain: str) -> Tensor:
        """The labels that the classifier gives to pictures, seen by a domain's discriminator."""
        discriminator = cast(PlainDiscriminator, self._nets[f"discriminator_{domain}"])
        return cast(Tensor, self.classifier(discriminator.features(images)))


def batches(source: Digits, target: Digits, steps: int, seed: int) -> Iterator[Batch]:
    for step in range(steps):
        rng = random_generator(seed, "digits", step)
        a, labels = source.draw(rng)
        yield LabelledBatch(a, target.draw(rng)[0], labels=labels)


def learn(setting: Setting, seed: int, steps: int) -> AdaptingUnit:
    """Train one row of the table."""
    torch.manual_seed(seed)
    source, (target, _) = fonts(seed), handwriting()
    config = build_config({"a": Path("fonts"), "b": Path("handwriting"), "method": "unit", "crop": SIDE})
    discriminator = DiscriminatorConfig("plain", DISCRIMINATOR, setting.discriminator_layers)
    method = AdaptingUnit(config.replace(discriminator=discriminator, **{**WEIGHTS, **setting.changes}))
    phases = method.phases() if setting.adapts else [LabelsAlone(method, setting.reverses)]
    betas = (method.config.beta1, method.config.beta2)
    optimizers = [
        torch.optim.Adam(phase.parameters(), method.config.lr, betas, weight_decay=method.config.weight_decay)
        for phase in phases
    ]
    for batch in batches(source, target, steps, seed):
        for phase, optimizer in zip(phases, optimizers, strict=True):
            for other in phases:
                other.requires_grad_(other is phase)
            optimizer.zero_grad()
            torch.stack(list(phase(batch).values())).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return method


@torch.inference_mode()
def accuracies(method: AdaptingUnit, setting: Setting, digits: Digits) -> tuple[float, float]:
    """Of the two ways to read; without adaptation both are the fonts' discriminator on handwriting as it is."""
    into_a = cast(LatentGenerator, method.nets()["B2A"])
    x = digits.images
    found = (
        (method.read(x, "B"), method.read(into_a.from_latent(into_a.to_latent(x)), "A"))
        if setting.adapts
        else 2 * (method.read(x, "A"),)
    )
    own, translated = (float((logits.argmax(1) == digits.labels).float().mean()) for logits in found)
    return own, translated


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=800)
    given = parser.parse_args()
    torch.set_num_threads(1)
    _, test = handwriting()
    print(f"seeds {given.seeds}, {given.steps} steps of {BATCH}, torch {torch.__version__}", flush=True)
    print(f"{'accuracy, %':34}{'discriminator':>14}{'translated':>14}{'CPU s a run':>14}", flush=True)
    for name, setting in SETTINGS.items():
        began = time.process_time()
        found = np.array([accuracies(learn(setting, s, given.steps), setting, test) for s in given.seeds]) * 100
        spread = found.std(0, ddof=1) if len(found) > 1 else [float("nan")] * 2
        cells = [f"{mean:.1f} ± {sd:.1f}" for mean, sd in zip(found.mean(0), spread, strict=True)]
        seconds = (time.process_time() - began) / len(given.seeds)
        print(f"{name:34}{cells[0]:>14}{cells[1] if setting.adapts else '':>14}{seconds:14.0f}", flush=True)


if __name__ == "__main__":
    main()
