"""UNIT's generators: an encoder into a latent space that two domains share, a decoder out of it into one of them.

Liu, Breuel and Kautz, NIPS 2017 (arXiv 1703.00848), in the form of the authors' rewrite of 2018: nothing shared
between the two sides, a decoder with norms over whole images. Translating A to B is B's decoder after A's encoder;
the latent's noise belongs to training alone.
"""

from __future__ import annotations

from torch import nn

from imgcycle.config import NetConfig
from imgcycle.nets.layers import Generator, LayerNorm, conv, initialise, norm_module, norm_stage
from imgcycle.nets.resnet import ResidualBlock
from imgcycle.nets.stages import Activation, Conv, Head, Stage, Upsample


class UnitGenerator(Generator):
    """One way through the latent space: `depth` residual blocks to encode and as many to decode.

    Every convolution reflects its edges; 4×4 ones halve, 5×5 ones follow a doubling by nearest pixels. Width 64
    and 4 blocks: 11,140,483 values.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        w, c = config.width, config.channels
        self.head = conv(c, w, 7)
        self.head_norm = norm_module("instance", w)
        self.down = nn.ModuleList([conv(w, 2 * w, 4, 2), conv(2 * w, 4 * w, 4, 2)])
        self.down_norm = nn.ModuleList([norm_module("instance", 2 * w), norm_module("instance", 4 * w)])
        self.encoder = nn.ModuleList([ResidualBlock(4 * w, config) for _ in range(config.depth)])
        self.decoder = nn.ModuleList([ResidualBlock(4 * w, config) for _ in range(config.depth)])
        self.up = nn.ModuleList([conv(4 * w, 2 * w, 5), conv(2 * w, w, 5)])
        self.up_norm = nn.ModuleList([LayerNorm(2 * w), LayerNorm(w)])
        self.tail = conv(w, c, 7)

    def chain(self) -> list[Stage]:
        """Head, two downs, the encoder's blocks, the decoder's, two ups, tail."""
        chain: list[Stage] = [
            Conv(self.head.weight, self.head.bias, pad=3, mode="reflect"),
            norm_stage(self.head_norm),
            Activation(),
        ]
        for down, norm in zip(self.down, self.down_norm, strict=True):
            assert isinstance(down, nn.Conv2d)
            chain += [Conv(down.weight, down.bias, 2, 1, "reflect"), norm_stage(norm), Activation()]
        for index, block in enumerate([*self.encoder, *self.decoder]):
            assert isinstance(block, ResidualBlock)
            chain += block.chain(f"block{index}")
        for up, norm in zip(self.up, self.up_norm, strict=True):
            assert isinstance(up, nn.Conv2d)
            chain += [Upsample("nearest"), Conv(up.weight, up.bias, pad=2, mode="reflect")]
            chain += [norm_stage(norm), Activation()]
        return [*chain, Conv(self.tail.weight, self.tail.bias, pad=3, mode="reflect"), Head()]

    def initialise(self) -> None:
        """Kaiming, as the rewrite has it."""
        initialise(self, "kaiming")

    def feature_taps(self) -> tuple[int, ...]:
        """As for the ResNet generator: pixels, both halvings, an early block and the latent's neighbour."""
        blocks = [9 + 7 * n - 1 for n in range(1, 2 * len(self.encoder) + 1)]
        return (-1, 3, 6, blocks[0], blocks[min(4, len(blocks) - 1)])
