"""Validation: distance of translated validation images from real ones of the target domain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from imgcycle.config import TrainConfig
from imgcycle.data.batches import stack, to_signed
from imgcycle.data.folders import ImageFolder
from imgcycle.data.pairs import open_domains
from imgcycle.methods.registry import method_class
from imgcycle.metrics.features import FeatureNet
from imgcycle.metrics.kid import kernel_distance
from imgcycle.nets.layers import Generator
from imgcycle.training.first_net import FirstNet


class Validation:
    """KID × 1000 on VGG19 features of `--val-a` and `--val-b`, each translated towards the other."""

    def __init__(self, a: ImageFolder, b: ImageFolder, crop: int, device: torch.device) -> None:
        self.device, self.crop = device, crop
        self.folders = {"A": a, "B": b}
        self.net = FeatureNet(device)
        self.features = {domain: self.net.features(self._images(domain)) for domain in ("A", "B")}

    @classmethod
    def of(cls, config: TrainConfig, device: torch.device, prepare_a: FirstNet | None = None) -> Validation:
        """The validation of a config; MissingExtra without the `metrics` extra."""
        side, paired = config.size, method_class(config.method).paired
        a, b, _ = open_domains(
            Path(str(config.val_a)), Path(str(config.val_b)), side, paired, 2**28, least=config.crop,
            px_per_cm=config.px_per_cm, prepare_a=prepare_a, grey=config.net.luma,
        )  # fmt: skip
        return cls(a, b, config.crop if side == "full" else side, device)

    def measure(self, nets: Mapping[str, Generator], dtype: torch.dtype) -> dict[str, float]:
        """KID × 1000 by direction."""
        figures = {}
        for direction, net in nets.items():
            source, target = direction[0], direction[-1]
            made = self.net.features(self._translated(net, source, dtype))
            figures[direction] = round(1000 * kernel_distance(made, self.features[target]), 3)
        return figures

    def references(self, nets: Mapping[str, Generator], dtype: torch.dtype, begun: bool) -> dict[str, dict[str, float]]:
        """Reference values, by name and direction: the unconverted images, and with `begun` the results of the
        initial weights.
        """
        found = {
            "unconverted": {
                name: round(1000 * kernel_distance(self.features[name[0]], self.features[name[-1]]), 3) for name in nets
            }
        }
        return found | ({"started from": self.measure(nets, dtype)} if begun else {})

    def _images(self, domain: str) -> Iterator[Tensor]:
        folder = self.folders[domain]
        for index in range(len(folder)):
            yield to_signed(stack([folder.centre(index, self.crop)])).to(self.device)

    def _translated(self, net: Generator, domain: str, dtype: torch.dtype) -> Iterator[Tensor]:
        training = net.training
        net.eval()
        for image in self._images(domain):
            with torch.inference_mode(), torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
                yield net(image).float().clamp(-1, 1)  # clipped like levels: a net with a skip may exceed them
        net.train(training)


def validations_without_gain(figures: Iterable[Mapping[str, float]]) -> int:
    """Number of latest validations without improvement in any direction."""
    best: dict[str, float] = {}
    vain = 0
    for found in figures:
        nearer = any(value < best.get(name, float("inf")) for name, value in found.items())
        vain = 0 if nearer else vain + 1
        best |= {name: min(value, best.get(name, float("inf"))) for name, value in found.items()}
    return vain
