"""The grid term: what a net makes of noise must not depend on where a pixel lies in the grid of its strides.

A net that halves and doubles leaves a faint pattern that repeats itself every few pixels (Odena et al., Deconvolution
and Checkerboard Artifacts, 2016): in smooth places it can be seen, and enlarged pictures show it. Shown is a smooth
field of colours with a little noise, whose law is the same everywhere, and the same moved by T. In

    d = G(x) − T⁻¹ G(T x)

the field, and most of what became of the noise, is gone; what is left in the mean over all pixels of one phase of the
grid is the pattern, once in place and once moved. The term compares these means m(φ) with what chance makes of them:

    n · mean m(φ)² / var d        over n pixels of each phase φ: 1 without a pattern

Both halves carry gradient, so that the term does not mind how much a net makes of noise. With the variance held fixed
it did: a net under it learnt to see such fields coming and to answer with an even grey, in skies as well.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.methods.equivariance import draw_shift, moved
from imgcycle.nets.stages import widened

SIDE = 64
MARGIN = 8
"""Pixels left out all around, where reflected edges are seen: a multiple of the period."""
PERIOD = 4
COLOURS = 0.7
"""The field's colours lie within ± this."""
NOISE = 0.1
"""Largest standard deviation of the noise, on a range of 2."""
SILENCE = 1e-12
"""A variance that no net has which answers at all: this only keeps 0 from being divided by 0."""


def noisy_field(like: Tensor) -> Tensor:
    """(1, 3, SIDE, SIDE) in about [-1, 1] on the device of `like`: colours that run smoothly from four corners, noise
    of a strength drawn anew each time; from torch's generators."""
    corners = COLOURS * (2 * torch.rand(1, like.shape[1], 2, 2, device=like.device) - 1)
    field = F.interpolate(corners, (SIDE, SIDE), mode="bilinear", align_corners=True)
    return field + NOISE * torch.rand((), device=like.device) * torch.randn_like(field)


def grid_loss(net: nn.Module, like: Tensor) -> Tensor:
    """The term for one field and one shift; one pass of the net on two squares of `SIDE`, float32 at least."""
    field = noisy_field(like)
    down, right = draw_shift()
    made = widened(net(torch.cat([field, moved(field, down, right)])))
    here, there = made[:1], torch.roll(made[1:], (-down, -right), (2, 3))
    apart = (here - there)[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    cells = (SIDE - 2 * MARGIN) // PERIOD
    means = apart.reshape(1, -1, cells, PERIOD, cells, PERIOD).mean((2, 4))
    means = means - means.mean((2, 3), keepdim=True)
    chance = apart.var((2, 3), keepdim=True).clamp_min(SILENCE) / cells**2
    return (means.square() / chance).mean()
