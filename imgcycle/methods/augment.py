"""Differentiable augmentation: discriminators see every image randomly augmented, so as not to memorise a few.

Zhao, Liu, Lin, Zhu, Han: Differentiable Augmentation for Data-Efficient GAN Training, NeurIPS 2020 (arXiv 2006.10738).
With a transform T drawn anew for each image, real and fake from the same range, D(x) becomes D(T(x)) wherever a
discriminator is evaluated, in its own phase and in the generator's, whose gradient passes through T. If only real
images were augmented, the generator would learn to draw the augmentations. Under wgangp the penalty is taken between
augmented images, for these are what the discriminator sees. Ranges and order are the published ones; pools hold images
before augmentation.

Images that are judged together (pix2pix's and BiGAN's pairs, concatenated in the channels) share one T. They must be
translated and cut out alike to stay aligned; and they are recoloured alike because the relation of their colours is
part of what the discriminator judges.

All random numbers come from torch's generator on the images' device, which the loop seeds anew each step, and nothing
waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from imgcycle.config import Augment, TrainConfig
from imgcycle.nets.stages import widened

BRIGHTNESS = (-0.5, 0.5)
SATURATION = (0.0, 2.0)
CONTRAST = (0.5, 1.5)
MOVED_SHARE = 1 / 8
"""Largest translation in each direction, as a share of the image's side."""
CUT_SHARE = 1 / 2
"""Side of the square that is cut out, as a share of the image's."""


@dataclass(frozen=True)
class Augmentation:
    """The augmentations of one run, for images of `channels` channels; without any, images pass unchanged."""

    changes: tuple[Augment, ...]
    channels: int = 3

    @classmethod
    def of(cls, config: TrainConfig) -> Augmentation:
        """The augmentations of a config."""
        return cls(config.diff_augment, config.net.channels)

    def __call__(self, images: Tensor) -> Tensor:
        """(N, K·channels, H, W) in [-1, 1], K images judged together → the same, augmented; float32 at least.

        Colours may leave [-1, 1]: clipping them would stop the gradient.
        """
        if not self.changes:
            return images
        sets = widened(images).reshape(len(images), -1, self.channels, *images.shape[2:])
        for name, change in CHANGES.items():
            if name in self.changes:
                sets = change(sets)
        return sets.flatten(1, 2)


def recoloured(sets: Tensor) -> Tensor:
    """Brightness x + u, saturation m + u·(x − m) about each pixel's grey m, contrast about each image's mean m.

    (N, K, C, H, W); u is uniform in `BRIGHTNESS`, `SATURATION`, `CONTRAST`, one for each of the N.
    """
    sets = sets + _uniform(sets, BRIGHTNESS)
    grey = sets.mean(2, keepdim=True)
    sets = grey + _uniform(sets, SATURATION) * (sets - grey)
    level = sets.mean((2, 3, 4), keepdim=True)
    return level + _uniform(sets, CONTRAST) * (sets - level)


def translated(sets: Tensor) -> Tensor:
    """Translated down and right by whole pixels, uniform within ± `MOVED_SHARE` of the side (rounded), padded with 0.

    (N, K, C, H, W); one translation for each of the N.
    """
    for dim in (3, 4):
        side = sets.shape[dim]
        most = round_half_up(side * MOVED_SHARE)
        movement = torch.randint(-most, most + 1, (len(sets), 1), device=sets.device)
        source = torch.arange(side, device=sets.device) - movement
        inside = (source >= 0) & (source < side)
        # Wrapped around and then set to 0: no pixel is read twice, so gradients are not summed in a random order.
        index = along(source.remainder(side), dim)
        sets = sets.gather(dim, index.expand_as(sets)) * along(inside, dim)
    return sets


def cut_out(sets: Tensor) -> Tensor:
    """A square of `CUT_SHARE` of the sides (rounded) set to 0, its centre anywhere, so that it may be partly outside.

    (N, K, C, H, W); one square for each of the N. The centre of an even square is between pixels, edges included.
    """
    covered = torch.ones((), dtype=torch.bool, device=sets.device)
    for dim in (3, 4):
        side = sets.shape[dim]
        size = round_half_up(side * CUT_SHARE)
        centre = torch.randint(side + 1 - size % 2, (len(sets), 1), device=sets.device)
        place = torch.arange(side, device=sets.device) - (centre - size // 2)
        covered = covered & along((place >= 0) & (place < size), dim)
    return sets * ~covered


CHANGES: Mapping[Augment, Callable[[Tensor], Tensor]] = {
    "colour": recoloured,
    "translation": translated,
    "cutout": cut_out,
}
"""The augmentations by name, in the order they are applied."""


def round_half_up(value: float) -> int:
    """Nearest integer; a half is rounded up, as published."""
    return int(value + 0.5)


def along(values: Tensor, dim: int) -> Tensor:
    """(N, side) reshaped to broadcast along one side of (N, K, C, H, W)."""
    shape = [len(values), 1, 1, 1, 1]
    shape[dim] = values.shape[1]
    return values.view(shape)


def _uniform(sets: Tensor, span: tuple[float, float]) -> Tensor:
    low, high = span
    return low + (high - low) * torch.rand(len(sets), 1, 1, 1, 1, dtype=sets.dtype, device=sets.device)
