"""CoGAN: two GANs on one latent code; generators share the layers near it, discriminators those far from pixels.

Liu, Tuzel: Coupled Generative Adversarial Networks, NIPS 2016 (arXiv 1606.07536). Objective (section 3), with codes z
uniform in [-1, 1]¹⁰⁰:

    min over g_A, g_B, max over D_A, D_B of  E[log D_A(a)] + E[log(1 − D_A(g_A(z)))]
                                           + E[log D_B(b)] + E[log(1 − D_B(g_B(z)))]

with shared weights: these alone make g_A(z) and g_B(z) show the same. An image is not an input, so translating means
finding its code (`nets.cogan`). CycleGAN's authors compare with the published one; its nets cannot be theirs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from imgcycle.config import TrainConfig
from imgcycle.errors import UsageError
from imgcycle.methods.adversarial import discriminator_loss, gan_loss, make_discriminator
from imgcycle.methods.base import Batch, Losses, Method, Phase, make_generator
from imgcycle.nets.cogan import LATENT, SMALLEST, CoganGenerator, couple
from imgcycle.nets.discriminators import PlainDiscriminator

LOOKING_STEPS = 20
"""Steps of the search for samples during training: a fifth of what `convert` takes."""
_SIDES = tuple(SMALLEST * 2**n for n in range(2, 8))


def codes_like(images: Tensor) -> Tensor:
    """A random code for each image of a batch, uniform in [-1, 1]: (N, 100)."""
    return 2 * torch.rand(len(images), LATENT, device=images.device) - 1


class DiscriminatorPhase(Phase):
    """Both discriminators first, against fresh images from the same codes; no pool."""

    name, trains = "discriminator", ("discriminator_A", "discriminator_B")

    def forward(self, batch: Batch) -> Losses:
        """Terms discriminator_A and discriminator_B."""
        config, losses = self.config, Losses()
        with torch.no_grad():
            fake_a, fake_b = cast(CoganGenerator, self.net("A2B")).draw(codes_like(batch.a))
        for domain, real, fake in (("A", batch.a, fake_a), ("B", batch.b, fake_b)):
            discriminator, shown = self.net(f"discriminator_{domain}"), (self.augment(real), self.augment(fake))
            # Discriminators and generators optimise the same loss, whole: CycleGAN alone halves its discriminators'
            # loss.
            losses[f"discriminator_{domain}"] = (
                2 * config.lambda_gan * discriminator_loss(config.gan, discriminator, *shown, True)
            )
        return losses


class GeneratorPhase(Phase):
    """Both generators, the two halves of one net."""

    # B2A consists of the layers of A2B; it is registered so that they count as updated.
    name, trains = "generator", ("A2B", "B2A")

    def forward(self, batch: Batch) -> Losses:
        """Terms gan_A and gan_B."""
        config = self.config
        drawn = map(self.augment, cast(CoganGenerator, self.net("A2B")).draw(codes_like(batch.a)))
        logits = {domain: self.net(f"discriminator_{domain}")(fake) for domain, fake in zip("AB", drawn, strict=True)}
        return {f"gan_{d}": config.lambda_gan * gan_loss(config.gan, found, True) for d, found in logits.items()}


class Cogan(Method):
    """Two-way method that translates by latent optimisation."""

    published_init = "normal"

    defaults: ClassVar[Mapping[str, Any]] = {
        "net": {"kind": "cogan", "width": 32, "norm": "batch"},
        "discriminator": {"kind": "plain", "width": 32},
        "size": 143,
        "crop": 128,
        "batch": 64,
        "gan": "vanilla",
        "pool": 0,
        "weight_decay": 5e-4,
        "schedule": "constant",
    }

    @classmethod
    def sized(cls, crop: int) -> Mapping[str, Any]:
        """A generator whose output is as large as the crops, and discriminators that reduce it to 2×2."""
        if crop not in _SIDES:
            nearest = min(_SIDES, key=lambda side: abs(math.log(side / crop)))
            sides = ", ".join(map(str, _SIDES))
            raise UsageError(f"CoGAN draws squares of {sides} pixels, not of {crop}", f"--crop {nearest}")
        doublings = _SIDES.index(crop) + 2
        return {
            "net": {**cls.defaults["net"], "depth": doublings},
            "discriminator": {**cls.defaults["discriminator"], "layers": doublings + 1},
        }

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        if config.net.kind != "cogan" or config.discriminator.kind != "plain":
            raise UsageError(
                "CoGAN has a generator and discriminators of its own", "leave --net and --discriminator out"
            )
        if not config.use_gan:
            raise UsageError("CoGAN without its GANs has no loss at all", "leave --no-gan out")
        into_b, into_a = (cast(CoganGenerator, make_generator(config)) for _ in range(2))
        if into_b.fixed_output_side != config.crop:
            raise UsageError(
                f"a CoGAN of side {into_b.fixed_output_side} and a crop of {config.crop}", "they must be equal"
            )
        into_a.share(into_b)
        discriminators = [cast(PlainDiscriminator, make_discriminator(config, "normal")) for _ in range(2)]
        couple(*discriminators)
        for net in (into_b, into_a):
            net.fit_steps = LOOKING_STEPS
        self._nets: dict[str, nn.Module] = {"A2B": into_b, "B2A": into_a}
        self._nets |= dict(zip(("discriminator_A", "discriminator_B"), discriminators, strict=True))

    def nets(self) -> dict[str, nn.Module]:
        """Nets A2B and B2A, which are the same net in either direction, discriminator_A and discriminator_B."""
        return dict(self._nets)

    def phases(self) -> list[Phase]:
        """Discriminators first, then the generators, as in the published code."""
        return [DiscriminatorPhase(self.config, self._nets), GeneratorPhase(self.config, self._nets)]
