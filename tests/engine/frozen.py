"""Chains whose norms have the moments of one picture for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from imgcycle.engine.strips.statistics import Affine, NormStatistics, affine_of
from imgcycle.nets.stages import Conv, ConvTranspose, Norm, Stage, step


def measured(chain: Sequence[Stage], x: Tensor) -> list[NormStatistics]:
    """The moments at each norm of a chain when it is run over `x` (1, C, H, W) as a whole, in order."""
    slots = {"input": x}
    found = []
    with torch.inference_mode():
        for stage in chain:
            if isinstance(stage, Norm):
                found.append(NormStatistics.of(x))
            x = step(stage, x, slots)
    return found


def frozen(chain: Sequence[Stage], moments: Sequence[NormStatistics]) -> list[Stage]:
    """The chain without its norms: under moments that no longer change each folds into the convolution before it.

    Raises ValueError when the numbers differ, or when a norm does not follow a convolution.
    """
    wanted = sum(isinstance(stage, Norm) for stage in chain)
    if wanted != len(moments):
        raise ValueError(f"{len(moments)} moments for {wanted} norms")
    given = iter(moments)
    out: list[Stage] = []
    for stage in chain:
        if not isinstance(stage, Norm):
            out.append(stage)
            continue
        before = out[-1] if out else None
        if not isinstance(before, Conv | ConvTranspose):
            raise ValueError("a norm that follows no convolution cannot be folded")
        out[-1] = folded(before, affine_of(stage, next(given)))
    return out


def folded(conv: Conv | ConvTranspose, affine: Affine) -> Conv | ConvTranspose:
    """The convolution that gives at once what the convolution and then the affine map give."""
    shape = (-1, 1, 1, 1) if isinstance(conv, Conv) else (1, -1, 1, 1)
    scale, shift = (t.to(conv.weight.device, torch.float64) for t in (affine.scale, affine.shift))
    weight = conv.weight.detach().double() * scale.view(shape)
    bias = shift if conv.bias is None else conv.bias.detach().double() * scale + shift
    # Widening lays the numbers out anew; kernels are chosen by the layout that the net had.
    kept = torch.empty_like(conv.weight.detach()).copy_(weight)
    return replace(conv, weight=kept, bias=bias.to(conv.weight.dtype))
