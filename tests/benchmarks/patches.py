"""A style on large photographs, as it comes:
python -m tests.benchmarks.patches monet $IMGCYCLE_DATA/{demo,monet} --scans $IMGCYCLE_DATA/scans/monet --long-side 2000

A style is learnt on pictures of 256 pixels and used on photographs of twelve megapixels, at its own work size and
detail; in float32 here, so that machines agree. Squares of 256 pixels are cut from the photographs and from their
results where they lie, at the full size, at half of it and from thumbnails, and measured as `imgcycle evaluate`
measures pictures: only there is a painting as coarse as those of the reference, nearer by one sees what the strokes
became. With `--scans`, squares at 1:1 and at half size are measured against squares of large scans at theirs, where
strokes and canvas can be seen, as many from each; `--second-net` looks through EfficientNet-Lite0 (second_net.py),
which taught no style.
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
from imgcycle.config import ConvertOptions
from imgcycle.data.batches import stack, to_signed
from imgcycle.data.folders import ImageFolder
from imgcycle.data.sampling import evenly_spaced
from imgcycle.media.image.pixels import Pixels, eight_bit
from imgcycle.media.image.read import read_still
from imgcycle.media.paths import kind_of
from imgcycle.metrics.content import edge_agreement, luma_correlation
from imgcycle.metrics.features import FeatureNet
from imgcycle.metrics.kid import WeightedRows, interval, kernel_distances
from tests.benchmarks.second_net import SecondNet

SIDE = 256
EACH = 9
"""Squares cut from a photograph at each scale but the smallest, where there is one."""
OF_A_SCAN = 16
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


def at_most(pixels: Pixels, long_side: int | None) -> Pixels:
    """A photograph reduced so that its longer side has no more pixels than that."""
    image = Image.fromarray(pixels)
    if long_side is not None:
        image.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
    return np.asarray(image)


def read(path: Path) -> Pixels:
    return eight_bit(read_still(path.read_bytes()).pixels)


def squares(pixels: Pixels, scale: int, each: int = EACH) -> list[Tensor]:
    """The squares of a picture at one scale, each float (1, 3, SIDE, SIDE) in [-1, 1]."""
    small = scaled(pixels, scale)
    cuts = places(small.shape[0], small.shape[1], each if scale else 1)
    parts = (eight_bit(small[top : top + SIDE, left : left + SIDE]) for top, left in cuts)
    return [to_signed(stack([part])) for part in parts]


def of_scans(folder: Path) -> list[Tensor]:
    """Squares at 1:1 of all scans below a folder, about `OF_A_SCAN` of each."""
    paths = sorted(p for p in folder.rglob("*") if kind_of(p) == "still")
    return [part for path in paths for part in squares(read(path), 1, OF_A_SCAN)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("style")
    parser.add_argument("photographs", type=Path)
    parser.add_argument("reference", type=Path, help="pictures of the style; subfolders too")
    parser.add_argument("--scans", type=Path, help="large scans of the style, for squares at 1:1 and half size")
    parser.add_argument("--long-side", type=int, help="photographs are reduced to this first")
    parser.add_argument("--second-net", action="store_true", help="measure through EfficientNet-Lite0")
    parser.add_argument("--strokes", type=float, help="share of the fine strokes, as convert has it")
    given = parser.parse_args()
    translator = load_translator(given.style, precision="fp32")
    net = SecondNet() if given.second_net else FeatureNet(torch.device("cpu"))
    options = ConvertOptions(strokes=given.strokes)
    pairs: defaultdict[str, list[tuple[Tensor, Tensor]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        for path in sorted(p for p in given.photographs.iterdir() if kind_of(p) == "still"):
            before = at_most(read(path), given.long_side)
            Image.fromarray(before).save(Path(name) / "photograph.png")
            convert_image(Path(name) / "photograph.png", Path(name) / "made.png", translator, options)
            after = read(Path(name) / "made.png")
            for label, scale in SCALES.items():
                pairs[label] += zip(squares(before, scale), squares(after, scale), strict=True)
    folder = ImageFolder(given.reference, SIDE)
    chosen = evenly_spaced(range(len(folder)), LOOKED)
    targets = net.features(to_signed(stack([folder.centre(n, SIDE)])) for n in chosen)
    fine = targets if given.scans is None else net.features(of_scans(given.scans))
    references = {label: WeightedRows.resampled(fine if scale else targets, 0, 1) for label, scale in SCALES.items()}
    against = f"{len(targets)} pictures" + ("" if given.scans is None else f" and {len(fine)} squares of scans")
    through = "EfficientNet-Lite0" if given.second_net else "VGG19"
    print(f"{given.style}: squares of {SIDE}² against {against}, {through}, torch {torch.__version__}")
    wide = zip(("n", "unconverted", "KID x1000", "ratio", "90 %", "edges", "10th", "luma r"), WIDTHS, strict=True)
    print(" " * 10 + "".join(f"{name:>{width}}" for name, width in wide))
    for label, found in pairs.items():
        source, made = (
            kernel_distances(WeightedRows.resampled(net.features(side), 0, 0), references[label])
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
