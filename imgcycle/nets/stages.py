"""A generator described as an ordered list of stages, and the one function that runs such a list.

`Generator.forward(x)` *is* `run(chain, x)`, so the description cannot differ from the net. Whatever processes a net
another way (row strips, folding of norms, export, counting of multiply-adds) reads the same list.

Between two norms every stage is local: Conv, ConvTranspose, Upsample and Blur read a few rows around, the rest single
pixels. Only a Norm depends on the whole plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from imgcycle.config import HeadKind
from imgcycle.nets.kernels.interleaved import (
    LINEAR_TAPS,
    LinearBlur,
    LinearUpsample,
    instance_normalised,
    is_interleaved,
)

PadMode = Literal["zero", "reflect", "replicate"]
INPUT = "input"
"""Slot that always holds the net's own input."""


@dataclass(frozen=True, slots=True, eq=False)
class Conv:
    """Convolution with `pad` rows and columns of `mode` padding; weight (out, in/groups, k, k).

    `after` is the padding below and on the right where it differs from that above and on the left.
    """

    weight: Tensor
    bias: Tensor | None
    stride: int = 1
    pad: int = 0
    mode: PadMode = "zero"
    after: int | None = None
    groups: int = 1

    @property
    def pads(self) -> tuple[int, int]:
        """Rows or columns of padding before and after."""
        return self.pad, self.pad if self.after is None else self.after


@dataclass(frozen=True, slots=True, eq=False)
class ConvTranspose:
    """Transposed convolution; weight (in, out, k, k)."""

    weight: Tensor
    bias: Tensor | None
    stride: int = 2
    pad: int = 1
    output_pad: int = 1


@dataclass(frozen=True, slots=True)
class Upsample:
    """Upsampling of both sides by 2: `nearest`, or `linear` (half-pixel centres, edges replicated)."""

    mode: Literal["nearest", "linear"] = "linear"


@dataclass(frozen=True, slots=True)
class Blur:
    """Per-channel low-pass with the separable kernel taps⊗taps / (Σtaps)², then every `stride`-th pixel.

    Richard Zhang, Making Convolutional Networks Shift-Invariant Again, ICML 2019.
    """

    taps: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0)
    stride: int = 2
    mode: PadMode = "reflect"


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """Normalisation, then a scale and a shift for each channel.

    `instance` uses the statistics over H×W of each channel, `layer` those over C×H×W of each image, `batch` the batch's
    or the running ones (`running` is then the module that holds them). `unbiased` (layer norms alone) is UNIT's
    formula: (x − mean) / (std + eps), with n − 1 in the variance and eps outside the root.
    """

    kind: Literal["instance", "layer", "batch"] = "instance"
    weight: Tensor | None = None
    bias: Tensor | None = None
    eps: float = 1e-5
    running: torch.nn.BatchNorm2d | None = None
    unbiased: bool = False


@dataclass(frozen=True, slots=True)
class Activation:
    """ReLU, or LeakyReLU if `slope` is above 0."""

    slope: float = 0.0


@dataclass(frozen=True, slots=True)
class Save:
    """Save the current planes under a name, for a later Add."""

    slot: str


@dataclass(frozen=True, slots=True)
class Add:
    """Add saved planes (or the net's input) to the current ones."""

    slot: str


@dataclass(frozen=True, slots=True)
class Head:
    """The last step to [-1, 1], in float32 at least: near ±1 bfloat16 tells only 256 levels apart.

    `tanh` squashes, `clamp` cuts off what lies beyond. `wide` is 2 · tanh(x / 2), in [-2, 2], for changes to an input:
    as steep as `tanh` where little changes. `scaled` is 150 · tanh in levels from 0 to 255, cut off, as
    some nets after Johnson et al. (ECCV 2016) end.
    """

    kind: HeadKind = "tanh"


Stage = Conv | ConvTranspose | Upsample | Blur | Norm | Activation | Save | Add | Head


def run_stages(chain: Sequence[Stage], x: Tensor, taps: Sequence[int] = ()) -> tuple[Tensor, list[Tensor]]:
    """Run a chain over `x` (NCHW); returns the last planes, and the planes after each stage in `taps`.

    A tap of -1 is the input itself.
    """
    slots: dict[str, Tensor] = {INPUT: x}
    wanted = set(taps)
    found: dict[int, Tensor] = {-1: x} if -1 in wanted else {}
    for index, stage in enumerate(chain):
        x = step(stage, x, slots)
        if index in wanted:
            found[index] = x
    return x, [found[t] for t in taps]


def step(stage: Stage, x: Tensor, slots: dict[str, Tensor]) -> Tensor:  # noqa: PLR0911 - one return a stage
    """Run one stage; `slots` is read by Add and written by Save."""
    match stage:
        case Conv():
            x, pad = pad_planes(x, stage.pads, stage.mode)
            return F.conv2d(x, stage.weight, stage.bias, stage.stride, pad, groups=stage.groups)
        case Norm():
            return _normalise(stage, x)
        case Activation():
            return F.leaky_relu(x, stage.slope) if stage.slope else F.relu(x)
        case Blur():
            return blur(x, stage.taps, stage.stride, stage.mode)
        case Upsample():
            return upsample(x, stage.mode)
        case ConvTranspose():
            return F.conv_transpose2d(x, stage.weight, stage.bias, stage.stride, stage.pad, stage.output_pad)
        case Save():
            slots[stage.slot] = x
            return x
        case Add():
            return x + slots[stage.slot]
        case Head():
            return squashed(stage, widened(x))


def squashed(head: Head, x: Tensor) -> Tensor:
    """Apply a Head's function to planes in float32 or wider."""
    if head.kind == "clamp":
        return x.clamp(-1, 1)
    if head.kind == "wide":
        return 2 * torch.tanh(x / 2)
    x = torch.tanh(x)
    return x if head.kind == "tanh" else (x * _SCALED - 1).clamp(-1, 1)


_SCALED = 150 / 127.5


def widened(x: Tensor) -> Tensor:
    """Planes in float32; wider dtypes unchanged."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def pad_planes(x: Tensor, pads: tuple[int, int], mode: PadMode) -> tuple[Tensor, int]:
    """Pad before and after; even zero padding is returned as the second value, for the convolution.

    Autocast would convert the planes to float32 for a reflection and back for the next convolution, so it is switched
    off around it: copying values needs no precision.
    """
    before, after = pads
    if before == after and (mode == "zero" or not before):
        return x, before
    with torch.autocast(x.device.type, enabled=False):
        return F.pad(x, (before, after, before, after), "constant" if mode == "zero" else mode), 0


def upsample(x: Tensor, mode: Literal["nearest", "linear"]) -> Tensor:
    """Double both sides of NCHW planes."""
    if mode == "nearest":
        return F.interpolate(x, scale_factor=2, mode="nearest")
    with torch.autocast(x.device.type, enabled=False):
        if is_interleaved(x):
            return LinearUpsample.apply(x, _channel_kernel(LINEAR_TAPS, x))  # type: ignore[no-untyped-call, no-any-return]
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def blur(x: Tensor, taps: tuple[float, ...], stride: int, mode: PadMode) -> Tensor:
    """Low-pass each channel with taps⊗taps normalised to sum 1, keeping every `stride`-th pixel.

    Padding as in Zhang's BlurPool: (k − 1)/2 rounded down before, rounded up after.
    """
    kernel = _channel_kernel(taps, x)
    usual = taps == LINEAR_TAPS and stride == 2 and mode == "reflect" and not (x.shape[2] % 2 or x.shape[3] % 2)
    if usual and is_interleaved(x):
        with torch.autocast(x.device.type, enabled=False):
            return LinearBlur.apply(x, kernel)  # type: ignore[no-untyped-call, no-any-return]
    before, after = (len(taps) - 1) // 2, len(taps) // 2
    with torch.autocast(x.device.type, enabled=False):
        padded = F.pad(x, (before, after, before, after), "constant" if mode == "zero" else mode)
        return F.conv2d(padded, kernel, stride=stride, groups=x.shape[1])


def _channel_kernel(taps: tuple[float, ...], x: Tensor) -> Tensor:
    return blur_kernel(taps, x.dtype, x.device).expand(x.shape[1], 1, -1, -1)


def blur_kernel(taps: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """taps⊗taps / (Σtaps)², (k, k)."""
    if torch._C._get_tracing_state() is not None or torch.compiler.is_compiling():  # part of that graph, of no other
        return _blur_kernel.__wrapped__(taps, dtype, device)
    return _blur_kernel(taps, dtype, device)


@cache
def _blur_kernel(taps: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    # Kept, for a copy to a GPU at every call would wait for it; asked for in inference, it must serve training too.
    with torch.inference_mode(False), torch.no_grad():
        line = torch.tensor(taps, dtype=torch.float32, device=device)
        kernel = torch.outer(line, line)
        return (kernel / kernel.sum()).to(dtype)


def _normalise(norm: Norm, x: Tensor) -> Tensor:
    if norm.running is not None:
        return norm.running(x)  # type: ignore[no-any-return]
    if norm.kind == "layer":
        return _normalise_layer(norm, x)
    if is_interleaved(x):
        with torch.autocast(x.device.type, enabled=False):
            return instance_normalised(x, norm.weight, norm.bias, norm.eps)
    # A group per channel is the instance norm, in a kernel several times faster on the CPU.
    with torch.autocast(x.device.type, enabled=False):
        weight = None if norm.weight is None else norm.weight.to(x.dtype)
        bias = None if norm.bias is None else norm.bias.to(x.dtype)
        return F.group_norm(x, x.shape[1], weight, bias, norm.eps)


def _normalise_layer(norm: Norm, x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        weight = None if norm.weight is None else norm.weight.to(x.dtype)
        bias = None if norm.bias is None else norm.bias.to(x.dtype)
        if not norm.unbiased:
            return F.group_norm(x, 1, weight, bias, norm.eps)
        # The statistics of a whole image are summed in float32: 16 bits are too few for a million values.
        std, mean = torch.std_mean(x.float(), (1, 2, 3), correction=1, keepdim=True)
        x = ((x - mean) / (std + norm.eps)).to(x.dtype)
        x = x if weight is None else x * weight.view(1, -1, 1, 1)
        return x if bias is None else x + bias.view(1, -1, 1, 1)


def multiply_adds(chain: Sequence[Stage], height: int, width: int) -> int:
    """Multiply-adds of all convolutions of a chain on one image of `height` × `width` pixels.

    Transposed convolutions are counted at their input size (each input pixel meets each weight once).
    """
    total = 0
    for stage in chain:
        match stage:
            case Conv():
                k = stage.weight.shape[-1]
                height = (height + sum(stage.pads) - k) // stage.stride + 1
                width = (width + sum(stage.pads) - k) // stage.stride + 1
                total += stage.weight.numel() * height * width
            case ConvTranspose():
                total += stage.weight.numel() * height * width
                height, width = height * stage.stride, width * stage.stride
            case Upsample():
                height, width = height * 2, width * 2
            case Blur():
                height, width = -(-height // stage.stride), -(-width // stage.stride)
            case _:
                pass
    return total
