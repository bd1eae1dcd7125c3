"""The compact net against the 9-block one, per 256² image: python -m tests.benchmarks.nets"""

from __future__ import annotations

import argparse
from functools import partial

import torch
from torch import Tensor

from imgcycle.config import NetConfig
from imgcycle.device import resolve_device, resolve_precision
from imgcycle.engine.translator import Translator
from imgcycle.nets.build import build_generator
from imgcycle.nets.stages import multiply_adds
from tests.benchmarks.turns import in_turn, table
from tests.nets.parameters import parameter_count


def translated(translator: Translator, image: Tensor) -> float:
    """Translate, and wait for the device."""
    return float(translator(image).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    given = parser.parse_args()
    device = resolve_device(given.device)
    dtype = resolve_precision(given.precision, device)
    image = torch.rand(1, 3, 256, 256, device=device) * 2 - 1
    things = {}
    for name in ("resnet9", "compact"):
        net = build_generator(NetConfig.named(name))
        net.initialise()
        stages = net.stages()
        assert stages is not None
        print(f"{name}: {parameter_count(net):,} parameters, {multiply_adds(stages, 256, 256) / 1e9:.2f} GMAC at 256²")
        things[name] = partial(translated, Translator(net, device, dtype), image)
    print(f"{device}, {torch.get_num_threads()} threads, {dtype}, torch {torch.__version__}")
    print(table(in_turn(things, given.rounds, warm=2), "resnet9"))


if __name__ == "__main__":
    main()
