"""A style on large photographs, as it comes: python -m tests.benchmarks.patches monet $IMGCYCLE_DATA/{demo,monet}

A style is learnt on pictures of 256 pixels and used on photographs of twelve megapixels, at its own work size and
detail. Squares of 256 pixels are cut from the photographs and from their results where they lie, at the full size,
at half of it and from thumbnails, and go through `imgcycle evaluate`: only there is a painting as coarse as those of
the reference, nearer by one sees what the strokes became.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from imgcycle import convert_image, load_translator
from imgcycle.cli.evaluate_view import show
from imgcycle.jobs.evaluate import evaluate
from imgcycle.jobs.evaluation import EvaluateRequest
from imgcycle.media.paths import kind_of
from imgcycle.media.pixels import Pixels, eight_bit
from imgcycle.media.stills import read_still

SIDE = 256
EACH = 9
"""Squares cut from a photograph at each scale but the smallest, where there is one."""
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


def read(path: Path) -> Pixels:
    return eight_bit(read_still(path.read_bytes()).pixels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("style")
    parser.add_argument("photographs", type=Path)
    parser.add_argument("reference", type=Path, help="pictures of the style; subfolders too")
    given = parser.parse_args()
    translator = load_translator(given.style)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in sorted(p for p in given.photographs.iterdir() if kind_of(p) == "still"):
            convert_image(path, folder / "made.png", translator)
            pair = {"inputs": read(path), "outputs": read(folder / "made.png")}
            for label, scale in SCALES.items():
                for which, pixels in pair.items():
                    small = scaled(pixels, scale)
                    target = folder / label / which
                    target.mkdir(parents=True, exist_ok=True)
                    squares = places(small.shape[0], small.shape[1], EACH if scale else 1)
                    for n, (top, left) in enumerate(squares):
                        square = Image.fromarray(small[top : top + SIDE, left : left + SIDE])
                        square.save(target / f"{path.stem}-{n}.png")
        for label in SCALES:
            print(f"\n{label}")
            outputs, inputs = (str(folder / label / which) for which in ("outputs", "inputs"))
            events = evaluate(EvaluateRequest(outputs, str(given.reference), inputs))
            show(events, quiet=True, verbose=False, json_lines=False)


if __name__ == "__main__":
    main()
