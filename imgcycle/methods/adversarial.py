"""Adversarial losses of discriminators and generators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.config import GanMode, TrainConfig, WeightInit
from imgcycle.errors import UsageError
from imgcycle.methods.projected import FeatureDiscriminator
from imgcycle.nets.discriminators import Discriminator, build_discriminator
from imgcycle.nets.layers import initialise

Logits = Tensor | Sequence[Tensor]
"""A discriminator's map, or one for each scale."""
LAZY = 16
"""One step of so many, drawn at random, has the penalties of the relativistic loss, with as many times the weight."""
GAMMA = 1.0
"""Weight of these penalties."""


def make_discriminator(
    config: TrainConfig, preferred: WeightInit, images: int = 1
) -> Discriminator | FeatureDiscriminator:
    """A new discriminator of one image, or of several concatenated in its channels.

    UsageError if the crops are too small for it.
    """
    channels = images * config.net.channels
    discriminator: Discriminator | FeatureDiscriminator
    if config.discriminator.kind != "vgg19":
        discriminator = build_discriminator(config.discriminator, channels)
    elif channels == 3:
        discriminator = FeatureDiscriminator(config.discriminator)
    else:
        raise UsageError(
            f"{config.method} cannot have a vgg19 discriminator, which takes one RGB picture", "--discriminator basic"
        )
    if config.crop < discriminator.min_size:
        raise UsageError(
            f"a crop of {config.crop} pixels is too small for this discriminator, which needs {discriminator.min_size}",
            "raise --crop, or lower --discriminator-layers or --discriminator-scales",
        )
    initialise(discriminator, config.weight_init or preferred, config.init_gain)
    if isinstance(discriminator, FeatureDiscriminator):
        discriminator.initialise()
    return discriminator


def gan_loss(mode: GanMode, logits: Logits, real: bool) -> Tensor:
    """Loss of classifying `logits` as real or not; mean over a map, sum over maps, float32.

    lsgan    (D(x) − t)², t = 1 or 0                            Mao et al., ICCV 2017
    vanilla  −t·log σ(D(x)) − (1 − t)·log(1 − σ(D(x)))          Goodfellow et al., NIPS 2014
    wgangp   −D(x) for real, D(x) for fake                      Gulrajani et al., NIPS 2017

    The relativistic loss compares two pictures: `relativistic_loss`.
    """
    if not isinstance(logits, Tensor):
        return torch.stack([gan_loss(mode, scale, real) for scale in logits]).sum()
    logits = logits.float()
    if mode == "wgangp":
        return -logits.mean() if real else logits.mean()
    target = torch.full_like(logits, float(real))
    if mode == "lsgan":
        return F.mse_loss(logits, target)
    return F.binary_cross_entropy_with_logits(logits, target)


def relativistic_loss(more: Logits, less: Logits) -> Tensor:
    """−log σ(more − less): how far `more` is from being judged the more real; mean over a map, sum over maps, float32.

    Place by place of two pictures. Huang, Gokaslan, Kuleshov, Tompkin: The GAN is dead; long live the GAN!, NeurIPS
    2024 (arXiv 2501.05441), after Jolicoeur-Martineau, ICLR 2019.
    """
    if not isinstance(more, Tensor):
        return torch.stack([relativistic_loss(one, other) for one, other in zip(more, less, strict=True)]).sum()
    assert isinstance(less, Tensor)
    return F.softplus(less.float() - more.float()).mean()


def zero_centred_penalty(discriminator: nn.Module, images: Tensor) -> Tensor:
    """E‖∇D(x)‖² of images, where D is the sum of the means of its maps: R1 of real ones, R2 of made ones; float32.

    Its passes are in bf16 where the step's are, in half of the time; in fp16 the gradients of a mean would vanish.
    """
    kind = images.device.type
    in_bf16 = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) is torch.bfloat16
    with torch.autocast(kind, torch.bfloat16, enabled=in_bf16):
        x = images.detach().float().requires_grad_()
        logits: Logits = discriminator(x)
        maps = [logits] if isinstance(logits, Tensor) else logits
        total = torch.stack([one.float().flatten(1).mean(1).sum() for one in maps]).sum()
        (gradient,) = torch.autograd.grad(total, x, create_graph=True)
        squares: Tensor = gradient.float().flatten(1).square().sum(1)
        return squares.mean()


def gradient_penalty(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """E[(‖∇D(x̂)‖₂ − 1)²] at random points x̂ between real and fake images (Gulrajani et al., eq. 3).

    In float32 throughout: the norm of a gradient does not survive bf16.
    """
    with torch.autocast(real.device.type, enabled=False):
        share = torch.rand(real.shape[0], 1, 1, 1, device=real.device)
        between = (share * real.float() + (1 - share) * fake.float()).requires_grad_()
        logits: Logits = discriminator(between)
        total = logits.sum() if isinstance(logits, Tensor) else torch.stack([one.sum() for one in logits]).sum()
        (gradient,) = torch.autograd.grad(total, between, create_graph=True)
        lengths: Tensor = gradient.flatten(1).norm(2, dim=1)
        return (lengths - 1).square().mean()


def discriminator_loss(
    mode: GanMode,
    discriminator: nn.Module,
    real: Tensor,
    fake: Tensor,
    batched: bool,
    features: Sequence[Tensor] | None = None,
) -> Tensor:
    """½·(loss of real + loss of fake), with the penalty ×10 under wgangp; ½·the relativistic loss of real against fake,
    now and then with ½·γ·(R1 + R2).

    Both halves go through the discriminator as one batch unless its norms mix the images of a batch. `features`, if
    known, are a FeatureDiscriminator's of that batch, real images first.
    """
    on_real: Logits
    on_fake: Logits
    if not batched:
        on_real, on_fake = discriminator(real), discriminator(fake)
    elif isinstance(both := _judged(discriminator, torch.cat([real, fake]), features), Tensor):
        on_real, on_fake = both.chunk(2)
    else:
        on_real, on_fake = zip(*(scale.chunk(2) for scale in both), strict=True)
    if mode == "relativistic":
        loss = 0.5 * relativistic_loss(on_real, on_fake)
        if torch.rand(()) >= 1 / LAZY:
            return loss
        penalties = zero_centred_penalty(discriminator, real) + zero_centred_penalty(discriminator, fake)
        return loss + 0.5 * GAMMA * LAZY * penalties
    loss = 0.5 * (gan_loss(mode, on_real, True) + gan_loss(mode, on_fake, False))
    return loss + 10.0 * gradient_penalty(discriminator, real, fake) if mode == "wgangp" else loss


def _judged(discriminator: nn.Module, images: Tensor, features: Sequence[Tensor] | None) -> Logits:
    if features is None:
        return cast(Logits, discriminator(images))
    assert isinstance(discriminator, FeatureDiscriminator)
    return discriminator.judge(images, features)
