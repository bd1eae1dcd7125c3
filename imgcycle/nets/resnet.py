"""The generator of CycleGAN: two strided convolutions, residual blocks, two transposed convolutions; and its kin.

Zhu et al., ICCV 2017, appendix 7.2 (after Johnson et al., ECCV 2016, whose own nets are of this family too).
"""

from __future__ import annotations

import itertools

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
        self.norm1 = norm_module(config.norm, channels, config.eps)
        self.conv2 = conv(channels, channels, 3, bias=bias)
        self.norm2 = norm_module(config.norm, channels, config.eps)

    def chain(self, slot: str, mode: PadMode = "reflect", slope: float = 0.0) -> list[Stage]:
        """The block's stages, its identity kept in `slot`; `slope` is the activation's."""
        return [
            Save(slot),
            *normed(self.conv1, self.norm1, 1, mode, slope),
            Conv(self.conv2.weight, self.conv2.bias, pad=1, mode=mode),
            *norm_stages(self.norm2),
            Add(slot),
        ]


class ResnetGenerator(Generator):
    """`depth` residual blocks at a quarter of the size, `4 × width` channels (9 blocks, 64: 11,378,179 values).

    With other `config.downs` the size is halved, and the width doubled, as many times (pix2pixHD's global generator:
    4). With two `config.convs` the one that changes the size is followed by another before the norm (CartoonGAN).
    `config.down` and `config.up` choose how sizes change. The paper's way is `strided` and `transposed`; with `blur`
    and `linear` it is CUT's antialiased generator (Park et al., ECCV 2020): a low-pass of taps 1, 2, 1 after the
    non-linearity, and up by interpolation before the convolution.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        w, c, bias = config.width, config.channels, config.norm != "batch"
        self.config = config
        self.streamable = config.norm != "batch"
        self.stride, self.min_size = 2**config.downs, 2 ** (config.downs + 1)
        widths = [w * 2**n for n in range(config.downs + 1)]
        levels = list(itertools.pairwise(widths))
        twice = config.convs == 2
        self.head = conv(c, w, config.ends, bias=bias)
        self.head_norm = norm_module(config.norm, w, config.eps)
        stride = 1 if config.down == "blur" else 2
        self.down = nn.ModuleList([conv(i, o, 3, stride, bias) for i, o in levels])
        self.down_second = nn.ModuleList([conv(o, o, 3, bias=bias) for _, o in levels if twice])
        self.down_norm = nn.ModuleList([norm_module(config.norm, o, config.eps) for _, o in levels])
        self.blocks = nn.ModuleList([ResidualBlock(widths[-1], config) for _ in range(config.depth)])
        self.up = nn.ModuleList([_up(config, i, o) for o, i in reversed(levels)])
        self.up_second = nn.ModuleList([conv(o, o, 3, bias=bias) for o, _ in reversed(levels) if twice])
        self.up_norm = nn.ModuleList([norm_module(config.norm, o, config.eps) for o, _ in reversed(levels)])
        self.tail = conv(w, c, config.ends)

    def chain(self) -> list[Stage]:
        """Head, downs, blocks, ups, tail."""
        edge = self.config.ends // 2
        chain = normed(self.head, self.head_norm, edge, "reflect")
        for level in range(self.config.downs):
            mode: PadMode = "reflect" if self.config.down == "reflected" else "zero"
            chain += _level(self.down, self.down_second, self.down_norm, level, mode)
            if self.config.down == "blur":
                chain.append(Blur(taps=(1.0, 2.0, 1.0)))
        for index, block in enumerate(self.blocks):
            assert isinstance(block, ResidualBlock)
            chain += block.chain(f"block{index}")
        for level in range(self.config.downs):
            if self.config.up != "transposed":
                chain.append(Upsample("linear" if self.config.up == "linear" else "nearest"))
            mode = "reflect" if self.config.up == "reflected" else "zero"
            chain += _level(self.up, self.up_second, self.up_norm, level, mode)
        return [*chain, Conv(self.tail.weight, self.tail.bias, pad=edge, mode="reflect"), Head(self.config.head)]

    def feature_taps(self) -> tuple[int, ...]:
        """CUT's layers 0, 4, 8, 12, 16: pixels, both downsampling convolutions, first and fifth block.

        With more halvings, or fewer, the first and the last of them.
        """
        per_down = 2 + self.config.convs + (self.config.down == "blur")
        first = 3 + self.config.downs * per_down
        blocks = [first + 7 * n - 1 for n in range(1, len(self.blocks) + 1)]
        return (-1, 3, first - per_down, blocks[0], blocks[min(4, len(blocks) - 1)])


def _level(convs: nn.ModuleList, second: nn.ModuleList, norms: nn.ModuleList, level: int, mode: PadMode) -> list[Stage]:
    """One change of size: a convolution, perhaps another one, their norm and ReLU."""
    stages = normed(convs[level], norms[level], 1, mode)
    if not len(second):
        return stages
    return [stages[0], *normed(second[level], norms[level], 1, mode)]


def _up(config: NetConfig, inputs: int, outputs: int) -> nn.Module:
    bias = config.norm != "batch"
    if config.up == "transposed":
        return doubling(inputs, outputs, bias)
    return conv(inputs, outputs, 3, bias=bias)
