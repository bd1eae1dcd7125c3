"""Our own small generator: 2.7 GMAC at 256², no checkerboard by construction, colours kept, stable under shifts.

Five choices set it apart from the ResNet generator:

- **Only residual branches are normalised.** A norm on the trunk removes each channel's mean, and with it the image's
  absolute colour, which later layers then have to guess: results drift in colour from image to image. Here the trunk,
  from pixels to pixels, carries colour through; the branches at a quarter of the size still normalise, which is where
  the style is learnt. The full-size stages without norms are also cheap to stream.
- **Down** is a low-pass filter after the non-linearity, then a convolution on the smaller grid (Zhang 2019), and
  **up** is linear interpolation, then a convolution: no stage depends on the phase of a stride or of a transposed
  kernel, so a shifted image gives more nearly a shifted result (Odena 2016). A trace of a grid remains: interpolated
  values vary less than their sources, and a non-linearity turns that into a difference in levels, 0.1 to 4 levels of
  255 with a period of 4 pixels in trained nets, hundredths of one in those trained with `--lambda-grid`
  (methods/grid.py; tests/benchmarks/grid.py).
- **Without norms** (`norm: none`) the net is a function of a pixel's neighbourhood alone: its result at 1:1 is the same
  in a square of 128 pixels, as in training, and in an image of a hundred megapixels, and strips are exact in one pass.
  Nets that draw strokes at full size are built this way.
- **Luma alone on request**: the net then reads one plane, and adds its one plane of changes to all three colours, which
  keep their differences. What a scan teaches of strokes is in its luma; its palette is one painting's.
- **A skip from input pixels to output pixels only on request**: the net then predicts the change, and unchanged pixels
  stay exact, which suits seasons. A sum may leave [-1, 1], driven by discriminators too: 3 % of the values of `winter`,
  8 % of those of `photo`. Whoever converts to levels, or measures, has to clip. Cycle and identity losses (both L1,
  with a cusp at the identity) never leave the identity once they start there; contrastive ones and a discriminator do.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from imgcycle.config import NetConfig
from imgcycle.nets.layers import Generator, conv, initialise
from imgcycle.nets.resnet import ResidualBlock
from imgcycle.nets.stages import INPUT, Activation, Add, Blur, Conv, Head, Stage, Upsample

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in luma (ITU-R BT.601), as Pillow has them."""


class CompactGenerator(Generator):
    """`depth` residual blocks of `4 × width` channels at a quarter of the size (width 16, 6 blocks)."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        w, c = config.width, 1 if config.luma else config.channels
        self.streamable = config.norm != "batch"
        self.global_residual = config.global_residual
        self.head_kind = config.head
        self.head = conv(c, w, 5)
        self.down = nn.ModuleList([conv(w, 2 * w, 3), conv(2 * w, 4 * w, 3)])
        self.blocks = nn.ModuleList([ResidualBlock(4 * w, config) for _ in range(config.depth)])
        self.up = nn.ModuleList([conv(4 * w, 2 * w, 3), conv(2 * w, w, 3)])
        self.tail = conv(w, c, 5)
        self.luma = config.luma
        if config.luma:
            self.register_buffer("to_luma", torch.tensor(LUMA).view(1, 3, 1, 1), persistent=False)

    def chain(self) -> list[Stage]:
        """Head; blur and convolution twice; blocks; interpolation and convolution twice; tail."""
        head, tail, end = self.head.weight, self.tail.weight, self.tail.bias
        assert end is not None
        if self.luma:
            # As convolutions from and to three colours, so that whatever reads a chain meets nothing new.
            head, tail, end = head * cast(Tensor, self.to_luma), tail.expand(3, -1, -1, -1), end.expand(3)
        chain: list[Stage] = [Conv(head, self.head.bias, pad=2, mode="reflect"), Activation()]
        for down in self.down:
            assert isinstance(down, nn.Conv2d)
            chain += [Blur(), Conv(down.weight, down.bias, pad=1, mode="reflect"), Activation()]
        for index, block in enumerate(self.blocks):
            assert isinstance(block, ResidualBlock)
            chain += block.chain(f"block{index}")
        for up in self.up:
            assert isinstance(up, nn.Conv2d)
            chain += [Upsample(), Conv(up.weight, up.bias, pad=1, mode="reflect"), Activation()]
        chain += [Conv(tail, end, pad=2, mode="reflect"), Head(self.head_kind)]
        return [*chain, Add(INPUT)] if self.global_residual else chain

    def initialise(self) -> None:
        """Kaiming on the trunk, which no norm rescales; branches at half strength; an output that starts near grey.

        With a skip it starts at no change at all. With N(0, 0.02) the trunk's colours would enter the blocks a hundred
        times weaker than the branches.
        """
        initialise(self, "kaiming")
        for block in self.blocks:
            assert isinstance(block, ResidualBlock)
            if isinstance(block.norm2, nn.Identity):
                block.conv2.weight.data.mul_(0.5 / len(self.blocks) ** 0.5)
            elif isinstance(block.norm2.weight, nn.Parameter):
                nn.init.constant_(block.norm2.weight, 0.5)
        nn.init.normal_(self.tail.weight, 0.0, 0.02)
        if self.global_residual:
            self.draw_nothing()

    def draw_nothing(self) -> None:
        """Zero the tail: a net with a skip then returns its input, whatever its trunk has learnt."""
        nn.init.zeros_(self.tail.weight)
        assert self.tail.bias is not None
        nn.init.zeros_(self.tail.bias)

    def feature_taps(self) -> tuple[int, ...]:
        """As for the ResNet generator: pixels, both smaller grids, an early and a late block."""
        stages = len(cast(ResidualBlock, self.blocks[0]).chain(""))
        blocks = [8 + stages * n - 1 for n in range(1, len(self.blocks) + 1)]
        return (-1, 3, 6, blocks[0], blocks[min(4, len(blocks) - 1)])
