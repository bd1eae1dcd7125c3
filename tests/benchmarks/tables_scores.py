"""How the tables' pictures are scored, in both directions as in CycleGAN's section 5.1.2.

photo→labels   every pixel of a made label picture is taken for the class of the nearest palette colour
labels→photo   a segmenter that learnt from real pairs of other scenes reads the made photograph ("FCN score"); what it
               makes of real photographs is the most that a made one can reach
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.data.batches import stack, to_signed
from imgcycle.data.sampling import random_generator
from imgcycle.media.files import atomic_write
from imgcycle.metrics.segmentation import Counts, confusion
from tests.benchmarks.world import CLASSES, Bytes, Scene, palette, scene

SCENES = range(20_000, 21_200)
"""The segmenter's: no method learns from them, no figure is measured on them."""
STEPS, BATCH, WIDTH, RATE = 900, 8, 16, 4e-3
SHADES = 4
"""Bits of each channel by which colours are told apart where colour is all that counts."""


def level(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n in (inputs, outputs):
        layers += [nn.Conv2d(n, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class Segmenter(nn.Module):
    """A U-Net of three halvings: (N, 3, H, W) in [-1, 1] → logits (N, classes, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        w = WIDTH
        self.into = nn.ModuleList([level(3, w), level(w, 2 * w), level(2 * w, 3 * w), level(3 * w, 4 * w)])
        self.out = nn.ModuleList([level(7 * w, 3 * w), level(5 * w, 2 * w), level(3 * w, w)])
        self.last = nn.Conv2d(w, len(CLASSES), 1)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for n, down in enumerate(self.into):
            x = down(F.max_pool2d(x, 2) if n else x)
            skips.append(x)
        for up, skip in zip(self.out, reversed(skips[:-1]), strict=True):
            x = up(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skip], 1))
        return cast(Tensor, self.last(x))


def trained_segmenter(world: int, scenes: Iterable[int] = SCENES, steps: int = STEPS) -> Segmenter:
    """Learn to read real photographs; a pure function of its arguments."""
    torch.manual_seed(world)
    shown = [scene(world, n) for n in scenes]
    photos, classes = stack([one.photo for one in shown]), torch.from_numpy(np.stack([one.classes for one in shown]))
    net = Segmenter()
    descent = torch.optim.Adam(net.parameters(), RATE)
    falling = torch.optim.lr_scheduler.OneCycleLR(descent, RATE, total_steps=steps)
    for step in range(steps):
        rng = random_generator(world, "segmenter", step)
        chosen = torch.from_numpy(rng.integers(len(shown), size=BATCH))
        x, y = to_signed(photos[chosen]), classes[chosen].long()
        if rng.random() < 0.5:
            x, y = x.flip(3), y.flip(2)
        descent.zero_grad()
        F.cross_entropy(net(x), y).backward()  # type: ignore[no-untyped-call]
        descent.step()
        falling.step()
    return net.eval()


def segmenter(path: Path, world: int) -> Segmenter:
    """The world's segmenter, learnt once and kept."""
    if not path.is_file():
        learnt = trained_segmenter(world)
        with atomic_write(path) as file:
            torch.save(learnt.state_dict(), file)
    net = Segmenter()
    net.load_state_dict(torch.load(path, weights_only=True))
    return net.eval()


@torch.inference_mode()
def read(net: Segmenter, photos: Sequence[Bytes]) -> Bytes:
    """The class of every pixel of some photographs, (N, H, W)."""
    found = [net(to_signed(part)).argmax(1) for part in torch.split(stack(list(photos)), BATCH)]
    return np.asarray(torch.cat(found).numpy(), np.uint8)


def counted(scenes: Sequence[Scene], found: Bytes) -> Counts:
    """The confusion matrix of what was found in some scenes."""
    truth = np.stack([one.classes for one in scenes])
    return confusion(truth.astype(np.int64).ravel(), found.astype(np.int64).ravel(), len(CLASSES))


def score_labels(scenes: Sequence[Scene], made: Sequence[Bytes]) -> Counts:
    """Of label pictures made from the scenes' photographs, by nearest palette colour."""
    colours = palette()
    return counted(scenes, np.stack([colours.found(one) for one in made]).astype(np.uint8))


def score_photos(scenes: Sequence[Scene], made: Sequence[Bytes], net: Segmenter) -> Counts:
    """Of photographs made from the scenes' label pictures, as the segmenter reads them."""
    return counted(scenes, read(net, made))


def colour_alone(scenes: Sequence[Scene], known: Sequence[Scene]) -> Counts:
    """Of the best that can be said of a pixel from its colour, learnt from real pairs."""
    seen = np.zeros((1 << 3 * SHADES, len(CLASSES)), np.int64)
    np.add.at(seen, (shades(known), np.stack([one.classes for one in known])), 1)
    return counted(scenes, seen.argmax(1)[shades(scenes)].astype(np.uint8))


def shades(scenes: Sequence[Scene]) -> npt.NDArray[Any]:
    photos = np.stack([one.photo for one in scenes]).astype(np.int64) >> 8 - SHADES
    return np.asarray(photos @ np.array([1 << 2 * SHADES, 1 << SHADES, 1]))
