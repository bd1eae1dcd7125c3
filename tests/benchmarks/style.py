"""What a style does to held-out pictures: python -m tests.benchmarks.style monet $IMGCYCLE_DATA/{photo,monet}/val

KID × 1000 on VGG19 features to the target's pictures, of the inputs as they are, of a 50 % double exposure with
random targets, and of the style; with it what is left of the scene: mean change in levels, luma correlation. The
style runs in memory here; `imgcycle evaluate` measures pictures in files, and more of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from imgcycle.data.batches import stack, to_unit
from imgcycle.data.folders import ImageFolder
from imgcycle.data.sampling import dice
from imgcycle.jobs.translators import load_translator
from imgcycle.metrics.content import luma_correlation
from imgcycle.metrics.features import FeatureNet
from imgcycle.metrics.kid import kernel_distance


def pictures(folder: ImageFolder) -> list[Tensor]:
    return [to_unit(stack([folder.centre(n, folder.size)])) for n in range(len(folder))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("style")
    parser.add_argument("inputs", type=Path)
    parser.add_argument("targets", type=Path)
    parser.add_argument("--size", type=int, default=256)
    given = parser.parse_args()
    inputs, targets = (pictures(ImageFolder(f, given.size)) for f in (given.inputs, given.targets))
    partners = dice(0, "double exposure").integers(len(targets), size=len(inputs))
    translator = load_translator(given.style)
    net = FeatureNet(torch.device("cpu"))
    reference = net.features(targets)
    rows: dict[str, list[Tensor]] = {
        "unconverted": inputs,
        "double exposure, 50 %": [(x + targets[n]) / 2 for x, n in zip(inputs, partners, strict=True)],
        given.style: [translator(x).clamp(-1, 1) for x in inputs],
    }
    print(f"{len(inputs)} inputs, {len(targets)} targets, {given.size}², torch {torch.__version__}")
    print(f"{'':24}{'KID x1000':>10}{'ratio':>8}{'change':>8}{'luma r':>8}{'least':>8}")
    base = kernel_distance(net.features(inputs), reference)
    for name, made in rows.items():
        distance = kernel_distance(net.features(made), reference) if made is not inputs else base
        pairs = list(zip(inputs, made, strict=True))
        luma = torch.cat([luma_correlation(x, y) for x, y in pairs])
        change = 127.5 * torch.stack([(x - y).abs().mean() for x, y in pairs]).mean()
        print(f"{name:24}{1000 * distance:10.1f}{distance / base:8.2f}{change:8.1f}{luma.mean():8.2f}{luma.min():8.2f}")


if __name__ == "__main__":
    main()
