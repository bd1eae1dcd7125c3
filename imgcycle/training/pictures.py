"""Pictures of a run in progress: fixed images, translated, and brought back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from imgcycle.data.batches import stack, to_signed
from imgcycle.data.folders import ImageFolder
from imgcycle.data.sampling import evenly_spaced
from imgcycle.media.files import atomic_write
from imgcycle.nets.layers import Generator

FIXED = 4
_OPPOSITE = {"A2B": "B2A", "B2A": "A2B"}


class FixedImages:
    """A few images of each domain, spread over the folder, cut in the middle; always the same ones."""

    def __init__(self, a: ImageFolder, b: ImageFolder, crop: int, device: torch.device, paired: bool = False) -> None:
        self.paired = paired
        self.sources = {"A2B": self._take(a, crop, device), "B2A": self._take(b, crop, device)}

    @staticmethod
    def _take(folder: ImageFolder, crop: int, device: torch.device) -> Tensor:
        indices = evenly_spaced(range(len(folder)), FIXED)
        return to_signed(stack([folder.centre(i, crop) for i in indices])).to(device)

    def wanted(self, direction: str) -> Tensor:
        """Images of the domain that a direction leads to: with pairs the truth, without them only its look."""
        return self.sources[_OPPOSITE[direction]]

    def translate(self, nets: Mapping[str, Generator], dtype: torch.dtype) -> dict[str, Tensor]:
        """The images of each direction, translated; float32 NCHW."""
        return {d: _run(net, self.sources[d], dtype) for d, net in nets.items()}

    def grid(self, nets: Mapping[str, Generator], dtype: torch.dtype, path: Path) -> None:
        """Write a PNG: a row an image, A above B; columns input | translated | cycled (two-way methods) or wanted
        (pairs)."""
        rows = []
        for direction, made in self.translate(nets, dtype).items():
            columns = [self.sources[direction], made]
            back = nets.get(_OPPOSITE[direction])
            if self.paired:
                columns.append(self.wanted(direction))
            elif back is not None:
                columns.append(_run(back, made, dtype))
            rows.append(torch.cat([torch.cat(list(column), 1) for column in columns], 2))
        grid = (torch.cat(rows, 1).clamp(-1, 1).add(1).mul(127.5)).round().byte().cpu()
        with atomic_write(path) as file:
            Image.fromarray(np.ascontiguousarray(grid.permute(1, 2, 0).numpy())).save(file, "PNG")


def _run(net: Generator, images: Tensor, dtype: torch.dtype) -> Tensor:
    """Translate a batch without gradients, in eval mode, restoring the net's mode."""
    training = net.training
    net.eval()
    with torch.inference_mode(), torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
        made = torch.cat([net(image[None]) for image in images]).float()
    net.train(training)
    return made
