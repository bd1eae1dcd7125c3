"""Discriminators of patches: each value of the output map judges one patch of the image.

Isola et al., CVPR 2017, appendix 6.1.2: the basic one has a receptive field of 70×70 pixels and a 30×30 output for
256². UNIT's are plain stacks of convolutions, that of 2018 at several scales.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import cast

from torch import Tensor, nn

from imgcycle.config import DiscriminatorConfig
from imgcycle.nets.layers import conv, norm_module, norm_stage
from imgcycle.nets.stages import PadMode, pad_planes, step


class PatchDiscriminator(nn.Module):
    """`layers` halving 4×4 convolutions, one more of stride 1, one to a single channel; logits, no sigmoid."""

    def __init__(self, config: DiscriminatorConfig, channels: int = 3) -> None:
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
        # The receptive field grows by (kernel − 1) × the stride so far; below it the last map would be empty.
        self.min_size = 2 ** (layers + 1) + 2**layers

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, 1, h, w) logits, high where the patch looks real."""
        x = nn.functional.leaky_relu(self.first(x), 0.2)
        for convolution, norm in zip(self.convs, self.norms, strict=True):
            x = nn.functional.leaky_relu(step(norm_stage(norm), convolution(x), {}), 0.2)
        return cast(Tensor, self.last(x))


class PixelDiscriminator(nn.Module):
    """1×1 convolutions: judges colours alone (8,705 parameters at width 64)."""

    min_size = 1

    def __init__(self, config: DiscriminatorConfig, channels: int = 3) -> None:
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


class PlainDiscriminator(nn.Module):
    """UNIT's: `layers` halving convolutions without norms, each twice as wide, and a 1×1 one to a single channel.

    That of 2017 has 3×3 kernels with zero padding (5 layers from 64 channels on: 6,271,617 parameters), each scale of
    that of 2018 4×4 ones with reflection padding.
    """

    def __init__(self, config: DiscriminatorConfig, channels: int = 3) -> None:
        super().__init__()
        published = config.kind == "plain"
        self.mode: PadMode = "zero" if published else "reflect"
        self.slope = 0.01 if published else 0.2
        widths = [channels, *(config.width * 2**n for n in range(config.layers))]
        self.convs = nn.ModuleList([conv(i, o, 3 if published else 4, 2) for i, o in itertools.pairwise(widths)])
        self.last = conv(widths[-1], 1, 1)
        # A 4×4 kernel gives nothing for a single pixel; a 3×3 one with zero padding always gives a value.
        self.min_size = 1 if published else 2**config.layers

    def features(self, x: Tensor) -> Tensor:
        """Planes before the last layer: (N, C, H, W) → (N, width × 2^(layers − 1), h, w)."""
        for module in self.convs:
            assert isinstance(module, nn.Conv2d)
            x, pad = pad_planes(x, (1, 1), self.mode)
            x = nn.functional.conv2d(x, module.weight, module.bias, 2, pad)
            x = nn.functional.leaky_relu(x, self.slope)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, 1, h, w) logits, high where the patch looks real."""
        return cast(Tensor, self.last(self.features(x)))


class MultiScaleDiscriminator(nn.Module):
    """A plain discriminator for each of `scales` sizes of the image, halved by 3×3 means (Wang et al., CVPR 2018)."""

    def __init__(self, config: DiscriminatorConfig, channels: int = 3) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList([PlainDiscriminator(config, channels) for _ in range(config.scales)])
        # Each halving rounds up.
        self.min_size = (2**config.layers - 1) * 2 ** (config.scales - 1) + 1

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, C, H, W) → a map of logits for each size, the largest first."""
        found = []
        for n, discriminator in enumerate(self.discriminators):
            x = nn.functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False) if n else x
            found.append(discriminator(x))
        return found


Discriminator = PatchDiscriminator | PixelDiscriminator | PlainDiscriminator | MultiScaleDiscriminator
_KINDS: dict[str, Callable[[DiscriminatorConfig, int], Discriminator]] = {
    "basic": PatchDiscriminator,
    "nlayers": PatchDiscriminator,
    "pixel": PixelDiscriminator,
    "plain": PlainDiscriminator,
    "multiscale": MultiScaleDiscriminator,
}


def build_discriminator(config: DiscriminatorConfig, channels: int = 3) -> Discriminator:
    """A new discriminator of a config, with torch's default initialisation."""
    return _KINDS[config.kind](config, channels)
