"""The grid term: what a net makes of noise must not depend on where a pixel lies in the grid of its strides.

A net that halves and doubles leaves a faint pattern that repeats itself every few pixels (Odena et al., Deconvolution
and Checkerboard Artifacts, 2016): in smooth places it can be seen, and enlarged pictures show it. Shown are smooth
fields of colours with a little noise, whose law is the same everywhere. In the mean over all pixels of one phase φ of
the grid, m(φ), is the pattern, and what the mean has left of the noise. Two squares of the same field with noise of
their own share the pattern alone, so that

    n · mean over φ of m₁(φ) m₂(φ) / σ²        n pixels a phase, σ one level of 8 bits

has the pattern's power for its expectation, however much or little a net makes of noise. A square's m² would be lowered
by answering with an even grey, and m² in units of the noise by answering with wild stripes; nets were quick to find
either, in skies as well.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.nets.stages import widened

SIDE = 64
MARGIN = 8
"""Pixels left out all around, where reflected edges are seen: a multiple of the period."""
PERIOD = 4
COLOURS = 0.7
"""The field's colours lie within ± this."""
NOISE = 0.1
"""Largest standard deviation of the noise, on a range of 2."""
LEVEL = 1 / 127.5
FINE = (1, 2, 2, 2, 1)
"""A mean in which nothing is left that repeats itself every 2 or 4 pixels; what differs from it is fine."""


def noisy_fields(like: Tensor) -> Tensor:
    """(2, 3, SIDE, SIDE) in about [-1, 1] on the device of `like`: one field of colours that run smoothly from four
    corners, and noise of one strength, both drawn anew each time, the noise twice; from torch's generators."""
    corners = COLOURS * (2 * torch.rand(1, like.shape[1], 2, 2, device=like.device) - 1)
    field = F.interpolate(corners, (SIDE, SIDE), mode="bilinear", align_corners=True).expand(2, -1, -1, -1)
    return field + NOISE * torch.rand((), device=like.device) * torch.randn_like(field)


def grid_loss(net: nn.Module, like: Tensor) -> Tensor:
    """The term for one field, float32 at least; one pass of the net on two squares of `SIDE`. May fall below 0."""
    output = widened(net(noisy_fields(like)))
    kernel = _mean_kernel(output.dtype, output.device).expand(output.shape[1], 1, -1, -1)
    inner = output[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    around = output[..., MARGIN - 2 : 2 - MARGIN, MARGIN - 2 : 2 - MARGIN]
    with torch.autocast(output.device.type, enabled=False):
        fine = inner - F.conv2d(around, kernel, groups=output.shape[1])
    cells = (SIDE - 2 * MARGIN) // PERIOD
    means = fine.reshape(2, -1, cells, PERIOD, cells, PERIOD).mean((2, 4))
    first, second = means - means.mean((2, 3), keepdim=True)
    power: Tensor = (first * second).mean()
    return cells**2 / LEVEL**2 * power


@cache
def _mean_kernel(dtype: torch.dtype, device: torch.device) -> Tensor:
    """The mean of `FINE` in both directions; kept, for a copy to a GPU in every step would wait for it."""
    taps = torch.tensor(FINE, dtype=dtype, device=device) / sum(FINE)
    return torch.outer(taps, taps)
