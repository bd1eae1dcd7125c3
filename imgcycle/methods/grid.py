"""The grid term: a net's result for noise must not depend on a pixel's position on the grid of its strides.

A net with down- and upsampling leaves a faint pattern with a period of a few pixels (Odena et al., Deconvolution and
Checkerboard Artifacts, 2016), visible in smooth areas and in enlarged images. The inputs are smooth colour fields with
a little noise, whose distribution is the same everywhere. The mean over all pixels of one phase φ of the grid, m(φ), is
the pattern plus the mean of the noise. Two squares of the same field with independent noise share the pattern alone, so
that

    n · mean over φ of m₁(φ) m₂(φ) / σ²        n pixels a phase, σ one level of 8 bits

has the pattern's power as its expectation, however strongly a net responds to noise. A single square's m² would be
lowered by a constant grey output, and m² relative to the noise by strong stripes; nets were quick to find either, in
skies as well.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.nets.stages import widened

SIDE = 64
MARGIN = 8
"""Pixels left out all around, where reflected edges have an effect: a multiple of the period."""
PERIOD = 4
COLOURS = 0.7
"""Range of the field's colours, ±."""
NOISE = 0.1
"""Largest standard deviation of the noise, on a range of 2."""
LEVEL = 1 / 127.5
FINE = (1, 2, 2, 2, 1)
"""Filter that removes every pattern of period 2 or 4 pixels; what differs from its result is fine."""


def noisy_fields(like: Tensor) -> Tensor:
    """Two squares (2, 3, SIDE, SIDE) in about [-1, 1] on the device of `like`: one colour field interpolated
    between four corners, with independent noise of one strength; from torch's generators.
    """
    corners = COLOURS * (2 * torch.rand(1, like.shape[1], 2, 2, device=like.device) - 1)
    field = F.interpolate(corners, (SIDE, SIDE), mode="bilinear", align_corners=True).expand(2, -1, -1, -1)
    return field + NOISE * torch.rand((), device=like.device) * torch.randn_like(field)


def grid_loss(net: nn.Module, like: Tensor) -> Tensor:
    """The term for one field, float32 at least; one pass of the net on two squares of `SIDE`. May be below 0."""
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
    """Kernel of `FINE` in both directions; cached, since copying it to a GPU in every step would block."""
    taps = torch.tensor(FINE, dtype=dtype, device=device) / sum(FINE)
    return torch.outer(taps, taps)
