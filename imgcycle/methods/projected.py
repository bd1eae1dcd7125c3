"""Projected discriminator: small heads on VGG19's planes, beside a discriminator of pixels.

Sauer, Chitta, Müller, Geiger: Projected GANs Converge Faster, NeurIPS 2021 (arXiv 2111.01007): a discriminator on
pretrained features need not learn them first, and the generator learns from it many times sooner. Kumari, Zhang,
Shechtman, Zhu: Ensembling Off-the-shelf Models for GAN Training, CVPR 2022 (arXiv 2112.09130) keep a discriminator of
pixels beside it, which sees what the fixed features cannot; so does this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.config import DiscriminatorConfig
from imgcycle.metrics.features import FeatureNet
from imgcycle.nets.discriminators import PatchDiscriminator
from imgcycle.nets.layers import initialise

TAPS = {
    "12": (64, 2, 200.0),
    "22": (128, 2, 230.0),
    "34": (256, 1, 800.0),
    "41": (512, 1, 800.0),
    "44": (512, 1, 140.0),
}
"""Layers used: channels, stride of the head, and the root mean square of their planes over photographs and
paintings, which they are divided by. Metrics use a deeper one, relu5_1.
"""


class FeatureDiscriminator(nn.Module):
    """A PatchGAN discriminator, and a head on each of `layers` + 1 layers of VGG19, whose weights are frozen.

    4 also includes semantics (snow, grass), which distinguish seasons; strokes are visible with 3. Evaluated at
    `scales` sizes of the image, each half of the one before; at the smaller ones only on features.

    MissingExtra without the `metrics` extra's weights. VGG19 follows the images' device, and is not part of the
    discriminator's own state.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.net = FeatureNet(torch.device("cpu"))
        self.taps = dict(list(TAPS.items())[: config.layers + 1])
        self.pixels = PatchDiscriminator(config.replace(kind="basic", scales=1))
        self.heads = nn.ModuleList(
            [_head(c, 2 * config.width, stride) for _ in range(config.scales) for c, stride, _ in self.taps.values()]
        )
        self.scales = config.scales
        self.min_size = 32 * 2 ** (config.scales - 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in [-1, 1] → logits: the PatchGAN's map, then each head's, large sizes first."""
        self._follow(x.device)
        found = [self.pixels(x)]
        heads = iter(self.heads)
        for n in range(self.scales):
            x = F.avg_pool2d(x, 2) if n else x
            for planes, (_, _, spread) in zip(self.net.taps(x, list(self.taps)), self.taps.values(), strict=True):
                found.append(next(heads)(planes / spread))
        return found

    def features(self, x: Tensor) -> list[Tensor]:
        """The frozen net's planes of (N, 3, H, W), large sizes first: they are the same for as long as `x` is."""
        self._follow(x.device)
        found: list[Tensor] = []
        for n in range(self.scales):
            x = F.avg_pool2d(x, 2) if n else x
            found += self.net.taps(x, list(self.taps))
        return found

    def judge(self, x: Tensor, features: Sequence[Tensor]) -> list[Tensor]:
        """What `forward` gives, of images whose features are known.

        Weights are divided by a layer's spread, not its planes, which are a hundred times as many.
        """
        found = [self.pixels(x)]
        spreads = [spread for _, _, spread in self.taps.values()] * self.scales
        for head, planes, spread in zip(self.heads, features, spreads, strict=True):
            first, *others = cast(nn.Sequential, head)
            assert isinstance(first, nn.Conv2d)
            seen = F.conv2d(planes, first.weight / spread, first.bias, first.stride, 1)
            for module in others:
                seen = module(seen)
            found.append(seen)
        return found

    def _follow(self, device: torch.device) -> None:
        if self.net.device != device:
            self.net = FeatureNet(device)

    def initialise(self) -> None:
        """Initialise heads by fan-in: without norms, N(0, 0.02) would leave their output constant for long."""
        initialise(self.heads, "kaiming")


def _head(channels: int, width: int, stride: int) -> nn.Sequential:
    """Two 3×3 convolutions and a 1×1 one: about doubles the receptive field of its layer."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, width, 3, 1, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 1, 1),
    )
