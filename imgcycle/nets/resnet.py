"""The generator of CycleGAN: two strided convolutions, residual blocks, two transposed convolutions.

Zhu et al., ICCV 2017, appendix 7.2 (after Johnson et al., ECCV 2016).
"""

from __future__ import annotations

from torch import nn

from imgcycle.config import NetConfig
from imgcycle.nets.layers import Generator, conv, doubling, norm_module, norm_stages, normed
from imgcycle.nets.stages import Add, Blur, Conv, Head, PadMode, Save, Stage, Upsample


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions, each normalised unless the config's norm is `none`, around an identity."""

    def __init__(self, channels: int, config: NetConfig) -> None:
        super().__init__()
        bias = config.norm != "batch"
        self.conv1 = conv(channels, channels, 3, bias=bias)
        self.norm1 = norm_module(config.norm, channels)
        self.conv2 = conv(channels, channels, 3, bias=bias)
        self.norm2 = norm_module(config.norm, channels)

    def chain(self, slot: str, mode: PadMode = "reflect") -> list[Stage]:
        """The block's stages, its identity kept in `slot`."""
        return [
            Save(slot),
            *normed(self.conv1, self.norm1, 1, mode),
            Conv(self.conv2.weight, self.conv2.bias, pad=1, mode=mode),
            *norm_stages(self.norm2),
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
        self.streamable = config.norm != "batch"
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
        chain = normed(self.head, self.head_norm, 3, "reflect")
        for down, norm in zip(self.down, self.down_norm, strict=True):
            chain += normed(down, norm, 1, "reflect" if self.config.down == "reflected" else "zero")
            if self.config.down == "blur":
                chain.append(Blur(taps=(1.0, 2.0, 1.0)))
        for index, block in enumerate(self.blocks):
            assert isinstance(block, ResidualBlock)
            chain += block.chain(f"block{index}")
        for up, norm in zip(self.up, self.up_norm, strict=True):
            if self.config.up != "transposed":
                chain.append(Upsample(self.config.up))
            chain += normed(up, norm, 1)
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
        return doubling(inputs, outputs, bias)
    return conv(inputs, outputs, 3, bias=bias)
