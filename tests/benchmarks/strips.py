"""Ways to put a large picture through a net, on a photograph: python -m tests.benchmarks.strips

Naive tiles (256 pixels, 32 of overlap, blended), statistics taken from a thumbnail, the whole picture at once, exact
strips: how far each is from the whole picture (in levels of 8 bits), how long it takes, and how much memory.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imgcycle.config import NetConfig
from imgcycle.device import resolve_precision
from imgcycle.engine.strips.statistics import NormStatistics, affine_of
from imgcycle.engine.translator import Translator
from imgcycle.nets.build import build_generator
from imgcycle.nets.stages import INPUT, Norm, step
from imgcycle.weights.native import load_generator
from tests.engine.tensors import TensorSink, TensorSource

TILE, OVERLAP, THUMBNAIL = 256, 32, 256
Way = Callable[[Translator, Tensor], Tensor]


def photograph(side: int) -> Tensor:
    """The first demo photograph at about side² pixels, sides of multiples of 4."""
    path = sorted((Path(os.environ["IMGCYCLE_DATA"]) / "demo").glob("*.jpg"))[0]
    pixels = cv2.imread(str(path))
    assert pixels is not None
    scale = side / (pixels.shape[0] * pixels.shape[1]) ** 0.5
    height, width = (max(TILE, round(n * scale / 4) * 4) for n in pixels.shape[:2])
    pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)[:, :, ::-1]
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 127.5 - 1


def whole(translator: Translator, x: Tensor) -> Tensor:
    """All of it at once."""
    return translator(x)


def strips(translator: Translator, x: Tensor, memory: int = 2**40) -> Tensor:
    """The exact engine."""
    height, width = x.shape[2:]
    plan = translator.plan(height, width, memory, mode="strips")
    sink = TensorSink(3, height, width)
    translator.translate_rows(TensorSource(x), sink, plan)
    return sink.x


def tiles(translator: Translator, x: Tensor) -> Tensor:
    """What most tools do: tiles by themselves, blended over their overlap."""
    height, width = x.shape[2:]
    total, weights = torch.zeros_like(x), torch.zeros(1, 1, height, width)
    ramp = (torch.arange(TILE).minimum(TILE - 1 - torch.arange(TILE)) + 1).clamp(max=OVERLAP) / OVERLAP
    window = torch.outer(ramp, ramp)
    for top in starts(height):
        for left in starts(width):
            place = (..., slice(top, top + TILE), slice(left, left + TILE))
            total[place] += translator(x[place]) * window
            weights[place] += window
    return total / weights


def starts(side: int) -> list[int]:
    """Where tiles begin along a side."""
    return sorted({min(n, side - TILE) for n in range(0, side, TILE - OVERLAP)})


def thumbnail(translator: Translator, x: Tensor) -> Tensor:
    """Statistics of a reduced picture for the norms of the full one (after URST, Wang et al., AAAI 2022)."""
    chain = translator.net.stages()
    assert chain is not None
    scale = THUMBNAIL / min(x.shape[2:])
    size = [round(side * scale / 4) * 4 for side in x.shape[2:]]
    small = F.interpolate(x, size, mode="bilinear", antialias=True)
    pair = [p.to(translator.dtype, memory_format=torch.channels_last) for p in (small, x)]
    slots = [{INPUT: p} for p in pair]
    with torch.inference_mode():
        for stage in chain:
            if isinstance(stage, Norm):
                affine = affine_of(stage, NormStatistics.of(pair[0])).to(x.device, translator.dtype)
                pair = [affine(p) for p in pair]
            else:
                weight = getattr(stage, "weight", None)
                pair = [
                    step(stage, p if weight is None else p.to(weight.dtype), s)
                    for p, s in zip(pair, slots, strict=True)
                ]
    return pair[1].float()


WAYS: dict[str, Way] = {
    "whole": whole,
    "naive tiles 256+32": tiles,
    "thumbnail statistics": thumbnail,
    "exact strips": strips,
    "exact strips, little memory": lambda t, x: strips(t, x, 256 * 2**20),
}


def translator_for(net: str, precision: str) -> Translator:
    """A weights file's net, or a named one with random weights."""
    device = torch.device("cpu")
    if Path(net).is_file():
        generator = load_generator(Path(net))[0]
    else:
        torch.manual_seed(0)
        generator = build_generator(NetConfig.named(net))
        generator.initialise()
    return Translator(generator, device, resolve_precision(precision, device))


def measure(way: str, net: str, precision: str, side: int, out: Path) -> None:
    """One way in a process of its own, so that its peak memory is its own."""
    torch.set_num_threads(int(os.environ.get("IMGCYCLE_BENCH_THREADS", "1")))
    translator, x = translator_for(net, precision), photograph(side)
    WAYS[way](translator, x[:, :, :TILE, :TILE])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    y = WAYS[way](translator, x)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    torch.save({"y": y, "wall": wall, "cpu": cpu, "peak": peak, "before": before}, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--net", default="compact", help="a weights file, or compact, resnet9, resnet6 (random weights)"
    )
    parser.add_argument("--side", type=int, default=1024, help="square root of the pixels")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        measure(given.one, given.net, given.precision, given.side, given.out)
        return
    print(f"{given.net}, {given.side}², {given.precision}, torch {torch.__version__}")
    print(f"{'':30}{'mean':>9}{'worst':>9}{'differ':>9}{'wall s':>9}{'CPU s':>9}{'peak MiB':>10}")
    with tempfile.TemporaryDirectory() as folder:
        truth = None
        for way in WAYS:
            out = Path(folder) / "result.pt"
            call = [sys.executable, "-m", "tests.benchmarks.strips", "--one", way, "--out", str(out)]
            call += ["--net", given.net, "--side", str(given.side), "--precision", given.precision]
            subprocess.run(call, check=True)
            found = torch.load(out)
            truth = found["y"] if truth is None else truth
            off = (found["y"] - truth).abs() * 127.5
            levels = [((y + 1) * 127.5).round() for y in (found["y"], truth)]
            differ = float((levels[0] != levels[1]).double().mean())
            print(
                f"{way:30}{off.mean():9.4f}{off.max():9.3f}{differ:9.3%}"
                f"{found['wall']:9.2f}{found['cpu']:9.2f}{found['peak'] / 1024:10.0f}"
            )


if __name__ == "__main__":
    main()
