"""A style on large photographs, as it comes: python -m tests.benchmarks.patches monet $IMGCYCLE_DATA/{demo,monet}

A style is learnt on pictures of 256 pixels and used on photographs of twelve megapixels, at its own work size and
detail; in float32 here, so that machines agree. Squares of 256 pixels are cut from the photographs and from their
results where they lie, at the full size, at half of it and from thumbnails, and measured as `imgcycle evaluate`
measures pictures: only there is a painting as coarse as those of the reference, nearer by one sees what the strokes
became.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from imgcycle import convert_image, load_translator
from imgcycle.data.batches import stack, to_unit
from imgcycle.data.folders import ImageFolder
from imgcycle.jobs.pairing import spread
from imgcycle.media.paths import kind_of
from imgcycle.media.pixels import Pixels, eight_bit
from imgcycle.media.stills import read_still
from imgcycle.metrics.content import edge_agreement, luma_correlation
from imgcycle.metrics.features import FeatureNet
from imgcycle.metrics.kid import WeightedRows, interval, kernel_distances

SIDE = 256
EACH = 9
"""Squares cut from a photograph at each scale but the smallest, where there is one."""
LOOKED = 300
"""Pictures of the reference that are looked at, at most, spread over the whole."""
WIDTHS = (5, 13, 11, 8, 16, 8, 7, 8)
SCALES = {"1:1": 1, "half": 2, "thumbnail": 0}


def scaled(pixels: Pixels, scale: int) -> Pixels:
    """Reduced by a factor, or for 0 to a shorter side of `SIDE`."""
    height, width = pixels.shape[:2]
    factor = scale or min(height, width) / SIDE
    size = (max(SIDE, round(width / factor)), max(SIDE, round(height / factor)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)) if factor > 1 else pixels


def places(height: int, width: int, count: int) -> list[tuple[int, int]]:
    """Where squares begin, on a grid of about `count` that covers the picture evenly."""
    rows = max(1, round((count * height / width) ** 0.5))
    columns = max(1, count // rows)
    tops, lefts = (np.linspace(0, side - SIDE, n + 2)[1:-1] for side, n in ((height, rows), (width, columns)))
    return [(int(top), int(left)) for top in tops for left in lefts]


def read(path: Path) -> Pixels:
    return eight_bit(read_still(path.read_bytes()).pixels)


def squares(pixels: Pixels, scale: int) -> list[Tensor]:
    """The squares of a picture at one scale, each float (1, 3, SIDE, SIDE) in [-1, 1]."""
    small = scaled(pixels, scale)
    cuts = places(small.shape[0], small.shape[1], EACH if scale else 1)
    parts = (eight_bit(small[top : top + SIDE, left : left + SIDE]) for top, left in cuts)
    return [to_unit(stack([part])) for part in parts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("style")
    parser.add_argument("photographs", type=Path)
    parser.add_argument("reference", type=Path, help="pictures of the style; subfolders too")
    given = parser.parse_args()
    translator, net = load_translator(given.style, precision="fp32"), FeatureNet(torch.device("cpu"))
    pairs: defaultdict[str, list[tuple[Tensor, Tensor]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        for path in sorted(p for p in given.photographs.iterdir() if kind_of(p) == "still"):
            convert_image(path, Path(name) / "made.png", translator)
            before, after = read(path), read(Path(name) / "made.png")
            for label, scale in SCALES.items():
                pairs[label] += zip(squares(before, scale), squares(after, scale), strict=True)
    folder = ImageFolder(given.reference, SIDE)
    chosen = spread(range(len(folder)), LOOKED)
    targets = net.features(to_unit(stack([folder.centre(n, SIDE)])) for n in chosen)
    reference = WeightedRows.resampled(targets, 0, 1)
    print(f"{given.style}: squares of {SIDE}² against {len(targets)} pictures, torch {torch.__version__}")
    wide = zip(("n", "unconverted", "KID x1000", "ratio", "90 %", "edges", "10th", "luma r"), WIDTHS, strict=True)
    print(" " * 10 + "".join(f"{name:>{width}}" for name, width in wide))
    for label, found in pairs.items():
        source, made = (
            kernel_distances(WeightedRows.resampled(net.features(side), 0, 0), reference)
            for side in zip(*found, strict=True)
        )
        low, high = interval(made / source)
        edges = torch.cat([edge_agreement(x, y) for x, y in found]).double()
        luma = torch.cat([luma_correlation(x, y) for x, y in found])
        print(
            f"{label:10}{len(found):5}{1000 * float(source[0]):13.1f}{1000 * float(made[0]):11.1f}"
            f"{float(made[0] / source[0]):8.2f}{low:8.2f} to {high:.2f}"
            f"{edges.mean():8.2f}{edges.quantile(0.1):7.2f}{luma.mean():8.2f}"
        )


if __name__ == "__main__":
    main()
