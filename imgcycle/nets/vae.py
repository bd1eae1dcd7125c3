"""UNIT's generators: an encoder to a latent space that two domains share, a decoder to one of them.

Liu, Breuel and Kautz, NIPS 2017 (arXiv 1703.00848), here in the form of the authors' rewrite of 2018: nothing shared
between the two sides, a decoder with layer norms. Translating A to B is B's decoder after A's encoder; the latent's
noise is used in training alone.
"""

from __future__ import annotations

from torch import Tensor, nn

from imgcycle.config import NetConfig
from imgcycle.nets.layers import Generator, LayerNorm, conv, initialise, norm_module, normed
from imgcycle.nets.resnet import ResidualBlock
from imgcycle.nets.stages import Conv, Head, PadMode, Stage, Upsample, run_stages


class LatentGenerator(Generator):
    """A generator in two halves: encoder and decoder.

    Subclasses hold their residual blocks in `encoder` and `decoder`, the last of one and the first of the other next to
    the latent: those are what two generators may share.
    """

    encoder: nn.ModuleList
    decoder: nn.ModuleList

    def encoding(self) -> list[Stage]:
        """Stages from pixels to the latent's mean."""
        raise NotImplementedError

    def decoding(self) -> list[Stage]:
        """Stages from the latent to pixels."""
        raise NotImplementedError

    def chain(self) -> list[Stage]:
        """Encoder, then decoder: outside training the mean is decoded."""
        return [*self.encoding(), *self.decoding()]

    def to_latent(self, x: Tensor) -> Tensor:
        """Mean of the latent of images: (N, C, H, W) → (N, 4 × width, H/4, W/4)."""
        return run_stages(self.encoding(), x)[0]

    def from_latent(self, z: Tensor) -> Tensor:
        """Images in [-1, 1] from latents."""
        return run_stages(self.decoding(), z)[0]

    def share(self, other: LatentGenerator, blocks: int) -> None:
        """Use the `blocks` residual blocks of `other` on either side of the latent from now on."""
        for n in range(1, blocks + 1):
            self.encoder[-n] = other.encoder[-n]
            self.decoder[n - 1] = other.decoder[n - 1]


class UnitGenerator(LatentGenerator):
    """One direction of UNIT: `depth` residual blocks to encode and as many to decode.

    Every convolution has reflection padding; 4×4 ones halve, 5×5 ones follow nearest-neighbour upsampling. Width 64 and
    4 blocks: 11,140,483 values.
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

    def encoding(self) -> list[Stage]:
        """Head, two downs, residual blocks."""
        chain = normed(self.head, self.head_norm, 3, "reflect")
        for down, norm in zip(self.down, self.down_norm, strict=True):
            chain += normed(down, norm, 1, "reflect")
        return chain + block_stages(self.encoder, "encoder")

    def decoding(self) -> list[Stage]:
        """Residual blocks, two ups, tail."""
        chain = block_stages(self.decoder, "decoder")
        for up, norm in zip(self.up, self.up_norm, strict=True):
            chain += [Upsample("nearest"), *normed(up, norm, 2, "reflect")]
        return [*chain, Conv(self.tail.weight, self.tail.bias, pad=3, mode="reflect"), Head()]

    def initialise(self) -> None:
        """Kaiming, as in the rewrite."""
        initialise(self, "kaiming")

    def feature_taps(self) -> tuple[int, ...]:
        """As for the ResNet generator: pixels, both downsamplings, an early block and the one next to the latent."""
        return block_taps(9, 2 * len(self.encoder))


def block_stages(blocks: nn.ModuleList, half: str, mode: PadMode = "reflect") -> list[Stage]:
    """Stages of a half's residual blocks, each with a slot of its own."""
    chain: list[Stage] = []
    for index, block in enumerate(blocks):
        assert isinstance(block, ResidualBlock)
        chain += block.chain(f"{half}{index}", mode)
    return chain


def block_taps(first: int, blocks: int) -> tuple[int, ...]:
    """Taps of a chain whose blocks begin at stage `first`, after a head and two downsamplings of three stages each."""
    ends = [first + 7 * n - 1 for n in range(1, blocks + 1)]
    return (-1, first - 6, first - 3, ends[0], ends[min(4, blocks - 1)])
