"""Strips against the whole picture, on photographs: python -m tests.benchmarks.exactness [STYLE...]

Each demo photograph (needs IMGCYCLE_DATA) goes through each net in float32, whole and in at least eight strips, and the
8-bit results are compared. `resnet9` stands for the published 9-block net with its first weights.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch

from imgcycle.config import NetConfig
from imgcycle.engine import resample
from imgcycle.engine.strips.plan import StripPlan
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import UsageError
from imgcycle.jobs.translators import load_translator
from imgcycle.media.image.read import read_still
from imgcycle.nets.build import build_generator
from tests.engine.tensors import TensorSink, TensorSource

_MEBI = 2**20


def opened(name: str) -> Translator:
    if name != "resnet9":
        return load_translator(name, device="cpu", precision="fp32")
    torch.manual_seed(0)
    net = build_generator(NetConfig.named("resnet9"))
    net.initialise()
    return Translator(net, torch.device("cpu"), torch.float32, Style("resnet9"))


def in_strips(translator: Translator, height: int, width: int) -> StripPlan:
    """A plan with at least eight strips in every pass over full rows."""
    memory = translator.least_memory(height, width)
    best = translator.plan(height, width, memory, mode="strips")
    for memory in (256 * _MEBI, 128 * _MEBI, 96 * _MEBI):
        try:
            found = translator.plan(height, width, memory, mode="strips")
        except UsageError:
            break
        if height / max(found.rows) >= 8:
            return found
    return best


def levels(translator: Translator, x: torch.Tensor, plan: StripPlan) -> np.ndarray:
    sink = TensorSink(3, *x.shape[2:])
    translator.translate_rows(TensorSource(x), sink, plan)
    return np.rint(np.clip(resample.from_tensor(sink.x), 0, 1) * 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nets", nargs="*", default=["monet", "resnet9"])
    parser.add_argument("--count", type=int, default=12, help="photographs, the smallest first")
    given = parser.parse_args()
    paths = (Path(os.environ["IMGCYCLE_DATA"]) / "demo").glob("*.jpg")
    photographs = sorted(((p, read_still(p.read_bytes()).pixels) for p in paths), key=lambda each: each[1].size)
    print(f"{'':58}{'strips':>8}{'worst level':>13}{'values that differ':>20}")
    for name in given.nets:
        translator = opened(name)
        for path, pixels in photographs[: given.count]:
            height, width = pixels.shape[:2]
            x = resample.to_tensor(resample.to_float01(pixels))
            plan = in_strips(translator, height, width)
            whole = levels(translator, x, translator.plan(height, width, 2**40, mode="whole"))
            apart = np.abs(whole.astype(int) - levels(translator, x, plan))
            label = f"{name}, {path.name[:28]}, {width} × {height}"
            strips = -(-height // max(plan.rows))
            print(f"{label:58}{strips:8}{apart.max():13}{(apart > 0).mean():20.4%}", flush=True)


if __name__ == "__main__":
    main()
