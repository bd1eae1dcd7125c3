"""The path term: what a net changes must lie on a short way from the picture to its translation.

A net with residual blocks, x + t·f(x) for x + f(x), is a path of nets: at t = 1 the generator, at 0 its trunk. Of all
paths to a translation that the discriminators take for real, the term asks for a short one:

    E ‖G(x, t + ε) − G(x, t)‖² / ε²,  t uniform in [0, 1 − ε], ε = `STEP`, mean over pixels and colours

so that what need not change stays. Xie, Xu, Gong, Lin, Zhang, Zhang: Unpaired Image-to-Image Translation with Shortest
Path Regularization, CVPR 2023 (SANTA), who have the path in features of an encoder and no contrastive loss beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from imgcycle.nets.stages import INPUT, Add, Stage, step

STEP = 0.1
"""Distance ε between the two points of the path that are compared."""


def at(chain: Sequence[Stage], x: Tensor, share: float | Tensor) -> Tensor:
    """The result of a chain for `x` (NCHW) whose residual branches count `share` 0..1, whole at 1; a skip from the
    input counts in full.
    """
    slots: dict[str, Tensor] = {INPUT: x}
    for stage in chain:
        ends_branch = isinstance(stage, Add) and stage.slot != INPUT
        x = step(stage, share * x if ends_branch else x, slots)
    return x


def path_loss(chain: Sequence[Stage], source: Tensor) -> Tensor:
    """The term for pictures `source` (float NCHW) at one random place of the path, float32; two passes of the net."""
    near = (1 - STEP) * torch.rand((), device=source.device)
    far = at(chain, source, (near + STEP).to(source.dtype))
    return (far - at(chain, source, near.to(source.dtype))).float().square().mean() / STEP**2
