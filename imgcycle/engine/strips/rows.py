"""Local stages on a range of rows: the input rows they need, and their output.

Rows are counted from the top of the whole plane. A stage pads only at the image's edges; elsewhere it gets the true
neighbouring rows, so the output is the whole image's, up to the noise of float32.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from imgcycle.engine.fused import AnyStage, FusedUpsampleConv, SubpixelConv
from imgcycle.nets.stages import (
    Activation,
    Blur,
    Conv,
    ConvTranspose,
    Head,
    PadMode,
    Upsample,
    blur_kernel,
    squashed,
    step,
    upsample,
    widened,
)

Span = tuple[int, int]
"""Range of rows: first, and one after the last."""
Window = Callable[[int, int], list[Tensor]]
"""Returns the rows lo..hi of a plane as consecutive pieces, (1, C, h, W) each."""


def shape_after(  # noqa: PLR0911 - one return a kind of stage
    stage: AnyStage, channels: int, height: int, width: int
) -> tuple[int, int, int]:
    """Channels, height and width of the planes after a stage."""
    match stage:
        case Conv():
            kernel = stage.weight.shape[-1]
            sides = [(side + sum(stage.pads) - kernel) // stage.stride + 1 for side in (height, width)]
            return stage.weight.shape[0], sides[0], sides[1]
        case ConvTranspose():
            kernel = stage.weight.shape[-1]
            grown = kernel - 2 * stage.pad + stage.output_pad
            return stage.weight.shape[1], (height - 1) * stage.stride + grown, (width - 1) * stage.stride + grown
        case FusedUpsampleConv(phased=True):
            return stage.weight.shape[0], height, width
        case FusedUpsampleConv() | SubpixelConv():
            return stage.weight.shape[0] // 4, 2 * height, 2 * width
        case Upsample():
            return channels, 2 * height, 2 * width
        case Blur():
            # Padding before and after adds up to one less than the taps.
            return channels, (height - 1) // stage.stride + 1, (width - 1) // stage.stride + 1
        case _:
            return channels, height, width


def rows_needed(stage: AnyStage, lo: int, hi: int) -> Span:  # noqa: PLR0911 - one return a kind of stage
    """Input rows that a stage reads for rows lo..hi of its output, including rows outside the image."""
    match stage:
        case Conv():
            first = lo * stage.stride - stage.pad
            return first, (hi - 1) * stage.stride - stage.pad + stage.weight.shape[-1]
        case Blur():
            first = lo * stage.stride - (len(stage.taps) - 1) // 2
            return first, first + (hi - 1 - lo) * stage.stride + len(stage.taps)
        case ConvTranspose():
            # Input row i contributes to the output rows i·stride − pad … + kernel − 1.
            reach = stage.weight.shape[-1] - 1
            return -((reach - lo - stage.pad) // stage.stride), (hi - 1 + stage.pad) // stage.stride + 1
        case FusedUpsampleConv(phased=True):
            return lo - 1, hi + 1
        case FusedUpsampleConv() | SubpixelConv():
            return lo // 2 - 1, (hi - 1) // 2 + 2
        case Upsample(mode="nearest"):
            return lo // 2, (hi - 1) // 2 + 1
        case Upsample():
            return (lo + 1) // 2 - 1, hi // 2 + 1
        case _:
            return lo, hi


def rows_read(stage: AnyStage, lo: int, hi: int, height: int) -> Span:
    """Rows inside the image that a stage reads, including those that reflection repeats."""
    first, last = rows_needed(stage, lo, hi)
    lowest, highest = first, last
    if isinstance(stage, Conv | Blur) and stage.mode == "reflect":
        if last > height:
            lowest = min(first, 2 * (height - 1) - (last - 1))
        if first < 0:
            highest = max(last, 1 - first)
    # The last rows of a transposed convolution may have no input row: one is read all the same.
    return min(max(lowest, 0), height - 1), min(highest, height)


def multiply_adds_per_row(stage: AnyStage, height: int, out_height: int, out_width: int, width: int) -> float:
    """Multiply-adds of a convolution for each row of its output (of its input if it is transposed)."""
    if isinstance(stage, Conv):
        return float(stage.weight.numel() * out_width)
    if isinstance(stage, ConvTranspose):
        return stage.weight.numel() * width * height / out_height
    if isinstance(stage, FusedUpsampleConv | SubpixelConv):
        return stage.weight.numel() * width * height / out_height
    return 0.0


def computed(stage: AnyStage, window: Window, height: int, span: Span) -> Tensor:
    """Rows `span` of a stage's output from the rows of its input, a plane `height` rows high.

    ValueError for Add, which has two inputs, and for Norm and Save, which do not work on rows.
    """
    lo, hi = span
    first, last = rows_read(stage, lo, hi, height)
    x = window(first, last)
    match stage:
        case Conv():
            before, after = stage.pads
            # Columns of zeros are the kernel's own business where there are as many on either side.
            inside = before if before == after and stage.mode == "zero" else 0
            sides = (before - inside, after - inside)
            rows = _bordered(stage, x, first, height, span, sides, stage.mode)
            rows = rows.to(stage.weight.dtype)
            return F.conv2d(rows, stage.weight, stage.bias, stage.stride, (0, inside), groups=stage.groups)
        case Blur():
            before, after = (len(stage.taps) - 1) // 2, len(stage.taps) // 2
            return _blurred(_bordered(stage, x, first, height, span, (before, after), stage.mode), stage)
        case ConvTranspose():
            grown = F.conv_transpose2d(
                concatenated(x).to(stage.weight.dtype),
                stage.weight,
                stage.bias,
                stage.stride,
                (0, stage.pad),
                (stage.output_pad, stage.output_pad),
            )
            at = first * stage.stride - stage.pad
            return grown[:, :, lo - at : hi - at]
        case FusedUpsampleConv() | SubpixelConv():
            start, end = rows_needed(stage, lo, hi)
            made = stage(concatenated(x).to(stage.weight.dtype), start < 0, end > height)
            # Pairs of rows are computed, of which the first and the last may have only one that is wanted.
            extra = 0 if isinstance(stage, FusedUpsampleConv) and stage.phased else lo % 2
            return made[:, :, extra : extra + hi - lo]
        case Upsample():
            grown = upsample(concatenated(x), stage.mode)
            return grown[:, :, lo - 2 * first : hi - 2 * first]
        case Activation() | Head():
            return step(stage, concatenated(x), {})
        case _:
            raise ValueError(f"{type(stage).__name__} is no matter of one plane's rows")


def in_place(stage: AnyStage, x: Tensor) -> Tensor:
    """Apply an Activation or a Head, overwriting its input (a Head's, if it is wide enough)."""
    if isinstance(stage, Activation):
        return F.leaky_relu_(x, stage.slope) if stage.slope else x.relu_()
    assert isinstance(stage, Head)
    x = widened(x)
    return x.tanh_() if stage.kind == "tanh" else squashed(stage, x)


def concatenated(
    pieces: list[Tensor], pads: tuple[int, int, int, int] = (0, 0, 0, 0), mode: PadMode = "zero"
) -> Tensor:
    """Concatenate consecutive pieces, padded by (left, right, top, bottom), in a single copy.

    The width is padded first and whole rows are then reflected, which equals padding both at once.
    """
    left, right, top, bottom = pads
    if len(pieces) == 1 and not any(pads):
        return pieces[0]
    rows, width = sum(p.shape[2] for p in pieces), pieces[0].shape[3]
    like = pieces[0]
    shape = (1, top + rows + bottom, left + width + right, like.shape[1])
    out = torch.empty(shape, dtype=like.dtype, device=like.device).permute(0, 3, 1, 2)
    at = top
    for piece in pieces:
        out[:, :, at : at + piece.shape[2], left : left + width] = piece
        at += piece.shape[2]
    if mode == "zero":
        out[:, :, :, :left] = 0
        out[:, :, :, left + width :] = 0
        out[:, :, :top] = 0
        out[:, :, top + rows :] = 0
        return out
    for n in range(left):
        out[..., n] = out[..., left if mode == "replicate" else 2 * left - n]
    for n in range(right):
        out[..., left + width + n] = out[..., left + width - 1 - (0 if mode == "replicate" else n + 1)]
    for n in range(top):
        out[:, :, n] = out[:, :, top if mode == "replicate" else 2 * top - n]
    for n in range(bottom):
        out[:, :, top + rows + n] = out[:, :, top + rows - 1 - (0 if mode == "replicate" else n + 1)]
    return out


def _bordered(
    stage: Conv | Blur, x: list[Tensor], first: int, height: int, span: Span, sides: tuple[int, int], mode: PadMode
) -> Tensor:
    """Exactly the rows that a stage needs for `span`, padded, from the pieces that begin at row `first`."""
    start, end = rows_needed(stage, *span)
    top, bottom = max(0, -start), max(0, end - height)
    rows = concatenated(x, (*sides, top, bottom), mode)
    extra = max(start, 0) - first
    return rows[:, :, extra : extra + end - start]


def _blurred(x: Tensor, blur: Blur) -> Tensor:
    kernel = blur_kernel(blur.taps, x.dtype, x.device).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(x, kernel, stride=blur.stride, groups=x.shape[1])
