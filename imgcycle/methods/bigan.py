"""BiGAN, equivalent to ALI: two generators, and one discriminator of pairs (input, output).

Donahue, Krähenbühl, Darrell: Adversarial Feature Learning (arXiv 1605.09782), eqs. 2 and 3; Dumoulin et al.:
Adversarially Learned Inference (arXiv 1606.00704); both ICLR 2017. The original maps noise to images and back;
CycleGAN's authors, as they compared it (section 5.1.1), map images to images:

    min over A2B, B2A, max over D of  log D(a, A2B(a)) + log(1 − D(B2A(b), b))

For the discriminator, pairs with a true a are real and those with a true b are fake; the generators want each taken for
the other (the inverted objective of the first paper, which avoids vanishing gradients). Nothing else enforces
similarity. Nets, GAN loss, pools and order of a step are CycleGAN's own, for comparability.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from imgcycle.config import TrainConfig
from imgcycle.errors import UsageError
from imgcycle.methods.adversarial import discriminator_loss, gan_loss, make_discriminator
from imgcycle.methods.base import Batch, Losses, Method, Phase, make_generator
from imgcycle.methods.pool import ImagePool
from imgcycle.nets.layers import device_of

DISCRIMINATOR = "discriminator_AB"
"""Name of the discriminator of pairs (a, b), concatenated in their channels."""


class GeneratorPhase(Phase):
    """Both generators at once; leaves the pairs in `fake["A2B"]` and `fake["B2A"]` for the discriminator."""

    name, trains = "generator", ("A2B", "B2A")

    def forward(self, batch: Batch) -> Losses:
        """Terms gan_A2B and gan_B2A."""
        config, discriminator = self.config, self.net(DISCRIMINATOR)
        onward = torch.cat([batch.a, self.net("A2B")(batch.a).float()], 1)
        back = torch.cat([self.net("B2A")(batch.b).float(), batch.b], 1)
        batch.fake = {"A2B": onward.detach(), "B2A": back.detach()}
        return {
            "gan_A2B": config.lambda_gan * gan_loss(config.gan, discriminator(self.augment(onward)), False),
            "gan_B2A": config.lambda_gan * gan_loss(config.gan, discriminator(self.augment(back)), True),
        }


class DiscriminatorPhase(Phase):
    """The discriminator separates the pairs of the two generators, some of them from the pool."""

    name, trains = "discriminator", (DISCRIMINATOR,)

    def __init__(self, config: TrainConfig, nets: dict[str, nn.Module], pools: dict[str, ImagePool]) -> None:
        super().__init__(config, nets)
        self.pools = pools

    def forward(self, batch: Batch) -> Losses:
        """The term discriminator_AB."""
        onward, back = (self.augment(self.pools[way].query(batch.fake[way])) for way in ("A2B", "B2A"))
        batched = self.config.discriminator.norm != "batch"
        return {DISCRIMINATOR: discriminator_loss(self.config.gan, self.net(DISCRIMINATOR), onward, back, batched)}


class BiGan(Method):
    """Two-way method without a cycle."""

    published_init = "normal"
    settings = frozenset({"pool"})

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        if not config.use_gan:
            raise UsageError("BiGAN without its GAN has no loss at all", "leave --no-gan out")
        self._nets: dict[str, nn.Module] = {way: make_generator(config) for way in self.directions}
        self._nets[DISCRIMINATOR] = make_discriminator(config, "normal", images=2)
        self._pools = {way: ImagePool(config.pool) for way in self.directions}

    def nets(self) -> dict[str, nn.Module]:
        """Nets A2B, B2A, discriminator_AB."""
        return dict(self._nets)

    def phases(self) -> list[Phase]:
        """Generators first, then the discriminator, as in CycleGAN."""
        return [GeneratorPhase(self.config, self._nets), DiscriminatorPhase(self.config, self._nets, self._pools)]

    def state(self) -> dict[str, Any]:
        return {"pools": {way: pool.state() for way, pool in self._pools.items()}}

    def state_bytes(self) -> int:
        return sum(pool.most_bytes(2 * self.config.net.channels, self.config.crop) for pool in self._pools.values())

    def load_state(self, state: dict[str, Any]) -> None:
        device = device_of(self._nets["A2B"])
        for way, pairs in cast(dict[str, list[Tensor]], state["pools"]).items():
            self._pools[way].load_state(pairs, device)
