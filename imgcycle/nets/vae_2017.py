"""UNIT's generator as published: three convolutions, residual blocks to and from the latent, three more.

Liu, Breuel and Kautz, NIPS 2017 (arXiv 1703.00848): the layers of the paper, with the instance norms of the authors'
code. Its last transposed convolution is 1×1 of stride 1, which is a plain convolution.
"""

from __future__ import annotations

from torch import nn

from imgcycle.config import NetConfig
from imgcycle.nets.layers import conv, doubling, norm_module, normed
from imgcycle.nets.resnet import ResidualBlock
from imgcycle.nets.stages import Activation, Conv, Head, Stage
from imgcycle.nets.vae import LatentGenerator, block_stages, block_taps

SLOPE = 0.01
"""Slope of the LeakyReLU after convolutions; residual blocks have a plain ReLU inside."""


class Unit2017Generator(LatentGenerator):
    """One direction of UNIT: `depth` residual blocks to encode and as many to decode (64, 4).

    All padding is zero. The last block of the encoder and the first of the decoder are shared by the two directions in
    training.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        w, c = config.width, config.channels
        self.head = conv(c, w, 7)
        self.down = nn.ModuleList([conv(w, 2 * w, 3, 2), conv(2 * w, 4 * w, 3, 2)])
        self.down_norm = nn.ModuleList([norm_module("instance", 2 * w), norm_module("instance", 4 * w)])
        self.encoder = nn.ModuleList([ResidualBlock(4 * w, config) for _ in range(config.depth)])
        self.decoder = nn.ModuleList([ResidualBlock(4 * w, config) for _ in range(config.depth)])
        self.up = nn.ModuleList([doubling(4 * w, 2 * w), doubling(2 * w, w)])
        self.up_norm = nn.ModuleList([norm_module("instance", 2 * w), norm_module("instance", w)])
        self.tail = conv(w, c, 1)

    def encoding(self) -> list[Stage]:
        """Head (without a norm), two downs, residual blocks."""
        chain: list[Stage] = [Conv(self.head.weight, self.head.bias, pad=3), Activation(SLOPE)]
        for down, norm in zip(self.down, self.down_norm, strict=True):
            chain += normed(down, norm, 1, slope=SLOPE)
        return chain + block_stages(self.encoder, "encoder", "zero")

    def decoding(self) -> list[Stage]:
        """Residual blocks, two transposed convolutions, tail."""
        chain = block_stages(self.decoder, "decoder", "zero")
        for up, norm in zip(self.up, self.up_norm, strict=True):
            chain += normed(up, norm, slope=SLOPE)
        return [*chain, Conv(self.tail.weight, self.tail.bias), Head()]

    def feature_taps(self) -> tuple[int, ...]:
        """As for the ResNet generator: pixels, both downsamplings, an early block and the one next to the latent."""
        return block_taps(8, 2 * len(self.encoder))
