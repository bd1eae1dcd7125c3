"""Instance norm, blur and linear upsampling of planes whose channels lie side by side, with quick gradients.

In channels_last torch's convolutions are two to three times as fast on a CPU, but the gradients of three operations
beside them would cost more than that saves: of a group norm, of a depthwise convolution, and of an interpolation. The
same functions are made of others here.

Linear upsampling by 2 and the low-pass with taps 1, 3, 3, 1 at every second pixel are each other's transpose, but for
a factor of 4 and for the edges, where upsampling replicates and the low-pass reflects.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

LINEAR_TAPS = (1.0, 3.0, 3.0, 1.0)
"""Taps of the low-pass that is the transpose of linear upsampling by 2."""


def is_interleaved(x: Tensor) -> bool:
    """True for planes in channels_last on a CPU whose gradient is asked for: inference keeps torch's own kernels."""
    return (
        x.requires_grad
        and x.device.type == "cpu"
        and not x.is_contiguous()
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def instance_normalised(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """Instance norm of each image: for one image a batch norm, whose kernels are made for this layout."""
    each = [F.batch_norm(image, None, None, weight, bias, training=True, eps=eps) for image in x.chunk(len(x))]
    return each[0] if len(each) == 1 else torch.cat(each)


class LinearBlur(torch.autograd.Function):
    """Low-pass with `LINEAR_TAPS` in both directions at every second pixel of an even number, edges reflected."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor) -> Tensor:  # noqa: ARG004 - nothing to keep
        """(N, C, 2h, 2w) → (N, C, h, w); `kernel` is (C, 1, 4, 4)."""
        return F.conv2d(F.pad(x, (1, 2, 1, 2), "reflect"), kernel, stride=2, groups=x.shape[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004 - linear in x
        """Linear upsampling, a quarter of the outermost values moved inwards by a pixel."""
        (gradient,) = gradients
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        # Upsampled, the outermost rows are r₀ and the next are ¾ r₀ + ¼ r₁: reflection has ¾ r₀ and r₀ + ¼ r₁.
        spread = F.interpolate(gradient, scale_factor=2, mode="bilinear", align_corners=False).mul_(0.25)
        for dim in (2, 3):
            for edge, inner in ((0, 1), (-1, -2)):
                moved = spread.select(dim, edge) * 0.25
                spread.select(dim, edge).sub_(moved)
                spread.select(dim, inner).add_(moved)
        return spread, None


class LinearUpsample(torch.autograd.Function):
    """Linear upsampling of both sides by 2, edges replicated."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor) -> Tensor:
        """(N, C, h, w) → (N, C, 2h, 2w); `kernel` is (C, 1, 4, 4), normalised to sum 1."""
        ctx.kernel = kernel
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """The low-pass, four times, of replicated edges."""
        (gradient,) = gradients
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        padded = F.pad(gradient, (1, 1, 1, 1), "replicate")
        return F.conv2d(padded, ctx.kernel * 4, stride=2, groups=gradient.shape[1]), None
