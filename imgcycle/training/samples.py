"""Sample images of a run: fixed images, translated and back; and some of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from imgcycle.data.batches import stack, to_signed
from imgcycle.data.folders import ImageFolder
from imgcycle.data.sampling import evenly_spaced
from imgcycle.engine import resample
from imgcycle.engine.padding import pad_to, padded_size
from imgcycle.errors import InputError, UsageError
from imgcycle.media.files import atomic_write
from imgcycle.media.image.thumbnails import Levels, read_thumbnail, webp_bytes
from imgcycle.media.inputs import walk
from imgcycle.media.paths import kind_of
from imgcycle.nets.layers import Generator

FIXED = 4
OWN = 8
"""Images of a user's folder that are sampled, spread evenly."""
OWN_SIDE = 640
"""Longest side in pixels of those images."""
_NAMED = 60
_OPPOSITE = {"A2B": "B2A", "B2A": "A2B"}


class FixedImages:
    """A few images of each domain, spread over the folder, cropped in the middle; always the same ones."""

    def __init__(self, a: ImageFolder, b: ImageFolder, crop: int, device: torch.device, paired: bool = False) -> None:
        self.paired = paired
        self.sources = {"A2B": self._take(a, crop, device), "B2A": self._take(b, crop, device)}

    @staticmethod
    def _take(folder: ImageFolder, crop: int, device: torch.device) -> Tensor:
        indices = evenly_spaced(range(len(folder)), FIXED)
        return to_signed(stack([folder.centre(i, crop) for i in indices])).to(device)

    def wanted(self, direction: str) -> Tensor:
        """Images of a direction's target domain: with pairs the ground truth, without them only its look."""
        return self.sources[_OPPOSITE[direction]]

    def translate(self, nets: Mapping[str, Generator], dtype: torch.dtype) -> dict[str, Tensor]:
        """The images of each direction, translated; float32 NCHW."""
        return {d: _run(net, self.sources[d], dtype) for d, net in nets.items()}

    def grid(self, nets: Mapping[str, Generator], dtype: torch.dtype, path: Path) -> None:
        """Write a PNG: a row an image, A above B; columns input | translated | cycled (two-way methods) or target
        (pairs).
        """
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


class OwnPictures:
    """The user's images, downscaled, and translated whole during a run: `samples/own/01 NAME/step-N.webp`.

    UsageError if the folder is missing or has no readable image; others are reported and left out.
    """

    def __init__(self, source: Path, folder: Path, on_unreadable: Callable[[Path, str], None]) -> None:
        if not source.is_dir():
            raise UsageError(f"{source} is no folder", "--sample-from takes a folder of pictures of your own")
        found = sorted(path for path in walk(source) if kind_of(path) == "still")
        self.pictures: list[tuple[Path, Levels]] = []
        for path in evenly_spaced(found, OWN):
            try:
                pixels = read_thumbnail(path, OWN_SIDE)
            except InputError as error:
                on_unreadable(path, error.message)
                continue
            # As much of the name as any file system allows behind a number.
            self.pictures.append((folder / f"{len(self.pictures) + 1:02} {path.name[:_NAMED]}", pixels))
        if not self.pictures:
            raise UsageError(f"{source} holds no picture that can be read", "--sample-from takes a folder of pictures")

    def write(self, net: Generator, step: int, device: torch.device, dtype: torch.dtype) -> None:
        """Translate and write them; once also the inputs."""
        for place, pixels in self.pictures:
            before = place / "before.webp"
            if not before.exists():
                _write_webp(before, pixels)
            x = resample.to_tensor(resample.to_float01(pixels)).to(device)
            height, width = pixels.shape[:2]
            made = _run(net, pad_to(x, *padded_size(height, width, net.stride, net.min_size)), dtype)
            levels = made[0, :, :height, :width].clamp(-1, 1).add(1).mul(127.5).round().byte().cpu()
            _write_webp(place / f"step-{step}.webp", np.ascontiguousarray(levels.permute(1, 2, 0).numpy()))


def _write_webp(path: Path, pixels: Levels) -> None:
    with atomic_write(path) as file:
        file.write(webp_bytes(pixels))


def _run(net: Generator, images: Tensor, dtype: torch.dtype) -> Tensor:
    """Translate a batch without gradients, in eval mode, restoring the net's mode."""
    training = net.training
    net.eval()
    with torch.inference_mode(), torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
        made = torch.cat([net(image[None]) for image in images]).float()
    net.train(training)
    return made
