"""A chain run over whole pictures, its norms by the same moments as in strips.

torch's own norm kernels sum squares in float32 where channels lie innermost: off by 0.002 to 0.4 standard deviations
on planes of 64² to 512² with a mean that is not small. The two ways through a net should differ by noise alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from imgcycle.engine.fused import AnyStage, FusedUpsampleConv, SubpixelConv
from imgcycle.engine.strips.rows import in_place
from imgcycle.engine.strips.statistics import NormStatistics, affine_of
from imgcycle.nets.stages import INPUT, Activation, Add, Norm, Save, step


def run_whole(chain: Sequence[AnyStage], x: Tensor) -> Tensor:
    """The last planes of a chain over `x` (N, C, H, W), in inference; planes are let go after their last use.

    Stages may have been fused (`engine.fused`).

    Convolutions compute in the type of their weights: `x` is brought to it where they differ.
    """
    last = last_uses(chain)
    slots = {INPUT: x} if INPUT in last else {}
    ours = False
    for n, stage in enumerate(chain):
        if isinstance(stage, Save):
            if stage.slot in last:
                slots[stage.slot] = x
            ours = False
            continue
        if isinstance(stage, FusedUpsampleConv | SubpixelConv):
            x = stage(x.to(stage.weight.dtype))
        elif isinstance(stage, Norm) and stage.running is None:
            x = normalised(stage, x)
        elif isinstance(stage, Activation) and ours:
            x = in_place(stage, x)
        else:
            weight = getattr(stage, "weight", None)
            x = step(stage, x if weight is None else x.to(weight.dtype), slots)
        ours = True
        if isinstance(stage, Add) and last[stage.slot] == n:
            del slots[stage.slot]
    return x


def last_uses(chain: Sequence[AnyStage]) -> dict[str, int]:
    """Where each slot is added for the last time."""
    return {stage.slot: n for n, stage in enumerate(chain) if isinstance(stage, Add)}


def normalised(norm: Norm, x: Tensor) -> Tensor:
    """Each picture of a batch normalised by moments that are exact for its type.

    In 32 bits they are gathered in float64, as strips do. For 16 bits torch's batch norm of one picture, which takes
    the mean before it squares, already errs less than its result is rounded, in a quarter of the time.
    """
    one = _by_kernel if x.dtype.itemsize == 2 and norm.kind == "instance" else _by_moments
    each = [one(norm, picture) for picture in torch.tensor_split(x, len(x))]
    return each[0] if len(each) == 1 else torch.cat(each)


def _by_moments(norm: Norm, x: Tensor) -> Tensor:
    return affine_of(norm, NormStatistics.of(x)).to(x.device, x.dtype)(x)


def _by_kernel(norm: Norm, x: Tensor) -> Tensor:
    weight = None if norm.weight is None else norm.weight.float()
    bias = None if norm.bias is None else norm.bias.float()
    return F.batch_norm(x, None, None, weight, bias, training=True, eps=norm.eps)
