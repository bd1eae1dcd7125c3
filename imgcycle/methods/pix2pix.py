"""pix2pix: translation learnt from pairs, the upper bound for unpaired methods.

Isola, Zhu, Zhou, Efros: Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017 (arXiv 1611.07004).
Objective, eq. 4, with a discriminator that sees the input beside the output:

    λ_GAN·(log D(a, b) + log(1 − D(a, G(a)))) + λ_L1·‖G(a) − b‖₁,  λ_L1 = 100

and, ours and off, λ_VGG·‖φ(G(a)) − φ(b)‖₁ with φ = relu4_2 of VGG19 (methods/perceptual.py), λ_shift·(the shift term of
G on a) and λ_grid·(the grid term of G): what a small net needs that is to give another program's results in clips.

G's noise is dropout alone. It stays on at test time, and norms use each image's own statistics, as in a batch of one:
`NetConfig.test_time_stochastic`, with a fixed seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.config import TrainConfig
from imgcycle.errors import UsageError
from imgcycle.methods.adversarial import discriminator_loss, gan_loss, make_discriminator
from imgcycle.methods.base import Batch, Losses, Method, Phase, make_generator
from imgcycle.methods.equivariance import shift_loss
from imgcycle.methods.grid import grid_loss
from imgcycle.methods.perceptual import FeatureLoss


class DiscriminatorPhase(Phase):
    """The discriminator first: true pairs against inputs with fresh translations, no pool."""

    name = "discriminator"

    def __init__(self, config: TrainConfig, nets: dict[str, nn.Module]) -> None:
        super().__init__(config, nets, (_discriminator(config),))

    def forward(self, batch: Batch) -> Losses:
        """The discriminator's one term, under its name."""
        config = self.config
        source, target = _pair(config, batch)
        with torch.no_grad():
            translated = self.net(config.direction)(source).float()
        real, fake = (self.augment(torch.cat([source, other], 1)) for other in (target, translated))
        batched = config.discriminator.norm != "batch"
        name = _discriminator(config)
        return {name: discriminator_loss(config.gan, self.net(name), real, fake, batched)}


class GeneratorPhase(Phase):
    """The generator: adversarial loss and L1 distance from the pair's other half."""

    name = "generator"

    def __init__(self, config: TrainConfig, nets: dict[str, nn.Module], perceptual: FeatureLoss | None = None) -> None:
        super().__init__(config, nets, (config.direction,))
        self.perceptual = perceptual

    def forward(self, batch: Batch) -> Losses:
        """Terms gan_A2B, l1_A2B, vgg_A2B, shift_A2B and grid_A2B (or B2A), as enabled."""
        config, losses = self.config, Losses()
        source, target = _pair(config, batch)
        fake = self.net(config.direction)(source).float()
        if config.use_gan:
            logits = self.net(_discriminator(config))(self.augment(torch.cat([source, fake], 1)))
            losses[f"gan_{config.direction}"] = config.lambda_gan * gan_loss(config.gan, logits, True)
        if config.lambda_l1:
            losses[f"l1_{config.direction}"] = config.lambda_l1 * F.l1_loss(fake, target)
        if self.perceptual is not None:
            losses[f"vgg_{config.direction}"] = config.lambda_vgg * self.perceptual(fake, target)
        generator = self.net(config.direction)
        if config.lambda_shift:
            losses[f"shift_{config.direction}"] = config.lambda_shift * shift_loss(generator, source, fake)
        if config.lambda_grid:
            losses[f"grid_{config.direction}"] = config.lambda_grid * grid_loss(generator, source)
        return losses


class Pix2Pix(Method):
    """One-way method on pairs, in the direction of its config."""

    paired = True
    published_init = "normal"
    settings = frozenset({"direction", "lambda_l1", "lambda_vgg", "lambda_shift", "lambda_grid"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "net": {"kind": "unet", "width": 64, "depth": 8, "norm": "batch", "test_time_stochastic": True},
        "discriminator": {"norm": "batch"},
        "gan": "vanilla",
        "pool": 0,
    }

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        if not config.use_gan and not config.lambda_l1 and not config.lambda_vgg:
            raise UsageError("neither a GAN nor an L1 nor a VGG loss is left", "there would be nothing to learn")
        self.directions = (config.direction,)
        self._nets: dict[str, nn.Module] = {config.direction: make_generator(config)}
        if config.use_gan:
            self._nets[_discriminator(config)] = make_discriminator(config, "normal", images=2)
        self._perceptual = FeatureLoss() if config.lambda_vgg else None

    def nets(self) -> dict[str, nn.Module]:
        """The generator under its direction, and with a GAN the discriminator of its output domain."""
        return dict(self._nets)

    def phases(self) -> list[Phase]:
        """Discriminator first, then the generator, as in the reference."""
        phases: list[Phase] = [GeneratorPhase(self.config, self._nets, self._perceptual)]
        return [DiscriminatorPhase(self.config, self._nets), *phases] if self.config.use_gan else phases


def _discriminator(config: TrainConfig) -> str:
    return f"discriminator_{config.direction[-1]}"


def _pair(config: TrainConfig, batch: Batch) -> tuple[Tensor, Tensor]:
    """Input and target."""
    return (batch.a, batch.b) if config.direction == "A2B" else (batch.b, batch.a)
