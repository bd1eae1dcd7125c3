"""The generator of CycleGAN: two strided convolutions, residual blocks, two transposed convolutions.

Zhu et al., ICCV 2017, appendix 7.2 (after Johnson et al., ECCV 2016).
"""

from __future__ import annotations

from typing import Literal

from torch import nn

from imgcycle.config import NetConfig
from imgcycle.nets.layers import Generator, conv, norm_module, norm_stage
from imgcycle.nets.stages import Activation, Add, Blur, Conv, ConvTranspose, Head, PadMode, Save, Stage, Upsample


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
    """`depth` residual blocks at a quarter of the size, `4 × width` channels (9 blocks, 64: 11,378,179 values).

    `config.down` and `config.up` choose how sizes change. The paper's way is `strided` and `transposed`; with
    `blur` and `linear` it is CUT's antialiased generator (Park et al., ECCV 2020): a low-pass of taps 1, 2, 1 after
    the non-linearity, and up by interpolation before the convolution.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        w, c, bias = config.width, config.channels, config.norm != "batch"
        self.config = config
        self.walkable = config.norm != "batch"
        stride = 1 if config.down == "blur" else 2
        self.head = conv(c, w, 7, bias=bias)
        self.head_norm = norm_module(config.norm, w)
        self.down = nn.ModuleList([conv(w, 2 * w, 3, stride, bias), conv(2 * w, 4 * w, 3, stride, bias)])
        self.down_norm = nn.ModuleList([norm_module(config.norm, 2 * w), norm_module(config.norm, 4 * w)])
        self.blocks = nn.ModuleList([ResidualBlock(4 * w, config) for _ in range(config.depth)])
        self.up = nn.ModuleList([_up(config, 4 * w, 2 * w), _up(config, 2 * w, w)])
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
            mode: PadMode = "reflect" if self.config.down == "reflected" else "zero"
            chain += [Conv(down.weight, down.bias, down.stride[0], 1, mode), norm_stage(norm), Activation()]
            if self.config.down == "blur":
                chain.append(Blur(taps=(1.0, 2.0, 1.0)))
        for index, block in enumerate(self.blocks):
            assert isinstance(block, ResidualBlock)
            chain += block.chain(f"block{index}")
        for up, norm in zip(self.up, self.up_norm, strict=True):
            if isinstance(up, nn.ConvTranspose2d):
                chain += [ConvTranspose(up.weight, up.bias), norm_stage(norm), Activation()]
            else:
                assert isinstance(up, nn.Conv2d)
                mode_up: Literal["nearest", "linear"] = "nearest" if self.config.up == "nearest" else "linear"
                chain += [Upsample(mode_up), Conv(up.weight, up.bias, pad=1), norm_stage(norm), Activation()]
        return [*chain, Conv(self.tail.weight, self.tail.bias, pad=3, mode="reflect"), Head()]

    def feature_taps(self) -> tuple[int, ...]:
        """CUT's layers 0, 4, 8, 12, 16: pixels, both downsampling convolutions, first and fifth block."""
        per_down = 4 if self.config.down == "blur" else 3
        first = 3 + 2 * per_down
        blocks = [first + 7 * n - 1 for n in range(1, len(self.blocks) + 1)]
        return (-1, 3, 3 + per_down, blocks[0], blocks[min(4, len(blocks) - 1)])


def _up(config: NetConfig, inputs: int, outputs: int) -> nn.Module:
    bias = config.norm != "batch"
    if config.up == "transposed":
        return nn.ConvTranspose2d(inputs, outputs, 3, 2, padding=1, output_padding=1, bias=bias)
    return conv(inputs, outputs, 3, bias=bias)
