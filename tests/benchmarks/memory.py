"""Peak memory and time of large pictures: python -m tests.benchmarks.memory [--style STYLE]

Pictures of 12, 50 and 100 megapixels are made from a demo photograph (needs IMGCYCLE_DATA) and converted at full
size, each by a process of its own whose peak resident memory the system reports.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import tifffile

_SIZES = {"12": (3000, 4000), "50": (5774, 8660), "100": (8165, 12247)}


def written(folder: Path, name: str) -> Path:
    """One of the pictures: `12.jpg`, `50.jpg`, `100.jpg`, `100.tif` (tiled), `100-16.tif`, `100-16.png`."""
    source = sorted((Path(os.environ["IMGCYCLE_DATA"]) / "demo").glob("*.jpg"))[0]
    pixels = cv2.imread(str(source))
    assert pixels is not None
    height, width = _SIZES[name.split(".", maxsplit=1)[0].split("-", maxsplit=1)[0]]
    pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC)
    if "-16" in name:
        pixels = pixels.astype(np.uint16) * 257
    path = folder / name
    if path.suffix == ".tif":
        tifffile.imwrite(path, np.ascontiguousarray(pixels[..., ::-1]), tile=(256, 256), photometric="rgb")
    else:
        cv2.imwrite(str(path), pixels)
    return path


def measured(words: Sequence[str]) -> tuple[int, float, int]:
    """Exit status, seconds and peak resident bytes of `imgcycle` with these words."""
    # A process between: the largest of all children so far is all that the system tells.
    code = (
        "import resource, subprocess, sys;"
        "status = subprocess.call(sys.argv[1:], stderr=subprocess.DEVNULL);"
        "print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    begun = time.perf_counter()
    command = [sys.executable, "-c", code, sys.executable, "-m", "imgcycle", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    status, peak = map(int, done.stdout.split())
    return status, time.perf_counter() - begun, peak * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--style", default="monet")
    parser.add_argument("--work-size", default="full")
    parser.add_argument("--memory", default="1500M")
    parser.add_argument("--deep-memory", default="2600M")
    parser.add_argument(
        "--pictures", nargs="+", default=["12.jpg", "50.jpg", "100.jpg", "100.tif", "100-16.tif", "100-16.png"]
    )
    given = parser.parse_args()
    print(f"{'':14}{'allowed':>10}{'peak MiB':>10}{'seconds':>10}{'s a megapixel':>15}")
    with tempfile.TemporaryDirectory() as name:
        for picture in given.pictures:
            path = written(Path(name), picture)
            allowed = given.deep_memory if "-16" in picture else given.memory
            out = Path(name) / f"out{path.suffix}"
            words = ["convert", str(path), "--to", given.style, "--work-size", given.work_size]
            status, seconds, peak = measured([*words, "--memory", allowed, "-o", str(out), "--overwrite"])
            height, width = _SIZES[picture.split(".")[0].split("-")[0]]
            rate = seconds / (height * width / 1e6)
            said = "" if status == 0 else f"  exit {status}"
            print(f"{picture:14}{allowed:>10}{peak / 2**20:10.0f}{seconds:10.1f}{rate:15.2f}{said}", flush=True)
            path.unlink()


if __name__ == "__main__":
    main()
