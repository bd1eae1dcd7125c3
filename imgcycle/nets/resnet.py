"""The generator of CycleGAN: two strided convolutions, residual blocks, two transposed convolutions.

Zhu et al., ICCV 2017, appendix 7.2 (after Johnson et al., ECCV 2016).
"""

from __future__ import annotations

from torch import nn

from imgcycle.config import NetConfig
from imgcycle.nets.layers import Generator, conv, norm_module, norm_stage
from imgcycle.nets.stages import Activation, Add, Conv, ConvTranspose, Head, Save, Stage


class ResidualBlock(nn.Module):
    """Two reflected 3×3 convolutions, each normalised, around an identity."""

    def __init__(self, channels: int, config: NetConfig) -> None:
        super().__init__()
        bias = config.norm != "batch"
        self.conv1 = conv(channels, channels, 3, bias=bias)
        self.norm1 = norm_module(config.norm, channels)
        self.conv2 = conv(channels, channels, 3, bias=bias)
        self.norm2 = norm_module(config.norm, channels)

    def chain(self, slot: str) -> list[Stage]:
        """The block's stages, its identity kept in `slot`."""
        return [
            Save(slot),
            Conv(self.conv1.weight, self.conv1.bias, pad=1, mode="reflect"),
            norm_stage(self.norm1),
            Activation(),
            Conv(self.conv2.weight, self.conv2.bias, pad=1, mode="reflect"),
            norm_stage(self.norm2),
            Add(slot),
        ]


class ResnetGenerator(Generator):
    """`depth` residual blocks at a quarter of the size, `4 × width` channels (9 blocks, 64: 11,378,179 values)."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        w, c, bias = config.width, config.channels, config.norm != "batch"
        self.walkable = config.norm != "batch"
        self.head = conv(c, w, 7, bias=bias)
        self.head_norm = norm_module(config.norm, w)
        self.down = nn.ModuleList([conv(w, 2 * w, 3, 2, bias), conv(2 * w, 4 * w, 3, 2, bias)])
        self.down_norm = nn.ModuleList([norm_module(config.norm, 2 * w), norm_module(config.norm, 4 * w)])
        self.blocks = nn.ModuleList([ResidualBlock(4 * w, config) for _ in range(config.depth)])
        self.up = nn.ModuleList(
            [
                nn.ConvTranspose2d(4 * w, 2 * w, 3, 2, padding=1, output_padding=1, bias=bias),
                nn.ConvTranspose2d(2 * w, w, 3, 2, padding=1, output_padding=1, bias=bias),
            ]
        )
        self.up_norm = nn.ModuleList([norm_module(config.norm, 2 * w), norm_module(config.norm, w)])
        self.tail = conv(w, c, 7)

    def chain(self) -> list[Stage]:
        """Head, two downs, blocks, two ups, tail."""
        chain: list[Stage] = [
            Conv(self.head.weight, self.head.bias, pad=3, mode="reflect"),
            norm_stage(self.head_norm),
            Activation(),
        ]
        for down, norm in zip(self.down, self.down_norm, strict=True):
            assert isinstance(down, nn.Conv2d)
            chain += [Conv(down.weight, down.bias, stride=2, pad=1), norm_stage(norm), Activation()]
        for index, block in enumerate(self.blocks):
            assert isinstance(block, ResidualBlock)
            chain += block.chain(f"block{index}")
        for up, norm in zip(self.up, self.up_norm, strict=True):
            assert isinstance(up, nn.ConvTranspose2d)
            chain += [ConvTranspose(up.weight, up.bias), norm_stage(norm), Activation()]
        return [*chain, Conv(self.tail.weight, self.tail.bias, pad=3, mode="reflect"), Head()]

    def feature_taps(self) -> tuple[int, ...]:
        """CUT's layers 0, 4, 8, 12, 16: pixels, both downsampling convolutions, first and fifth block."""
        blocks = [9 + 7 * n - 1 for n in range(1, len(self.blocks) + 1)]
        return (-1, 3, 6, blocks[0], blocks[min(4, len(blocks) - 1)])
