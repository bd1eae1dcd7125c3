"""What nets learn, counted and named."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from imgcycle.nets.stages import Conv, ConvTranspose, Norm, Stage


def parameter_count(net: nn.Module) -> int:
    """Number of learnt values."""
    return sum(p.numel() for p in net.parameters())


def parameters_of(chain: Sequence[Stage]) -> list[Tensor]:
    """Every parameter a chain refers to, in order, repetitions included."""
    found: list[Tensor] = []
    for stage in chain:
        if isinstance(stage, Norm) and stage.running is not None:
            found += list(stage.running.parameters())
        elif isinstance(stage, Conv | ConvTranspose | Norm):
            found += [p for p in (stage.weight, stage.bias) if p is not None]
    return found
