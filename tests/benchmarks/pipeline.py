"""What decoding, encoding and writing add to the net: python -m tests.benchmarks.pipeline

A folder of photographs through `convert` with the 9-block net at full size, against the same tensors, in memory
already, through the same translator with the same threads; and how busy the processor is with the compact net at
its defaults.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from imgcycle.config import ConvertOptions, ConvertRequest, NetConfig
from imgcycle.device import resolve_device, resolve_precision
from imgcycle.engine import resample
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.images.batch import convert_all
from imgcycle.jobs.images.cost import plan_nets
from imgcycle.jobs.images.plan import plan
from imgcycle.jobs.recipe import resolve
from imgcycle.media.image.read import read_still
from imgcycle.nets.build import build_generator
from tests.benchmarks.convert import photograph
from tests.engine.tensors import TensorSink, TensorSource
from tests.media.pictures import encoded


def made(name: str) -> Translator:
    device = resolve_device("cpu")
    net = build_generator(NetConfig.named(name))
    net.initialise()
    return Translator(net, device, resolve_precision("auto", device), Style(name, name * 8))


def converted(translator: Translator, folder: Path, options: ConvertOptions) -> tuple[float, float]:
    """Wall and CPU seconds of a folder's conversion."""
    with tempfile.TemporaryDirectory() as out:
        request = ConvertRequest((str(folder),), out, options=options, overwrite=True)
        begun, used = time.perf_counter(), time.process_time()
        for _ in convert_all(plan(request, translator.style), translator):
            pass
        return time.perf_counter() - begun, time.process_time() - used


def alone(translator: Translator, tensors: Sequence[Tensor]) -> float:
    """Seconds of the net over pictures that are in memory."""
    options = ConvertOptions(work_size="full")
    begun = time.perf_counter()
    for x in tensors:
        height, width = x.shape[2:]
        how, _ = plan_nets(
            height, width, x.numel(), resolve(options, translator.style), translator, MemoryBudget.default()
        )
        translator.translate_rows(TensorSource(x), TensorSink(3, height, width), how)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--large", type=int, default=12, help="12-megapixel photographs for the compact net")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tensors = []
        for n in range(given.count):
            data = encoded(photograph(given.side, given.side, n), "JPEG", quality=92)
            (folder / f"{n:03}.jpg").write_bytes(data)
            tensors.append(resample.to_tensor(resample.to_float01(read_still(data).pixels)))
        wide = made("resnet9")
        full = ConvertOptions(work_size="full")
        ratios = []
        alone(wide, tensors[:4])
        for _ in range(given.rounds):
            net = alone(wide, tensors)
            wall, _ = converted(wide, folder, full)
            ratios.append(wall / net)
            print(f"9 blocks, {given.count} × {given.side}²: convert {wall:.2f} s, net {net:.2f} s, {wall / net:.3f}")
    print(f"median {statistics.median(ratios):.3f} of the net alone ({torch.get_num_threads()} threads)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = encoded(photograph(3000, 4000, 0), "JPEG", quality=92)
        for n in range(given.large):
            (folder / f"{n:03}.jpg").write_bytes(data)
        for _ in range(given.rounds):
            wall, used = converted(made("compact"), folder, ConvertOptions())
            print(
                f"compact at its defaults, {given.large} × 12 megapixels: {wall:.2f} s, {used:.2f} s of CPU, "
                f"{used / wall / cores:.2f} of {cores} cores"
            )


if __name__ == "__main__":
    main()
