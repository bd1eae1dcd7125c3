"""The generator of White-box cartoonization: no norms, and sums of planes across the halvings.

Wang and Yu, Learning to Cartoonize Using White-box Cartoon Representations, CVPR 2020, as its PyTorch version has it:
zeros around every plane, LeakyReLU, doubling by linear interpolation. Without norms it is a function of what lies
around a pixel alone, so strips are exact in one pass.
"""

from __future__ import annotations

from typing import cast

from torch import nn

from imgcycle.config import NetConfig
from imgcycle.nets.layers import Generator, conv, initialise
from imgcycle.nets.resnet import ResidualBlock
from imgcycle.nets.stages import Activation, Add, Conv, Head, Save, Stage, Upsample

SLOPE = 0.2
"""Of every LeakyReLU."""


class WhiteboxGenerator(Generator):
    """`depth` residual blocks of `4 × width` channels at a quarter of the size (4 blocks, 32: 1,467,075 values)."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        w, c = config.width, config.channels
        self.head = conv(c, w, 7)
        self.down = nn.ModuleList(
            [conv(w, w, 3, 2), conv(w, 2 * w, 3), conv(2 * w, 2 * w, 3, 2), conv(2 * w, 4 * w, 3)]
        )
        self.blocks = nn.ModuleList([ResidualBlock(4 * w, config) for _ in range(config.depth)])
        self.up = nn.ModuleList([conv(4 * w, 2 * w, 3), conv(2 * w, 2 * w, 3), conv(2 * w, w, 3), conv(w, w, 3)])
        self.tail = conv(w, c, 7)

    def chain(self) -> list[Stage]:
        """Head; two halvings of two convolutions; blocks; two doublings, each added to the planes of its size; tail."""
        chain = [*_convolved(self.head, 3), Save("full")]
        chain += [*_convolved(self.down[0]), *_convolved(self.down[1]), Save("half")]
        chain += [*_convolved(self.down[2]), *_convolved(self.down[3])]
        for index, block in enumerate(self.blocks):
            chain += cast(ResidualBlock, block).chain(f"block{index}", "zero", SLOPE)
        chain += [*_convolved(self.up[0]), Upsample(), Add("half")]
        chain += [*_convolved(self.up[1]), *_convolved(self.up[2]), Upsample(), Add("full")]
        chain += _convolved(self.up[3])
        return [*chain, Conv(self.tail.weight, self.tail.bias, pad=3), Head()]

    def initialise(self) -> None:
        """Kaiming: there is no norm to rescale anything."""
        initialise(self, "kaiming")

    def feature_taps(self) -> tuple[int, ...]:
        """As for the ResNet generator: pixels, both halvings, an early and a late block."""
        stages = len(cast(ResidualBlock, self.blocks[0]).chain(""))
        blocks = [12 + stages * n - 1 for n in range(1, len(self.blocks) + 1)]
        return (-1, 3, 8, blocks[0], blocks[min(4, len(blocks) - 1)])


def _convolved(convolution: nn.Module, pad: int = 1) -> list[Stage]:
    assert isinstance(convolution, nn.Conv2d)
    return [Conv(convolution.weight, convolution.bias, convolution.stride[0], pad), Activation(SLOPE)]
