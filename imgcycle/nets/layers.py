"""Small parts shared by the nets: the base of all generators, norms as modules, initialisation of weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from imgcycle.config import NormKind, WeightInit
from imgcycle.nets.stages import Activation, Conv, ConvTranspose, Norm, PadMode, Stage, run


class Generator(nn.Module):
    """A net from images to images of the same size; float NCHW RGB in [-1, 1] in and out.

    Subclasses give `chain()`; sides must be multiples of `stride` and at least `min_size`, which the engine's
    padding sees to.
    """

    stride: int = 4
    min_size: int = 8
    streamable: bool = True
    """False where a norm uses statistics of the batch: such a net is run whole."""
    fixed_output_side: int | None = None
    """The side of the one square that a net draws which translates by search: for each picture it finds the code that
    draws it. That takes gradients and seconds, and two frames of a clip are not found alike."""

    def chain(self) -> list[Stage]:
        """The net as an ordered list of stages."""
        raise NotImplementedError

    def stages(self) -> list[Stage] | None:
        """The chain, or None for a net that cannot be walked strip by strip."""
        return self.chain() if self.streamable else None

    def fixed_values(self) -> int | None:
        """Values alive at most, in a net that has as many for pictures of any size; None where they grow with them."""
        return None

    def feature_taps(self) -> tuple[int, ...]:
        """Five places in the chain (-1 is the input) whose planes a contrastive loss compares."""
        raise NotImplementedError

    def initialise(self) -> None:
        """Draw the weights the way this net was made for: N(0, 0.02), as the paper does under norms."""
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Translate `x`."""
        return run(self.chain(), x)[0]

    def encode(self, x: Tensor, taps: Sequence[int]) -> list[Tensor]:
        """The planes at `taps`, computing no further than the last of them."""
        return run(self.chain()[: max(taps) + 1], x, taps)[1]


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """A convolution that holds parameters only; padding is the stage's business."""
    return nn.Conv2d(inputs, outputs, kernel, stride, bias=bias)


def norm_module(kind: NormKind, channels: int, eps: float = 1e-5) -> nn.Module:
    """The module holding a norm's parameters: none, an affine pair, or batch statistics as well.

    For the kind `none` it is an Identity, which has no stage.
    """
    if kind == "none":
        return nn.Identity()
    if kind == "batch":
        return nn.BatchNorm2d(channels, eps)
    if kind == "layer":
        return nn.GroupNorm(1, channels, eps)
    return nn.InstanceNorm2d(channels, eps, affine=kind == "affine")


class LayerNorm(nn.Module):
    """UNIT's norm over a whole image: holds a factor (drawn uniformly from [0, 1)) and an offset per channel."""

    eps = 1e-5

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(channels))
        self.bias = nn.Parameter(torch.zeros(channels))


def norm_stage(module: nn.Module) -> Norm:
    """The stage for a module of `norm_module`, or for a LayerNorm."""
    if isinstance(module, nn.BatchNorm2d):
        return Norm("batch", running=module)
    if isinstance(module, LayerNorm):
        return Norm("layer", module.weight, module.bias, module.eps, unbiased=True)
    if isinstance(module, nn.GroupNorm):
        return Norm("layer", module.weight, module.bias, module.eps)
    assert isinstance(module, nn.InstanceNorm2d)
    return Norm("instance", module.weight, module.bias, module.eps)


def norm_stages(module: nn.Module) -> list[Stage]:
    """The norm's stage in a list, which is empty for a net without norms."""
    return [] if isinstance(module, nn.Identity) else [norm_stage(module)]


def normed(
    convolution: nn.Module, norm: nn.Module, pad: int = 0, mode: PadMode = "zero", slope: float = 0.0
) -> list[Stage]:
    """A convolution's stage, its norm's and an activation's; a transposed one pads as it was made to."""
    stage: Conv | ConvTranspose
    if isinstance(convolution, nn.ConvTranspose2d):
        stage = ConvTranspose(convolution.weight, convolution.bias)
    else:
        assert isinstance(convolution, nn.Conv2d)
        stage = Conv(convolution.weight, convolution.bias, convolution.stride[0], pad, mode)
    return [stage, *norm_stages(norm), Activation(slope)]


def doubling(inputs: int, outputs: int, bias: bool = True) -> nn.ConvTranspose2d:
    """The transposed 3×3 convolution that doubles both sides exactly."""
    return nn.ConvTranspose2d(inputs, outputs, 3, 2, padding=1, output_padding=1, bias=bias)


def initialise(net: nn.Module, kind: WeightInit = "normal", gain: float = 0.02) -> None:
    """Draw all weights anew: convolutions and linear layers by `kind`, biases 0, affine norms N(1, gain)/0.

    The reference's four ways (`init_weights`): normal N(0, gain), xavier, kaiming (fan-in), orthogonal.
    Draws from torch's global generator.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            if kind == "normal":
                nn.init.normal_(module.weight, 0.0, gain)
            elif kind == "xavier":
                nn.init.xavier_normal_(module.weight, gain)
            elif kind == "kaiming":
                nn.init.kaiming_normal_(module.weight, a=0, mode="fan_in")
            else:
                nn.init.orthogonal_(module.weight, gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d | nn.GroupNorm) and module.weight is not None:
            nn.init.normal_(module.weight, 1.0, gain)
            nn.init.zeros_(module.bias)


def device_of(net: nn.Module) -> torch.device:
    """Where a net's first parameter lives (the CPU for a net without any)."""
    first = next(net.parameters(), None)
    return torch.device("cpu") if first is None else first.device
