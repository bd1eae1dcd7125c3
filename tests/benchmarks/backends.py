"""OpenVINO against torch, in turn, with the error against torch in float32: python -m tests.benchmarks.backends"""

from __future__ import annotations

import argparse
import os
from functools import partial

import torch

from imgcycle.config import NetConfig
from imgcycle.engine.openvino import OpenVinoTranslator
from imgcycle.engine.translator import Translator
from imgcycle.nets.build import build_generator
from imgcycle.weights.native import load_generator
from tests.benchmarks.nets import translated
from tests.benchmarks.strips import photograph
from tests.benchmarks.turns import in_turn, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--weights", help="a file for the compact net; else it is drawn at random")
    given = parser.parse_args()
    cpu = torch.device("cpu")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, load before {os.getloadavg()[0]:.2f}")
    for name in ("compact", "resnet9"):
        torch.manual_seed(0)
        net = build_generator(NetConfig.named(name))
        net.initialise()
        if given.weights and name == "compact":
            net = load_generator(given.weights)[0]
        ways = {
            "torch fp32": Translator(net, cpu),
            "torch bf16": Translator(net, cpu, torch.bfloat16),
            "openvino fp32": OpenVinoTranslator(net, cpu),
            "openvino bf16": OpenVinoTranslator(net, cpu, torch.bfloat16),
        }
        for side in given.sides:
            x = photograph(side)
            wanted = ways["torch fp32"](x)
            print(f"\n{name}, {x.shape[3]} × {x.shape[2]}")
            print(table(in_turn({n: partial(translated, w, x) for n, w in ways.items()}, given.rounds), "torch fp32"))
            for way, translator in ways.items():
                error = (translator(x) - wanted).abs() * 127.5
                print(f"{way}: {error.mean():.5f} levels off on average, {error.max():.5f} at most")
    print(f"\nload after {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()
