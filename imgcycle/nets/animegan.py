"""The generator of AnimeGANv2: inverted residual blocks of depthwise convolutions, norms over whole pictures.

Chen, Liu and Chen, AnimeGAN: A Novel Lightweight GAN for Photo Animation, ISICA 2019, in its second version as the
PyTorch port has it. Halving convolutions pad below and on the right alone. The port doubles by linear interpolation
in two ways; here it is the one with half-pixel centres, which looks at neighbours alone and so goes in strips.
"""

from __future__ import annotations

from typing import cast

from torch import nn

from imgcycle.config import NetConfig
from imgcycle.nets.layers import Generator, conv, norm_module, norm_stages
from imgcycle.nets.stages import Activation, Add, Conv, Head, Save, Stage, Upsample

SLOPE = 0.2
"""Of every LeakyReLU."""


class NormedConv(nn.Module):
    """A convolution over reflected edges and its norm; a depthwise one has a bias, others have none."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, depthwise: bool = False) -> None:
        super().__init__()
        groups = inputs if depthwise else 1
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=depthwise)
        self.norm = norm_module("layer", outputs)

    def chain(self, active: bool = True) -> list[Stage]:
        """Convolution, norm, and LeakyReLU where it is `active`."""
        made, around = self.conv, self.conv.kernel_size[0] // 2
        pads = (0, 1) if made.stride[0] == 2 else (around, around)
        stage = Conv(made.weight, made.bias, made.stride[0], pads[0], "reflect", pads[1], made.groups)
        return [stage, *norm_stages(self.norm), *([Activation(SLOPE)] if active else [])]


class InvertedBlock(nn.Module):
    """1×1 to twice as many channels, depthwise 3×3, 1×1 to `outputs`; around an identity where widths are the same."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.widen = NormedConv(inputs, 2 * inputs, 1)
        self.depthwise = NormedConv(2 * inputs, 2 * inputs, depthwise=True)
        self.narrow = NormedConv(2 * inputs, outputs, 1)
        self.adds = inputs == outputs

    def chain(self, slot: str) -> list[Stage]:
        """The block's stages, its identity saved in `slot`."""
        row = [*self.widen.chain(), *self.depthwise.chain(), *self.narrow.chain(active=False)]
        return [Save(slot), *row, Add(slot)] if self.adds else row


class AnimeganGenerator(Generator):
    """`depth` inverted residual blocks of `8 × width` channels at a quarter of the size (4, 32: 2,143,552 values)."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        w, c = config.width, config.channels
        self.down = nn.ModuleList(
            [
                *(NormedConv(c, w, 7), NormedConv(w, 2 * w, stride=2), NormedConv(2 * w, 2 * w)),
                *(NormedConv(2 * w, 4 * w, stride=2), NormedConv(4 * w, 4 * w), NormedConv(4 * w, 4 * w)),
            ]
        )
        self.blocks = nn.ModuleList([InvertedBlock(4 * w if n == 0 else 8 * w, 8 * w) for n in range(config.depth)])
        self.up = nn.ModuleList(
            [
                *(NormedConv(8 * w, 4 * w), NormedConv(4 * w, 4 * w), NormedConv(4 * w, 4 * w)),
                *(NormedConv(4 * w, 2 * w), NormedConv(2 * w, 2 * w), NormedConv(2 * w, w, 7)),
            ]
        )
        self.tail = conv(w, c, 1, bias=False)

    def chain(self) -> list[Stage]:
        """Six convolutions down, blocks, six convolutions up with two doublings between them, tail."""
        chain: list[Stage] = []
        for layer in self.down:
            chain += cast(NormedConv, layer).chain()
        for index, block in enumerate(self.blocks):
            chain += cast(InvertedBlock, block).chain(f"block{index}")
        for index, layer in enumerate(self.up):
            chain += [Upsample()] if index in (1, 3) else []
            chain += cast(NormedConv, layer).chain()
        return [*chain, Conv(self.tail.weight, None), Head()]

    def feature_taps(self) -> tuple[int, ...]:
        """As for the ResNet generator: pixels, both halvings, an early and a late block."""
        ends, at = [], 3 * len(self.down)
        for block in self.blocks:
            at += len(cast(InvertedBlock, block).chain(""))
            ends.append(at - 1)
        return (-1, 3, 9, ends[0], ends[min(4, len(ends) - 1)])
