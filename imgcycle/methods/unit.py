"""UNIT: two variational autoencoders with a shared latent space, each with a discriminator.

Liu, Breuel, Kautz: Unsupervised Image-to-Image Translation Networks, NIPS 2017 (arXiv 1703.00848). E_A(a) is the mean
of a's latent, whose variance is 1; G_B(E_A(a)) translates. In training, z = E(x) + noise, noise ~ N(0, 1). Sum over
both domains of eqs. 4, 5 and 6, of which this is A's part, with KL(x) = KL(N(E(x), 1) ‖ N(0, 1)):

    VAE    λ_rec·‖G_A(z_a) − a‖₁ + λ_KL·KL(a)
    GAN    λ_GAN·(log D_A(a) + log(1 − D_A(G_A(z_b))))
    cycle  λ_cyc·‖G_A(E_B(G_B(z_a)) + noise) − a‖₁ + λ_KL·(KL(a) + KL(G_B(z_a)))

Both variants have this objective. `2017` shares the last block of the encoders and the first of the generators; `2018`,
the authors' rewrite, shares nothing and has discriminators at three scales; it may add a perceptual loss between a and
G_B(z_a).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.config import TrainConfig
from imgcycle.errors import UsageError
from imgcycle.methods.adversarial import discriminator_loss, gan_loss, make_discriminator
from imgcycle.methods.base import Batch, Losses, Method, Phase, make_generator
from imgcycle.methods.perceptual import PerceptualLoss
from imgcycle.nets.vae import LatentGenerator

NETS = {"2017": "unit2017", "2018": "unit"}
"""Kind of generator of each variant."""


def kl_to_standard(mean: Tensor) -> Tensor:
    """KL(N(μ, 1) ‖ N(0, 1)) = μ²/2, mean over all values of the latent; float32."""
    return 0.5 * mean.float().square().mean()


def noisy(mean: Tensor) -> Tensor:
    """A sample of N(μ, 1)."""
    return mean + torch.randn_like(mean)


class DiscriminatorPhase(Phase):
    """Both discriminators first, against fresh translations; no pool."""

    name, trains = "discriminator", ("discriminator_A", "discriminator_B")

    def forward(self, batch: Batch) -> Losses:
        """Terms discriminator_A and discriminator_B; leaves the translations in `batch.fake`."""
        config, losses = self.config, Losses()
        into_b, into_a = (cast(LatentGenerator, self.net(way)) for way in ("A2B", "B2A"))
        with torch.no_grad():
            batch.fake["B"] = into_b.from_latent(noisy(into_b.to_latent(batch.a)))
            batch.fake["A"] = into_a.from_latent(noisy(into_a.to_latent(batch.b)))
        batched = config.discriminator.norm != "batch" or config.discriminator.kind in ("plain", "multiscale")
        for domain, real in (("A", batch.a), ("B", batch.b)):
            discriminator, shown = (
                self.net(f"discriminator_{domain}"),
                (self.augment(real), self.augment(batch.fake[domain])),
            )
            # Discriminators and generators optimise the same loss, whole: CycleGAN alone halves its discriminators'
            # loss.
            losses[f"discriminator_{domain}"] = (
                2 * config.lambda_gan * discriminator_loss(config.gan, discriminator, *shown, batched)
            )
        return losses


class GeneratorPhase(Phase):
    """Encoders and generators of both domains."""

    name, trains = "generator", ("A2B", "B2A")

    def __init__(
        self, config: TrainConfig, nets: dict[str, nn.Module], perceptual: PerceptualLoss | None = None
    ) -> None:
        super().__init__(config, nets)
        self.perceptual = perceptual

    def forward(self, batch: Batch) -> Losses:
        """Terms reconstruction_A, kl_A, gan_A2B, cycle_A, kl_cycle_A, vgg_A2B and B's, as enabled."""
        config, losses = self.config, Losses()
        into_b, into_a = (cast(LatentGenerator, self.net(way)) for way in ("A2B", "B2A"))
        mean_a, mean_b = into_b.to_latent(batch.a), into_a.to_latent(batch.b)
        # No norm of these nets mixes images, so both domains go through a decoder as one batch.
        latents, sizes = noisy(torch.cat([mean_a, mean_b])), [len(batch.a), len(batch.b)]
        same_a, fake_a = torch.split(into_a.from_latent(latents), sizes)
        fake_b, same_b = torch.split(into_b.from_latent(latents), sizes)
        for domain, image, same, mean in (("A", batch.a, same_a, mean_a), ("B", batch.b, same_b, mean_b)):
            losses[f"reconstruction_{domain}"] = config.lambda_reconstruction * _l1(same, image)
            losses[f"kl_{domain}"] = config.lambda_kl * kl_to_standard(mean)
        if config.use_gan:
            for way, fake in (("A2B", fake_b), ("B2A", fake_a)):
                logits = self.net(f"discriminator_{way[-1]}")(self.augment(fake))
                losses[f"gan_{way}"] = config.lambda_gan * gan_loss(config.gan, logits, True)
        if config.cycle in ("both", "forward"):
            losses |= self._cycle("A", batch.a, mean_a, fake_b, into_a)
        if config.cycle in ("both", "backward"):
            losses |= self._cycle("B", batch.b, mean_b, fake_a, into_b)
        if self.perceptual is not None:
            losses["vgg_A2B"] = config.lambda_vgg * self.perceptual(fake_b, batch.a)
            losses["vgg_B2A"] = config.lambda_vgg * self.perceptual(fake_a, batch.b)
        return losses

    def _cycle(self, domain: str, image: Tensor, mean: Tensor, fake: Tensor, back: LatentGenerator) -> Losses:
        """Cycle loss of an image, and the KL terms of both encodings on the way."""
        config, again = self.config, back.to_latent(fake)
        return {
            f"cycle_{domain}": config.lambda_cycle * _l1(back.from_latent(noisy(again)), image),
            f"kl_cycle_{domain}": config.lambda_kl * (kl_to_standard(mean) + kl_to_standard(again)),
        }


class Unit(Method):
    """Two-way method with a shared latent space.

    A2B is A's encoder and B's generator, B2A the other two; the blocks they share are the same modules.
    """

    settings = frozenset(
        {"variant", "shared_blocks", "cycle", "lambda_cycle", "lambda_reconstruction", "lambda_kl", "lambda_vgg"}
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "net": {"kind": "unit2017", "width": 64, "depth": 4},
        "discriminator": {"kind": "plain", "layers": 5},
        "gan": "vanilla",
        "lambda_gan": 10.0,
        "lambda_reconstruction": 100.0,
        "lambda_cycle": 100.0,
        "lambda_kl": 0.1,
        "shared_blocks": 1,
        "pool": 0,
        "lr": 1e-4,
        "weight_decay": 1e-4,
        "schedule": "constant",
    }
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "2017": {},
        "2018": {
            "net": {"kind": "unit", "width": 64, "depth": 4},
            "discriminator": {"kind": "multiscale", "layers": 4, "scales": 3},
            "gan": "lsgan",
            "lambda_gan": 1.0,
            "lambda_reconstruction": 10.0,
            "lambda_cycle": 10.0,
            "lambda_kl": 0.01,
            "shared_blocks": 0,
            "schedule": "halving",
        },
    }

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        variant = config.variant or "2017"
        if config.net.kind != NETS[variant]:
            raise UsageError(f"UNIT of {variant} has generators of its own, not a {config.net.kind}", "leave --net out")
        if config.shared_blocks > config.net.depth:
            raise UsageError(
                f"{config.shared_blocks} shared blocks, more than the {config.net.depth} of each half",
                "lower --shared-blocks",
            )
        into_b, into_a = (cast(LatentGenerator, make_generator(config)) for _ in range(2))
        into_a.share(into_b, config.shared_blocks)
        self._nets: dict[str, nn.Module] = {"A2B": into_b, "B2A": into_a}
        for domain in ("A", "B") if config.use_gan else ():
            self._nets[f"discriminator_{domain}"] = make_discriminator(config, "normal")
        self._perceptual = PerceptualLoss() if config.lambda_vgg else None

    def nets(self) -> dict[str, nn.Module]:
        """Nets A2B, B2A, and with a GAN discriminator_A and discriminator_B."""
        return dict(self._nets)

    def phases(self) -> list[Phase]:
        """Discriminators first, then generators, as in the reference."""
        phases: list[Phase] = [GeneratorPhase(self.config, self._nets, self._perceptual)]
        return [DiscriminatorPhase(self.config, self._nets), *phases] if self.config.use_gan else phases


def _l1(image: Tensor, target: Tensor) -> Tensor:
    return F.l1_loss(image.float(), target)
