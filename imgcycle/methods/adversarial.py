"""The adversarial losses: how a critic and a generator disagree about logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.config import GanMode, TrainConfig, WeightInit
from imgcycle.errors import UsageError
from imgcycle.nets.critics import Critic, build_critic
from imgcycle.nets.layers import initialise


def make_critic(config: TrainConfig, preferred: WeightInit) -> Critic:
    """A critic with fresh weights; UsageError when the crops are too small for it to judge."""
    critic = build_critic(config.critic, config.net.channels)
    if config.crop < critic.min_size:
        raise UsageError(
            f"a crop of {config.crop} pixels is too small for this critic, which needs {critic.min_size}",
            "raise --crop, or lower --critic-layers",
        )
    initialise(critic, config.weight_init or preferred, config.init_gain)
    return critic


def gan_loss(mode: GanMode, logits: Tensor, real: bool) -> Tensor:
    """The loss of calling `logits` real or not; mean over the map, float32.

    lsgan    (D(x) − t)², t = 1 or 0                            Mao et al., ICCV 2017
    vanilla  −t·log σ(D(x)) − (1 − t)·log(1 − σ(D(x)))          Goodfellow et al., NIPS 2014
    wgangp   −D(x) for real, D(x) for made                      Gulrajani et al., NIPS 2017
    """
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
        logits = critic(between)
        (gradient,) = torch.autograd.grad(logits.sum(), between, create_graph=True)
        lengths: Tensor = gradient.flatten(1).norm(2, dim=1)
        return (lengths - 1).square().mean()


def critic_loss(mode: GanMode, critic: nn.Module, real: Tensor, made: Tensor, batched: bool) -> Tensor:
    """½·(loss of real + loss of made), with the penalty ×10 under wgangp.

    Both halves go through the critic as one batch unless its norms mix the images of a batch.
    """
    if batched:
        on_real, on_made = critic(torch.cat([real, made])).chunk(2)
    else:
        on_real, on_made = critic(real), critic(made)
    loss = 0.5 * (gan_loss(mode, on_real, True) + gan_loss(mode, on_made, False))
    return loss + 10.0 * gradient_penalty(critic, real, made) if mode == "wgangp" else loss
