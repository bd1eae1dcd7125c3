"""How much of the green ground a winter covers with snow:
python -m tests.benchmarks.snow winter $IMGCYCLE_DATA/summer/val $IMGCYCLE_DATA/season/green

Counted in the lower 70 % of each result, as `convert` makes it with the style's defaults (in float32): of the pixels
that are green in the photograph (G > 1.02 R, G > 1.15 B, saturation > 0.2) the share that is white afterwards (luma
above 0.55, saturation below 0.25), all pictures' pixels together. Beside it the luma of that ground, the mean change of
the sky (pixels of the upper third whose blue is the strongest channel; distance of mean colours in levels) and the
edges that were kept. With `--thaw` the other way round: of the ground that is white the share that is green afterwards.

`python -m tests.benchmarks.snow --choose OUT $IMGCYCLE_DATA` links the pictures that the bundled style learnt from: to
OUT/green those of `summer/train` with more than 12 % green and less than 15 % white of the lower 60 % at 128², and all
of `season/green`; to OUT/snow those of `winter/train`, `summer/train` and `season/snow` with more than 36 % white, less
than 7 % green, and a sky: less than 35 % white in the upper third.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from imgcycle import convert_image, load_translator
from imgcycle.config import ConvertOptions
from imgcycle.data.batches import stack, to_signed
from imgcycle.media.image.pixels import eight_bit
from imgcycle.media.image.read import read_still
from imgcycle.media.paths import kind_of
from imgcycle.metrics.content import edge_agreement

LOWER = 0.3
"""Rows from here on down are ground."""
SKY = 1 / 3
SNOWY = ("winter/train", "summer/train", "season/snow")
"""Folders with pictures of snow."""

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]


def luma(rgb: Floats) -> Floats:
    """Rec. 601 luma of (h, w, 3) in [0, 1]."""
    return np.asarray(rgb @ np.array([0.299, 0.587, 0.114], np.float32))


def saturation(rgb: Floats) -> Floats:
    """(largest - smallest) / largest channel, 0 for black."""
    largest = rgb.max(-1)
    return np.asarray((largest - rgb.min(-1)) / np.maximum(largest, 1e-6))


def green(rgb: Floats) -> Mask:
    """Pixels (h, w, 3), in [0, 1], as green as grass."""
    red, middle, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    return np.asarray((middle > 1.02 * red) & (middle > 1.15 * blue) & (saturation(rgb) > 0.2))


def on_ground(found: Mask) -> Mask:
    """Those of the lower part of a picture."""
    return found & (np.arange(len(found)) >= round(LOWER * len(found)))[:, None]


def white(rgb: Floats) -> Mask:
    """Pixels as white as snow."""
    return np.asarray((luma(rgb) > 0.55) & (saturation(rgb) < 0.25))


def sky(rgb: Floats) -> Mask:
    """Blue pixels of the upper third."""
    found = (rgb[..., 2] >= rgb.max(-1)) & (luma(rgb) > 0.35)
    found[round(SKY * len(found)) :] = False
    return np.asarray(found)


def shares(path: Path) -> tuple[float, float, float]:
    """White and green in the lower 60 % of a picture at 128², and white in its upper third."""
    small = Image.open(path).convert("RGB").resize((128, 128))
    rgb = (np.asarray(small, np.float32) / 255).astype(np.float32)
    low, high = rgb[51:], rgb[:42]
    overcast = (luma(high) > 0.6) & (saturation(high) < 0.12)
    return float(white(low).mean()), float(green(low).mean()), float(overcast.mean())


def choose(data: Path, out: Path) -> None:
    """Link the pictures that a winter with snow is learnt from."""
    for side, folders in (("green", ("summer/train", "season/green")), ("snow", SNOWY)):
        (out / side).mkdir(parents=True, exist_ok=True)
        for folder in folders:
            for path in sorted((data / folder).iterdir()):
                snow, grass, overcast = shares(path)
                wanted = snow > 0.36 and grass < 0.07 and overcast < 0.35
                if side == "green":
                    wanted = folder == "season/green" or (grass > 0.12 and snow < 0.15)
                if wanted:
                    (out / side / f"{folder.replace('/', '_')}_{path.name}").symlink_to(path.resolve())
        print(f"{side}: {len(list((out / side).iterdir()))} pictures")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("style", nargs="?")
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--work-size", type=int, help="as convert has it")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--strength", type=float, default=1.0, help="as convert has it")
    parser.add_argument("--thaw", action="store_true", help="of what is white, how much turns green")
    parser.add_argument("--choose", type=Path, metavar="OUT", help="link pictures to learn from")
    given = parser.parse_args()
    if given.choose is not None:
        choose(given.folders[0], given.choose)
        return
    translator = load_translator(given.style, precision=given.precision)
    options = ConvertOptions(work_size=given.work_size or "auto", strength=given.strength)
    begin, goal = (white, green) if given.thaw else (green, white)
    names = f"{begin.__name__:>9}{goal.__name__:>9}"
    print(f"{given.style}: {'pictures':>9}{names}{'luma':>15}{'sky moves':>11}{'edges':>7}")
    for folder in given.folders:
        ground, turned, before, after, moves, edges = 0, 0, 0.0, 0.0, [], []
        paths = sorted(p for p in folder.rglob("*") if kind_of(p) == "still")
        with tempfile.TemporaryDirectory() as name:
            for path in paths:
                photograph = eight_bit(read_still(path.read_bytes()).pixels)
                Image.fromarray(photograph).save(Path(name) / "photograph.png")
                convert_image(Path(name) / "photograph.png", Path(name) / "made.png", translator, options)
                made = eight_bit(read_still((Path(name) / "made.png").read_bytes()).pixels)
                (Path(name) / "made.png").unlink()
                edges.append(float(edge_agreement(*(to_signed(stack([side])) for side in (photograph, made)))))
                x, y = ((side / 255).astype(np.float32) for side in (photograph, made))
                where, above = on_ground(begin(x)), sky(x)
                ground += int(where.sum())
                turned += int((goal(y) & where).sum())
                before += float(luma(x)[where].sum())
                after += float(luma(y)[where].sum())
                if above.mean() > 0.05:
                    moves.append(255 * float(np.linalg.norm(x[above].mean(0) - y[above].mean(0))))
        shares = f"{turned / max(ground, 1):8.1%}{before / max(ground, 1):9.2f} → {after / max(ground, 1):.2f}"
        print(f"{folder.name:>12}{len(paths):5}{ground:10}{shares}{np.mean(moves or [0]):11.1f}{np.mean(edges):7.2f}")
    print(f"torch {torch.__version__}")


if __name__ == "__main__":
    main()
