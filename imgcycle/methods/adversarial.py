"""The adversarial losses: how a critic and a generator disagree about logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.config import GanMode, TrainConfig, WeightInit
from imgcycle.errors import UsageError
from imgcycle.methods.projected import FeatureCritic
from imgcycle.nets.critics import Critic, build_critic
from imgcycle.nets.layers import initialise

Logits = Tensor | Sequence[Tensor]
"""A critic's map, or one for each size it looks at."""


def make_critic(config: TrainConfig, preferred: WeightInit, images: int = 1) -> Critic | FeatureCritic:
    """A critic of one image, or of several side by side in its channels, with fresh weights.

    UsageError when the crops are too small for it to judge.
    """
    channels = images * config.net.channels
    critic: Critic | FeatureCritic
    if config.critic.kind != "vgg19":
        critic = build_critic(config.critic, channels)
    elif channels == 3:
        critic = FeatureCritic(config.critic)
    else:
        raise UsageError(f"{config.method} with a vgg19 critic, which judges one picture in colours", "--critic basic")
    if config.crop < critic.min_size:
        raise UsageError(
            f"a crop of {config.crop} pixels is too small for this critic, which needs {critic.min_size}",
            "raise --crop, or lower --critic-layers or --critic-scales",
        )
    initialise(critic, config.weight_init or preferred, config.init_gain)
    if isinstance(critic, FeatureCritic):
        critic.initialise()
    return critic


def gan_loss(mode: GanMode, logits: Logits, real: bool) -> Tensor:
    """The loss of calling `logits` real or not; mean over a map, sum over maps, float32.

    lsgan    (D(x) − t)², t = 1 or 0                            Mao et al., ICCV 2017
    vanilla  −t·log σ(D(x)) − (1 − t)·log(1 − σ(D(x)))          Goodfellow et al., NIPS 2014
    wgangp   −D(x) for real, D(x) for made                      Gulrajani et al., NIPS 2017
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


def gradient_penalty(critic: nn.Module, real: Tensor, made: Tensor) -> Tensor:
    """E[(‖∇D(x̂)‖₂ − 1)²] at random points x̂ between real and made images (Gulrajani et al., eq. 3).

    In float32 throughout: the norm of a gradient does not survive bf16.
    """
    with torch.autocast(real.device.type, enabled=False):
        share = torch.rand(real.shape[0], 1, 1, 1, device=real.device)
        between = (share * real.float() + (1 - share) * made.float()).requires_grad_()
        logits: Logits = critic(between)
        total = logits.sum() if isinstance(logits, Tensor) else torch.stack([one.sum() for one in logits]).sum()
        (gradient,) = torch.autograd.grad(total, between, create_graph=True)
        lengths: Tensor = gradient.flatten(1).norm(2, dim=1)
        return (lengths - 1).square().mean()


def critic_loss(mode: GanMode, critic: nn.Module, real: Tensor, made: Tensor, batched: bool) -> Tensor:
    """½·(loss of real + loss of made), with the penalty ×10 under wgangp.

    Both halves go through the critic as one batch unless its norms mix the images of a batch.
    """
    on_real: Logits
    on_made: Logits
    if not batched:
        on_real, on_made = critic(real), critic(made)
    elif isinstance(both := critic(torch.cat([real, made])), Tensor):
        on_real, on_made = both.chunk(2)
    else:
        on_real, on_made = zip(*(scale.chunk(2) for scale in both), strict=True)
    loss = 0.5 * (gan_loss(mode, on_real, True) + gan_loss(mode, on_made, False))
    return loss + 10.0 * gradient_penalty(critic, real, made) if mode == "wgangp" else loss
