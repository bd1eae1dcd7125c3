"""Tiny stand-ins whose outputs can be worked out by hand."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from imgcycle.config import DiscriminatorConfig, NetConfig, TrainConfig
from imgcycle.methods.registry import owners


class Scale(nn.Module):
    """Multiplies by one learnt number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


class Brightness(nn.Module):
    """A discriminator whose logit is gain × the mean of the picture."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * x.mean((1, 2, 3), keepdim=True)


def values(losses: dict[str, Tensor]) -> dict[str, float]:
    """Losses as plain numbers."""
    return {name: float(value.detach()) for name, value in losses.items()}


def softplus(x: float) -> float:
    """ln(1 + e^x)."""
    return math.log1p(math.exp(x))


def tiny_config(**changes: object) -> TrainConfig:
    """A run that takes milliseconds a step."""
    base: dict[str, object] = {
        "a": "A",
        "b": "B",
        "net": NetConfig("compact", 4, 1, "affine"),
        "discriminator": DiscriminatorConfig("nlayers", 8, 2),
        "size": 32,
        "crop": 32,
        "nce_width": 16,
        "nce_patches": 32,
        "precision": "fp32",
        "device": "cpu",
    }
    return TrainConfig(**{**heeded(base, changes), **changes})  # type: ignore[arg-type]


def heeded(base: dict[str, object], changes: dict[str, object]) -> dict[str, object]:
    """Of some settings those that mean something to the method that is chosen in `changes`."""
    method = changes.get("method", TrainConfig.method)
    return {name: value for name, value in base.items() if method in owners(name)}
