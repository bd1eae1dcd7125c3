"""Pairs that teach a whiter snow: python -m tests.benchmarks.snow_targets runs/snow5 runs/green OUT

A pass over what a style makes of photographs (in float32, at its defaults), kept as OUT/photographs and OUT/targets, by
the same names: where the photograph is green the style's brightening is taken further and its colour fades; in the sky
its change is taken back in part. A net learns it with `--method pix2pix`; no target is made for anything else.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from imgcycle import load_translator, translate
from imgcycle.media.image.pixels import eight_bit
from imgcycle.media.image.read import read_still
from imgcycle.media.paths import kind_of
from tests.benchmarks.snow import Floats, luma, saturation

SKY = 0.6
"""Of the style's change, in the sky."""


def sky(rgb: Floats) -> Floats:
    """How much each pixel of a photograph (h, w, 3) in [0, 1] is sky: blue or pale, joined to the upper edge."""
    height, width = rgb.shape[:2]
    light = luma(rgb)
    blue = (rgb[..., 2] >= rgb.max(-1) - 0.03) & (light > 0.35)
    like = (blue | ((light > 0.62) & (saturation(rgb) < 0.18))).astype(np.uint8)
    like[round(0.75 * height) :] = 0
    _, labels = cv2.connectedComponents(like, connectivity=4)
    above = set(np.unique(labels[: max(1, height // 50)])) - {0}
    found = np.isin(labels, list(above)).astype(np.float32)
    return _blurred(np.asarray(cv2.erode(found, np.ones((3, 3))), np.float32), max(1.0, width / 200))


def green(rgb: Floats) -> Floats:
    """How green each pixel is, 0 to 1: the green above the mean of the two others, against the largest."""
    above = rgb[..., 1] - 0.5 * (rgb[..., 0] + rgb[..., 2])
    share = above / np.maximum(rgb.max(-1), 0.05)
    return _blurred(np.clip((share - 0.02) / 0.1, 0, 1).astype(np.float32), rgb.shape[1] / 256)


def target(photograph: Floats, result: Floats, brighter: float, colour: float) -> Floats:
    """What is to be learnt for a photograph and the style's result, both (h, w, 3) in [0, 1].

    Where the photograph is all green, `brighter` of the style's brightening comes once more, and of its colour `colour`
    is left.
    """
    ground = 1 - sky(photograph)
    grassy = green(photograph) * ground
    before, after = luma(photograph), luma(result)
    change = after - before
    raised = np.maximum(_blurred(change, photograph.shape[1] / 128), 0)
    share = ground + SKY * (1 - ground)
    light = before + share * change + brighter * grassy * raised
    own, made = photograph - before[..., None], result - after[..., None]
    tint = (own + share[..., None] * (made - own)) * (1 - (1 - colour) * grassy)[..., None]
    return np.asarray(np.clip(light[..., None] + tint, 0, 1), np.float32)


def _blurred(plane: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("style")
    parser.add_argument("photographs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--brighter", type=float, default=0.65, help="of the brightening once more, in the green")
    parser.add_argument("--colour", type=float, default=0.4, help="what is left of the colour there")
    given = parser.parse_args()
    translator = load_translator(given.style, precision="fp32")
    for side in ("photographs", "targets"):
        (given.out / side).mkdir(parents=True, exist_ok=True)
    paths = sorted(path for path in given.photographs.iterdir() if kind_of(path) == "still")
    for path in paths:
        photograph = eight_bit(read_still(path.read_bytes()).pixels)
        made = translate(photograph, translator)
        x, y = ((side / 255).astype(np.float32) for side in (photograph, made))
        Image.fromarray(photograph).save(given.out / "photographs" / f"{path.stem}.png")
        levels = np.rint(255 * target(x, y, given.brighter, given.colour)).astype(np.uint8)
        Image.fromarray(levels).save(given.out / "targets" / f"{path.stem}.png")
    print(f"{len(paths)} pairs in {given.out}")


if __name__ == "__main__":
    main()
