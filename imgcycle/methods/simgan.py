"""SimGAN: one-way translation with self-regularisation on pixels; and its variant on deep features.

Shrivastava et al.: Learning from Simulated and Unsupervised Images through Adversarial Training, CVPR 2017 (arXiv
1612.07828). Objective, eqs. 1 and 4, with a discriminator of patches that sees a history of fakes (sections 2.2, 2.3):

    L = λ_GAN·GAN(A2B, D_B) + λ_self·‖ψ(A2B(a)) − ψ(a)‖₁

ψ is the identity, or for "feature loss + GAN" relu4_2 of a VGG. Here as CycleGAN's authors compared it (section 5.1.1):
nets, GAN loss, pool and order of a step are CycleGAN's own. They give no λ_self; 10 is their λ of the cycle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.config import TrainConfig
from imgcycle.errors import UsageError
from imgcycle.methods.adversarial import discriminator_loss, gan_loss, make_discriminator
from imgcycle.methods.base import Batch, Losses, Method, Phase, make_generator
from imgcycle.methods.perceptual import FeatureLoss
from imgcycle.methods.pool import ImagePool
from imgcycle.nets.layers import device_of

Distance = Callable[[Tensor, Tensor], Tensor]
"""Distance of a generated image from its source: float32 NCHW in [-1, 1] each, a float32 scalar."""


class GeneratorPhase(Phase):
    """The generator: adversarial loss and self-regularisation; leaves `fake["B"]` for the other phase."""

    name, trains = "generator", ("A2B",)

    def __init__(self, config: TrainConfig, nets: dict[str, nn.Module], distance: Distance) -> None:
        super().__init__(config, nets)
        self.distance = distance

    def forward(self, batch: Batch) -> Losses:
        """Terms gan_A2B and self_A, the latter if it has a weight."""
        config = self.config
        fake = self.net("A2B")(batch.a).float()
        batch.fake["B"] = fake.detach()
        logits = self.net("discriminator_B")(self.augment(fake))
        losses = {"gan_A2B": config.lambda_gan * gan_loss(config.gan, logits, True)}
        if config.lambda_self:
            losses["self_A"] = config.lambda_self * self.distance(fake, batch.a)
        return losses


class DiscriminatorPhase(Phase):
    """The discriminator: real images of B against generated ones, some of them from the pool."""

    name, trains = "discriminator", ("discriminator_B",)

    def __init__(self, config: TrainConfig, nets: dict[str, nn.Module], pool: ImagePool) -> None:
        super().__init__(config, nets)
        self.pool = pool

    def forward(self, batch: Batch) -> Losses:
        """The term discriminator_B."""
        real, fake = self.augment(batch.b), self.augment(self.pool.query(batch.fake["B"]))
        batched = self.config.discriminator.norm != "batch"
        return {
            "discriminator_B": discriminator_loss(self.config.gan, self.net("discriminator_B"), real, fake, batched)
        }


class SimGan(Method):
    """One-way method, A→B."""

    directions = ("A2B",)
    published_init = "normal"
    settings = frozenset({"lambda_self", "feature_loss", "pool"})

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        if not config.use_gan:
            raise UsageError("SimGAN without its GAN would learn to change nothing", "leave --no-gan out")
        self._nets: dict[str, nn.Module] = {
            "A2B": make_generator(config),
            "discriminator_B": make_discriminator(config, "normal"),
        }
        self._distance: Distance = FeatureLoss() if config.feature_loss else F.l1_loss
        self._pool = ImagePool(config.pool)

    def nets(self) -> dict[str, nn.Module]:
        """Nets A2B and discriminator_B."""
        return dict(self._nets)

    def phases(self) -> list[Phase]:
        """Generator first, then the discriminator, as in CycleGAN."""
        config, nets = self.config, self._nets
        return [GeneratorPhase(config, nets, self._distance), DiscriminatorPhase(config, nets, self._pool)]

    def state(self) -> dict[str, Any]:
        return {"pool": self._pool.state()}

    def state_bytes(self) -> int:
        return self._pool.most_bytes(self.config.net.channels, self.config.crop)

    def load_state(self, state: dict[str, Any]) -> None:
        self._pool.load_state(state["pool"], device_of(self._nets["A2B"]))
