"""Critics that judge patches: each value of the output map sees one patch of the image.

Isola et al., CVPR 2017, appendix 6.1.2. The basic one sees 70×70 pixels and gives 30×30 values for 256².
"""

from __future__ import annotations

import itertools
from typing import cast

from torch import Tensor, nn

from imgcycle.config import CriticConfig
from imgcycle.nets.layers import norm_module, norm_stage
from imgcycle.nets.stages import step


class PatchCritic(nn.Module):
    """`layers` halving 4×4 convolutions, one more of stride 1, one to a single channel; logits, no sigmoid."""

    def __init__(self, config: CriticConfig, channels: int = 3) -> None:
        super().__init__()
        layers = 3 if config.kind == "basic" else config.layers
        bias = config.norm != "batch"
        widths = [config.width * min(2**n, 8) for n in range(layers + 1)]
        self.first = nn.Conv2d(channels, widths[0], 4, 2, 1)
        pairs = list(itertools.pairwise(widths))
        strides = [2] * (layers - 1) + [1]
        self.convs = nn.ModuleList(
            [nn.Conv2d(i, o, 4, stride, 1, bias=bias) for (i, o), stride in zip(pairs, strides, strict=True)]
        )
        self.norms = nn.ModuleList([norm_module(config.norm, o) for _, o in pairs])
        self.last = nn.Conv2d(widths[-1], 1, 4, 1, 1)
        # The reach grows by (kernel − 1) × the stride so far; below it the last map would be empty.
        self.min_size = 2 ** (layers + 1) + 2**layers

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, 1, h, w) logits, high where the patch looks real."""
        x = nn.functional.leaky_relu(self.first(x), 0.2)
        for convolution, norm in zip(self.convs, self.norms, strict=True):
            x = nn.functional.leaky_relu(step(norm_stage(norm), convolution(x), {}), 0.2)
        return cast(Tensor, self.last(x))


class PixelCritic(nn.Module):
    """1×1 convolutions: judges colours alone (8,705 parameters at width 64)."""

    min_size = 1

    def __init__(self, config: CriticConfig, channels: int = 3) -> None:
        super().__init__()
        w = config.width
        bias = config.norm != "batch"
        self.first = nn.Conv2d(channels, w, 1)
        self.hidden = nn.Conv2d(w, 2 * w, 1, bias=bias)
        self.norm = norm_module(config.norm, 2 * w)
        self.last = nn.Conv2d(2 * w, 1, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, 1, H, W) logits."""
        x = nn.functional.leaky_relu(self.first(x), 0.2)
        x = step(norm_stage(self.norm), self.hidden(x), {})
        return cast(Tensor, self.last(nn.functional.leaky_relu(x, 0.2)))


Critic = PatchCritic | PixelCritic


def build_critic(config: CriticConfig, channels: int = 3) -> Critic:
    """The critic a config describes, freshly made (not initialised the paper's way)."""
    return PixelCritic(config, channels) if config.kind == "pixel" else PatchCritic(config, channels)
