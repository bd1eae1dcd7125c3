"""Parts shared by the nets: the base of all generators, norms as modules, initialisation of weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from imgcycle.config import NormKind, WeightInit
from imgcycle.nets.stages import Activation, Conv, ConvTranspose, Norm, PadMode, Stage, run_stages


class Generator(nn.Module):
    """A net from images to images of the same size; float NCHW RGB in [-1, 1] in and out.

    Subclasses define `chain()`; sides must be multiples of `stride` and at least `min_size`, which the engine's padding
    ensures.
    """

    stride: int = 4
    min_size: int = 8
    streamable: bool = True
    """False if a norm uses batch statistics: such a net is run whole."""
    fixed_output_side: int | None = None
    """Output side of a net that translates by latent optimisation (CoGAN); None for feed-forward nets.

    Optimisation needs gradients and seconds, and two frames of a clip are not fitted alike.
    """

    def chain(self) -> list[Stage]:
        """The net as an ordered list of stages."""
        raise NotImplementedError

    def stages(self) -> list[Stage] | None:
        """The chain, or None for a net that cannot be run strip by strip."""
        return self.chain() if self.streamable else None

    def fixed_values(self) -> int | None:
        """Peak number of values of a net for which it does not depend on the image's size; None for others."""
        return None

    def values_per_pixel(self) -> float | None:
        """Values alive at most for each pixel, in a net that knows; None where its layers are to be counted."""
        return None

    def feature_taps(self) -> tuple[int, ...]:
        """Five positions in the chain (-1 is the input) whose planes a contrastive loss compares."""
        raise NotImplementedError

    def initialise(self) -> None:
        """Initialise the weights in this net's own way: N(0, 0.02), as in the paper with norms."""
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Translate `x`."""
        return run_stages(self.chain(), x)[0]

    def encode(self, x: Tensor, taps: Sequence[int]) -> list[Tensor]:
        """Planes at `taps`, computed no further than the last of them."""
        return run_stages(self.chain()[: max(taps) + 1], x, taps)[1]


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """A convolution that holds parameters only; padding is done by the stage."""
    return nn.Conv2d(inputs, outputs, kernel, stride, bias=bias)


def norm_module(kind: NormKind, channels: int, eps: float = 1e-5) -> nn.Module:
    """Module of a norm's parameters: none, an affine pair, or batch statistics as well.

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
    """UNIT's norm over a whole image: a scale (initialised uniformly in [0, 1)) and a shift per channel."""

    eps = 1e-5

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(channels))
        self.bias = nn.Parameter(torch.zeros(channels))


def norm_stage(module: nn.Module) -> Norm:
    """Stage of a module of `norm_module`, or of a LayerNorm."""
    if isinstance(module, nn.BatchNorm2d):
        return Norm("batch", running=module)
    if isinstance(module, LayerNorm):
        return Norm("layer", module.weight, module.bias, module.eps, unbiased=True)
    if isinstance(module, nn.GroupNorm):
        return Norm("layer", module.weight, module.bias, module.eps)
    assert isinstance(module, nn.InstanceNorm2d)
    return Norm("instance", module.weight, module.bias, module.eps)


def norm_stages(module: nn.Module) -> list[Stage]:
    """A list of the norm's stage, empty for a net without norms."""
    return [] if isinstance(module, nn.Identity) else [norm_stage(module)]


def normed(
    convolution: nn.Module, norm: nn.Module, pad: int = 0, mode: PadMode = "zero", slope: float = 0.0
) -> list[Stage]:
    """Stages of a convolution, its norm and an activation; a transposed one pads as it was constructed."""
    stage: Conv | ConvTranspose
    if isinstance(convolution, nn.ConvTranspose2d):
        stage = ConvTranspose(convolution.weight, convolution.bias)
    else:
        assert isinstance(convolution, nn.Conv2d)
        stage = Conv(convolution.weight, convolution.bias, convolution.stride[0], pad, mode)
    return [stage, *norm_stages(norm), Activation(slope)]


def doubling(inputs: int, outputs: int, bias: bool = True) -> nn.ConvTranspose2d:
    """A transposed 3×3 convolution that doubles both sides exactly."""
    return nn.ConvTranspose2d(inputs, outputs, 3, 2, padding=1, output_padding=1, bias=bias)


def initialise(net: nn.Module, kind: WeightInit = "normal", gain: float = 0.02) -> None:
    """Initialise all weights: convolutions and linear layers by `kind`, biases 0, affine norms N(1, gain)/0.

    The reference's four kinds (`init_weights`): normal N(0, gain), xavier, kaiming (fan-in), orthogonal. Draws from
    torch's global generator.
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
    """Device of a net's first parameter (the CPU for a net without any)."""
    first = next(net.parameters(), None)
    return torch.device("cpu") if first is None else first.device
