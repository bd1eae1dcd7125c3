"""The share of a processor's matrix-product peak that nets reach inside convert: python -m tests.benchmarks.peak

The peak is the fastest of several large matrix products in the same type on the same threads, timed in turn with the
conversions. A net's work is twice the multiply-adds of one run over the whole picture, whatever is computed on top;
its seconds are those between the decoder and the encoder.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch

from imgcycle.config import ConvertOptions, NetConfig
from imgcycle.device import resolve_device, resolve_precision
from imgcycle.engine.padding import padded_size
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.images.cost import ImagePlan
from imgcycle.jobs.images.image import decoded, plan_for_frame, prepared, translate_frame
from imgcycle.jobs.recipe import resolve
from imgcycle.nets.build import build_generator
from imgcycle.nets.stages import multiply_adds
from tests.benchmarks.convert import photograph
from tests.media.pictures import encoded

_SIDE = 2048


def product_rate(dtype: torch.dtype) -> float:
    """Operations a second of the fastest of five matrix products."""
    a, b = (torch.rand(_SIDE, _SIDE).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(5):
        begun = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - begun)
    return 2 * _SIDE**3 / min(seconds)


def net_rate(translator: Translator, data: bytes, side: int) -> float:
    """Operations a second of a net over one picture, as convert runs it."""
    options = resolve(ConvertOptions(work_size="full"), translator.style)
    frame = prepared(decoded(data, "a.jpg", options), data, options).frame
    plan = plan_for_frame(frame, ImagePlan(0), options, translator, MemoryBudget.default())
    stages = translator.net.stages()
    assert stages is not None
    work = 2 * multiply_adds(stages, *padded_size(side, side, translator.stride, translator.min_size))
    begun = time.perf_counter()
    translate_frame(frame, options, translator, plan, folder=Path.cwd())
    return work / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512, 1024])
    given = parser.parse_args()
    device = resolve_device("cpu")
    dtype = resolve_precision("auto", device)
    print(f"{torch.get_num_threads()} threads, {dtype}, torch {torch.__version__}")
    print(f"{'':24}{'GFLOP/s':>10}{'of the peak':>13}")
    for name in ("resnet9", "compact"):
        net = build_generator(NetConfig.named(name))
        net.initialise()
        translator = Translator(net, device, dtype, Style(name, "", 256))
        for side in given.sides:
            data = encoded(photograph(side, side, 0), "JPEG", quality=92)
            rates, shares = [], []
            net_rate(translator, data, side)
            for _ in range(given.rounds):
                peak = product_rate(dtype)
                rates.append(net_rate(translator, data, side))
                shares.append(rates[-1] / max(peak, product_rate(dtype)))
            rate, share = statistics.median(rates), statistics.median(shares)
            print(f"{name + f', {side}²':24}{rate / 1e9:10.0f}{share:13.0%}", flush=True)


if __name__ == "__main__":
    main()
