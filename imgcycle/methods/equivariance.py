"""Shift equivariance: an image shifted by a few pixels must become the translation shifted by as many.

A net with down- and upsampling is not equivariant: its result for a pixel depends on the pixel's position on the grid
of its stride, and in a moving clip, texture crawls. The term is

    ‖G(T x) − T G(x)‖₁,  mean over the middle half of each side

with T a shift by up to `LARGEST` whole pixels down and right, drawn once a step. Half a pixel would have to be
interpolated, which softens as well as shifts; the net would learn that a soft image has a soft translation.

Both sides carry gradient. On random crops x and T x have the same distribution, as have T and its inverse, and
exchanging them exchanges the sides: each gives the same gradient in the mean, so stopping one would halve the term and
add noise, and save no pass, for G(x) is computed and differentiated anyway.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.nets.stages import widened

LARGEST = 3
"""Largest shift in pixels: less than the smallest stride of a net, 4, so no shift is a multiple of it."""


def draw_shift() -> tuple[int, int]:
    """Pixels down and right, each uniform in ± `LARGEST` but not both 0; from torch's CPU generator."""
    many = 2 * LARGEST + 1
    place = int(torch.randint(many**2 - 1, ()).item())
    place += place >= many**2 // 2  # the middle one is no shift
    return place // many - LARGEST, place % many - LARGEST


def moved(images: Tensor, down: int, right: int) -> Tensor:
    """NCHW images shifted by whole pixels, at their size, with reflection padding as in nets."""
    height, width = images.shape[-2:]
    top, left = max(0, -down), max(0, -right)
    padded = F.pad(images, (max(0, right), left, max(0, down), top), "reflect")
    return padded[..., top : top + height, left : left + width]


def shift_loss(net: nn.Module, source: Tensor, fake: Tensor) -> Tensor:
    """The term for one random shift: `source` (float NCHW, sides of 16 at least) and `fake`, the net's output for it.

    One more pass of the net; float32 at least. A quarter of each side is left out all around, which in crops of 256 is
    as far as padding reaches: the bundled styles are 0.005 off after 4 pixels, a whole stride, and 0.02 to 0.14 after 1
    to 3.
    """
    down, right = draw_shift()
    height, width = source.shape[-2:]
    above, beside = height // 4, width // 4
    after = widened(net(moved(source, down, right)))[..., above : height - above, beside : width - beside]
    before = widened(fake)[..., above - down : height - above - down, beside - right : width - beside - right]
    return F.l1_loss(after, before)
