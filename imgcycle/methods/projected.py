"""A discriminator that looks with a classifier's eyes: small heads on VGG19's planes, beside a discriminator of pixels.

Sauer, Chitta, Müller, Geiger: Projected GANs Converge Faster, NeurIPS 2021 (arXiv 2111.01007): a discriminator that is
handed features which tell pictures apart need not learn them first, and the generator learns from it many times sooner.
Kumari, Zhang, Shechtman, Zhu: Ensembling Off-the-shelf Models for GAN Training, CVPR 2022 (arXiv 2112.09130) keep a
discriminator of pixels beside it, which sees what the fixed features are blind to; so does this one.
"""

from __future__ import annotations

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
"""Layers to look at: channels, stride of the head, and the root mean square of their planes over photographs and
paintings, which they are divided by. Measures take a deeper one, relu5_1."""


class FeatureDiscriminator(nn.Module):
    """A PatchGAN discriminator, and a head on each of `layers` + 1 layers of VGG19, whose weights stay as they are.

    With 4 it also sees what is what (snow, grass), which tells seasons apart; strokes are seen with 3. At `scales`
    sizes of the picture, each half of the one before; at the smaller ones only the features are looked at.

    MissingExtra without the `metrics` extra's weights. The net goes where the pictures are, and is no part of the
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
        if self.net.device != x.device:
            self.net = FeatureNet(x.device)
        found = [self.pixels(x)]
        heads = iter(self.heads)
        for n in range(self.scales):
            x = F.avg_pool2d(x, 2) if n else x
            for planes, (_, _, spread) in zip(self.net.taps(x, list(self.taps)), self.taps.values(), strict=True):
                found.append(next(heads)(planes / spread))
        return found

    def initialise(self) -> None:
        """Heads by fan-in: they have no norms, and with N(0, 0.02) would say the same of everything for long."""
        initialise(self.heads, "kaiming")


def _head(channels: int, width: int, stride: int) -> nn.Sequential:
    """Two 3×3 convolutions and a 1×1 one: judges about as far as its layer sees, once more around."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, width, 3, 1, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 1, 1),
    )
