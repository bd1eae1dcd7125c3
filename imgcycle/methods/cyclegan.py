"""CycleGAN: two generators and two discriminators, with cycle consistency.

Zhu, Park, Isola, Efros: Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, ICCV 2017
(arXiv 1703.10593). Objective, eq. 3 with the identity loss of section 5.2:

    L = λ_GAN·(GAN(A2B, D_B) + GAN(B2A, D_A))
      + λ·(‖B2A(A2B(a)) − a‖₁ + ‖A2B(B2A(b)) − b‖₁)
      + λ·λ_idt·(‖A2B(b) − b‖₁ + ‖B2A(a) − a‖₁)
      + λ_shift·(the shift term of A2B on a, and of B2A on b: our own, off by default)
      + λ_grid·(the grid terms of A2B and B2A: our own, off by default)

Its ablations (tables 4 and 5) leave terms out: the GAN (`use_gan`), either cycle or both (`cycle`).
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.config import TrainConfig
from imgcycle.errors import UsageError
from imgcycle.methods.adversarial import discriminator_loss, gan_loss, make_discriminator
from imgcycle.methods.base import Batch, Losses, Method, Phase, make_generator
from imgcycle.methods.equivariance import shift_loss
from imgcycle.methods.grid import grid_loss
from imgcycle.methods.pool import ImagePool
from imgcycle.nets.layers import device_of


class GeneratorPhase(Phase):
    """Both generators at once, discriminators fixed; leaves `fake_a` and `fake_b` for the discriminators."""

    name, trains = "generator", ("A2B", "B2A")

    def forward(self, batch: Batch) -> Losses:
        """Terms gan_A2B, cycle_A, identity_B, shift_A2B, grid_A2B and the other direction's, as enabled."""
        config, losses = self.config, Losses()
        identity = config.lambda_cycle * config.lambda_identity
        fake_b, same_b = self._translate("A2B", batch.a, batch.b if identity else None)
        fake_a, same_a = self._translate("B2A", batch.b, batch.a if identity else None)
        batch.fake = {"B": fake_b.detach(), "A": fake_a.detach()}
        if config.use_gan:
            for way, fake in (("A2B", fake_b), ("B2A", fake_a)):
                logits = self.net(f"discriminator_{way[-1]}")(self.augment(fake))
                losses[f"gan_{way}"] = config.lambda_gan * gan_loss(config.gan, logits, True)
        if config.cycle in ("both", "forward"):
            losses["cycle_A"] = config.lambda_cycle * _l1(self.net("B2A")(fake_b), batch.a)
        if config.cycle in ("both", "backward"):
            losses["cycle_B"] = config.lambda_cycle * _l1(self.net("A2B")(fake_a), batch.b)
        if same_b is not None and same_a is not None:
            losses["identity_B"] = identity * _l1(same_b, batch.b)
            losses["identity_A"] = identity * _l1(same_a, batch.a)
        if config.lambda_shift:
            losses["shift_A2B"] = config.lambda_shift * shift_loss(self.net("A2B"), batch.a, fake_b)
            losses["shift_B2A"] = config.lambda_shift * shift_loss(self.net("B2A"), batch.b, fake_a)
        if config.lambda_grid:
            losses["grid_A2B"] = config.lambda_grid * grid_loss(self.net("A2B"), batch.a)
            losses["grid_B2A"] = config.lambda_grid * grid_loss(self.net("B2A"), batch.b)
        return losses

    def _translate(self, direction: str, source: Tensor, target: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Translation of the source, and the identity output for the target, as one batch."""
        net = self.net(direction)
        if target is None:
            return net(source), None
        if self.config.net.norm == "batch":  # statistics of the batch must not mix the two
            return net(source), net(target)
        fake, same = net(torch.cat([source, target])).split([len(source), len(target)])
        return fake, same


class DiscriminatorPhase(Phase):
    """Both discriminators in one optimizer; fakes come from the pools."""

    name, trains = "discriminator", ("discriminator_A", "discriminator_B")

    def __init__(self, config: TrainConfig, nets: dict[str, nn.Module], pools: dict[str, ImagePool]) -> None:
        super().__init__(config, nets)
        self.pools = pools

    def forward(self, batch: Batch) -> Losses:
        """Terms discriminator_A and discriminator_B."""
        losses = Losses()
        for domain, real in (("A", batch.a), ("B", batch.b)):
            fake = self.pools[domain].query(batch.fake[domain])
            discriminator, shown = self.net(f"discriminator_{domain}"), (self.augment(real), self.augment(fake))
            batched = self.config.discriminator.norm != "batch"
            losses[f"discriminator_{domain}"] = discriminator_loss(self.config.gan, discriminator, *shown, batched)
        return losses


class CycleGan(Method):
    """Two-way method with cycle consistency."""

    published_init = "normal"
    settings = frozenset({"cycle", "lambda_cycle", "lambda_identity", "lambda_shift", "lambda_grid", "pool"})

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        if not config.use_gan and config.cycle == "none":
            raise UsageError("neither a GAN nor a cycle loss is left", "there would be nothing to learn")
        self._nets: dict[str, nn.Module] = {}
        for direction in self.directions:
            self._nets[direction] = make_generator(config)
        for domain in ("A", "B") if config.use_gan else ():
            self._nets[f"discriminator_{domain}"] = make_discriminator(config, "normal")
        self._pools = {domain: ImagePool(config.pool) for domain in ("A", "B")}

    def nets(self) -> dict[str, nn.Module]:
        """Nets A2B, B2A, and with a GAN discriminator_A and discriminator_B."""
        return dict(self._nets)

    def phases(self) -> list[Phase]:
        """Generators first, then discriminators, as in the reference."""
        phases: list[Phase] = [GeneratorPhase(self.config, self._nets)]
        if self.config.use_gan:
            phases.append(DiscriminatorPhase(self.config, self._nets, self._pools))
        return phases

    def state(self) -> dict[str, Any]:
        return {"pools": {domain: pool.state() for domain, pool in self._pools.items()}}

    def state_bytes(self) -> int:
        return sum(pool.most_bytes(self.config.net.channels, self.config.crop) for pool in self._pools.values())

    def load_state(self, state: dict[str, Any]) -> None:
        device = device_of(self._nets["A2B"])
        for domain, images in cast(dict[str, list[Tensor]], state["pools"]).items():
            self._pools[domain].load_state(images, device)


def _l1(image: Tensor, target: Tensor) -> Tensor:
    return F.l1_loss(image.float(), target)
