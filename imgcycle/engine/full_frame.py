"""Run a chain over whole images, with norms computed from the same statistics as in strips.

torch's own norm kernels sum squares in float32 where channels are innermost: off by 0.002 to 0.4 standard deviations on
planes of 64² to 512² with a large mean. Whole and strip-wise inference should differ by rounding noise alone.
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
    """Output of a chain for `x` (N, C, H, W), in inference; planes are freed after their last use.

    Stages may have been fused (`engine.fused`). Convolutions compute in the dtype of their weights; `x` is converted to
    it where they differ.
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
    """Index of the last Add of each slot."""
    return {stage.slot: n for n, stage in enumerate(chain) if isinstance(stage, Add)}


def normalised(norm: Norm, x: Tensor) -> Tensor:
    """Normalise each image of a batch, with statistics that are exact for its dtype.

    For float32 they are accumulated in float64, as in strips. For 16 bits torch's batch norm of one image, which
    subtracts the mean before squaring, already errs less than its result is rounded, in a quarter of the time.
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
