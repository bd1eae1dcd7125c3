"""Convert as it is used: 40 photographs against a plain loop, and one large photograph from a cold start.

    python -m tests.benchmarks.convert [--photographs FOLDER] [--style STYLE]

The plain loop is what one writes first: decode with Pillow, the net in float32, encode with Pillow, one after the
other, at the photographs' full size (256² here, as the net was made for). Without a folder the photographs are
smooth noise of that size.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from imgcycle.config import ConvertOptions, ConvertRequest, NetConfig
from imgcycle.device import resolve_device, resolve_precision
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.jobs.images.batch import convert_all
from imgcycle.jobs.images.plan import plan
from imgcycle.nets.build import build_generator
from imgcycle.nets.layers import Generator
from tests.benchmarks.turns import in_turn, table
from tests.styles import save_style

COUNT = 40


def photograph(height: int, width: int, seed: int) -> npt.NDArray[np.uint8]:
    """Smooth noise on three scales, as hard to compress as a photograph."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for cells, weight in ((8, 90.0), (48, 30.0), (256, 10.0)):
        small = rng.normal(0, weight, (cells, cells, 3)).astype(np.float32)
        total += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(total + 128, 0, 255).astype(np.uint8)


def plain_loop(net: Generator, sources: list[Path], target: Path) -> None:
    """Decode, translate in float32, encode, in turn."""
    for source in sources:
        pixels = np.asarray(Image.open(source).convert("RGB"))
        x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        with torch.no_grad():
            y = net(x)
        found = ((y[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).byte().numpy()
        Image.fromarray(found).save(target / f"{source.stem}.jpg", quality=92)


def converted(translator: Translator, source: Path, target: Path, counter: itertools.count[int]) -> None:
    """The same through `convert`, each time into a new folder."""
    request = ConvertRequest((str(source),), str(target / str(next(counter))), options=ConvertOptions(work_size="full"))
    for _ in convert_all(plan(request, translator.style), translator):
        pass


def cold_start(style: str, source: Path, target: Path) -> float:
    """Seconds of `imgcycle convert` for one photograph, file to file, in a new process."""
    began = time.perf_counter()
    words = ["convert", str(source), "--to", style, "-o", f"{target}/", "--overwrite", "-q"]
    subprocess.run([sys.executable, "-m", "imgcycle", *words], check=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=Path, help="a folder; its first 40 are taken")
    parser.add_argument("--style", help="for the large photograph; default: a compact net with random weights")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    device = resolve_device(given.device)
    dtype = resolve_precision("auto", device)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        (folder / "plain").mkdir()
        given_files = sorted(given.photographs.glob("*.jpg"))[:COUNT] if given.photographs else []
        for n in range(COUNT):
            image = Image.open(given_files[n]) if n < len(given_files) else Image.fromarray(photograph(256, 256, n))
            image.convert("RGB").save(folder / "in" / f"{n:02}.jpg", quality=92)
        net = build_generator(NetConfig.named("resnet9"))
        net.initialise()
        net.eval()
        sources = sorted((folder / "in").glob("*.jpg"))
        translator = Translator(net, device, dtype, Style("bench", "0" * 64))
        things = {
            "plain fp32 loop": partial(plain_loop, net, sources, folder / "plain"),
            f"convert ({dtype})": partial(converted, translator, folder / "in", folder, itertools.count()),
        }
        print(
            f"{COUNT} photographs, 9 blocks, 64 channels, {torch.get_num_threads()} threads, torch {torch.__version__}"
        )
        seconds = in_turn(things, given.rounds)
        print(table(seconds, "plain fp32 loop"))
        style = given.style or str(save_style(folder / "compact.safetensors", config=NetConfig.named("compact")))
        large = folder / "large.jpg"
        Image.fromarray(photograph(3000, 4000, 0)).save(large, quality=92)
        times = [cold_start(style, large, folder / "out") for _ in range(3)]
        print(f"12 megapixels, file to file, cold start: {', '.join(f'{t:.2f}' for t in times)} s")


if __name__ == "__main__":
    main()
