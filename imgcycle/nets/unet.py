"""The U-Net generator of pix2pix: downsampling to a single pixel, upsampling back, concatenating skips.

Isola et al., CVPR 2017, appendix 6.1.1. Its skips are needed until the end, so it cannot be run in strips.

pix2pix translates as it trained: norms use the statistics of the current image, and dropout is the noise. With
`test_time_stochastic` a U-Net does so in eval mode, each image of a batch independently and with the same dropout every
time.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.config import NetConfig
from imgcycle.nets.layers import Generator, norm_module, norm_stage
from imgcycle.nets.stages import step, widened

DROPOUT = 0.5
_SEED = 0


class Level(nn.Module):
    """One downsampling and its upsampling, with all deeper levels in between."""

    def __init__(self, config: NetConfig, outer: int, inner: int, deeper: Level | None, outermost: bool, drop: bool):
        super().__init__()
        bias = config.norm != "batch"
        innermost = deeper is None
        self.outermost = outermost
        self.drop = drop
        self.test_time_stochastic = config.test_time_stochastic
        self.down = nn.Conv2d(outer, inner, 4, 2, 1, bias=bias)
        self.down_norm = None if outermost or innermost else norm_module(config.norm, inner)
        self.deeper = deeper
        self.up = nn.ConvTranspose2d(
            inner if innermost else 2 * inner, outer, 4, 2, 1, bias=True if outermost else bias
        )
        self.up_norm = None if outermost else norm_module(config.norm, outer)

    def forward(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """(N, outer, H, W) → (N, outer, H, W) for the outermost, else the skip and the result, concatenated.

        `rng` is given if a stochastic net translates.
        """
        # The reference's in-place LeakyReLU changes the skip as well: the activated planes are passed on.
        x = x if self.outermost else F.leaky_relu(x, 0.2)
        hidden = self.down(x)
        if self.down_norm is not None:
            hidden = self._normalised(self.down_norm, hidden)
        if self.deeper is not None:
            hidden = self.deeper(hidden, rng)
        hidden = self.up(F.relu(hidden))
        if self.outermost:
            return torch.tanh(widened(hidden))
        assert self.up_norm is not None
        hidden = self._normalised(self.up_norm, hidden)
        if self.drop and rng is not None:
            kept = torch.rand(1, *hidden.shape[1:], generator=rng) >= DROPOUT
            hidden = hidden * (kept / (1 - DROPOUT)).to(hidden)
        elif self.drop:
            hidden = F.dropout(hidden, DROPOUT, self.training)
        return torch.cat([x, hidden], 1)

    def _normalised(self, norm: nn.Module, x: Tensor) -> Tensor:
        if not self.test_time_stochastic or self.training or not isinstance(norm, nn.BatchNorm2d):
            return step(norm_stage(norm), x, {})
        each = [F.batch_norm(one, None, None, norm.weight, norm.bias, True, eps=norm.eps) for one in torch.split(x, 1)]
        return torch.cat(each)


class UnetGenerator(Generator):
    """`depth` downsamplings (8 for 256², 7 for 128²), dropout on the middle levels; sides are multiples of 2^depth."""

    streamable = False

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        w = config.width
        self.test_time_stochastic = config.test_time_stochastic
        self.stride = self.min_size = 2**config.depth
        level = Level(config, 8 * w, 8 * w, None, outermost=False, drop=False)
        for _ in range(config.depth - 5):
            level = Level(config, 8 * w, 8 * w, level, outermost=False, drop=True)
        for outer in (4 * w, 2 * w, w):
            level = Level(config, outer, 2 * outer, level, outermost=False, drop=False)
        self.outer = Level(config, config.channels, w, level, outermost=True, drop=False)

    def stages(self) -> None:
        """None: concatenating skips cannot be run in strips."""
        return

    def forward(self, x: Tensor) -> Tensor:
        """Translate `x` whole."""
        # On the CPU wherever the net is, so that every device drops the same values.
        rng = torch.Generator().manual_seed(_SEED) if self.test_time_stochastic and not self.training else None
        return cast(Tensor, self.outer(x, rng))
