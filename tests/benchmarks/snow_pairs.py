"""Pairs that a winter with snow is learnt from: python -m tests.benchmarks.snow_pairs OUT $IMGCYCLE_DATA

Writes to OUT/A photographs of `summer/train` and `photo/train` at a shorter side of 286 pixels, those with much that is
green and a few with little, and to OUT/B the same under snow, painted by the rule below: what is green or straw keeps
its shapes and turns from bluish shadow to white, ground nearly all of it, trees on their lit side; smooth dark water
stays; all else gets a little cooler and paler. A net that learns it from pairs needs no mask, leaves no seams where the
rule does, and is calm in clips.

`--deep` writes pairs for the way back, to be learnt from OUT/B to OUT/A: there snow lies deep, so that most of the
ground's texture is gone, as in real snow, and has to be drawn anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imgcycle.media.image.pixels import eight_bit
from imgcycle.media.image.read import read_still
from tests.benchmarks.snow import LOWER, Floats, luma, saturation

Values = NDArray[np.floating[Any]]

SIDE = 286
"""Shorter side of the pairs."""
MUCH, FEW = 0.12, 0.12
"""Share of the ground that is much green; pictures with less of it for each with more."""
COOL = np.array([0.96, 1.0, 1.05], np.float32)
"""What is not covered, by channel."""
SHADOW, LIGHT = np.array([0.80, 0.97, 1.22], np.float32), np.array([0.975, 1.0, 1.035], np.float32)
"""Colour of snow in shadow and in light, by channel."""


def ramp(low: float, high: float, x: Values) -> Floats:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def blurred(x: Values, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(x, (0, 0), sigma), np.float32)


def along_edges(x: Floats, guide: Floats, radius: int, epsilon: float) -> Floats:
    """Guided filter (He et al. 2010): `x` smoothed, with the edges of `guide`."""

    def mean(v: Values) -> Floats:
        side = 2 * radius + 1
        return np.asarray(cv2.boxFilter(v, -1, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)

    centre, level = mean(guide), mean(x)
    slope = (mean(guide * x) - centre * level) / (mean(guide * guide) - centre * centre + epsilon)
    return np.asarray(mean(slope) * guide + mean(level - slope * centre), np.float32)


def cover(rgb: Floats, light: Floats, rough: Floats) -> Floats:
    """Share of each pixel of (h, w, 3) that snow covers: green, straw on the ground, no smooth dark water."""
    side = min(light.shape)
    red, green, blue = (np.maximum(rgb[..., n], 1e-3) for n in range(3))
    colourful, down = saturation(rgb), depth(light)
    grass = ramp(0.92, 1.03, green / red) * ramp(1.02, 1.2, green / blue) * ramp(0.08, 0.22, colourful)
    straw = ramp(0.75, 0.95, green / red) * ramp(1.15, 1.5, green / blue) * ramp(0.15, 0.35, colourful)
    water = (1 - ramp(0.16, 0.30, blurred(light, side / 40))) * (1 - rough)
    found = np.maximum(grass, 0.7 * straw * ramp(0.3, 0.5, down)) * (1 - water)
    return np.clip(along_edges(blurred(found, side / 400), light, max(2, side // 96), 4e-4), 0, 1)


def depth(light: Floats) -> Floats:
    """0 at the top of a picture to 1 at its bottom."""
    height, width = light.shape
    return np.repeat(np.linspace(0, 1, height, dtype=np.float32)[:, None], width, 1)


def under_snow(rgb: Floats) -> tuple[Floats, Floats]:
    """A photograph (h, w, 3) in [0, 1] under snow, and the share of each pixel that is covered."""
    light = luma(rgb)
    side = min(light.shape)
    near = blurred(light, side / 40)
    deviation = np.sqrt(np.maximum(blurred(light * light, side / 40) - near * near, 0))
    rough = ramp(0.10, 0.30, deviation / np.maximum(near, 0.05))
    covered = cover(rgb, light, rough)
    # How bright a pixel is for what is green around it and in the whole picture.
    around = np.clip(blurred(covered * light, side / 10) / (blurred(covered, side / 10) + 1e-3), 0.05, 0.8)
    seen = light[covered > 0.5]
    usual = float(np.clip(np.percentile(seen, 75) if seen.size > 200 else 0.5, 0.12, 0.7))
    lit = ramp(0.24, 0.92, light / np.maximum(around**0.4 * usual**0.6, 0.04))
    # Ground is bright, smooth and low; a tree is what is not.
    local = blurred(covered * light, side / 40) / (blurred(covered, side / 40) + 1e-3)
    ground = ramp(0.55, 1.15, local / usual) * (1 - 0.6 * rough) * (0.4 + 0.8 * ramp(0.3, 0.8, depth(light)))
    ground = np.clip(ground, 0, 1)
    dark, bright = 0.11 + 0.31 * ground, 0.75 + 0.20 * ground
    level = dark + (bright - dark) * lit + 0.4 * (light - blurred(light, side / 64))
    level = np.clip(level, 0, 1)
    tone = ramp(0.2, 0.9, level)[..., None]
    snow = level[..., None] * (SHADOW * (1 - tone) + LIGHT * tone)
    rest = (light[..., None] + 0.72 * (rgb - light[..., None])) * COOL
    share = covered[..., None]
    return np.clip(rest * (1 - share) + snow * share, 0, 1), covered


def deep_snow(rgb: Floats, chance: np.random.Generator, least: float) -> tuple[Floats, Floats]:
    """The same where snow lies deep: ground that is no tree keeps a third of its texture at most, or none, by chance.

    `least` from 0 to 1 is how white and how smooth it is at least.
    """
    snowy, covered = under_snow(rgb)
    light = luma(rgb)
    side = min(light.shape)
    near = blurred(light, side / 40)
    deviation = np.sqrt(np.maximum(blurred(light * light, side / 40) - near * near, 0))
    ground = covered * (1 - ramp(0.06, 0.22, deviation)) * ramp(0.25, 0.55, depth(light))
    ground = np.clip(along_edges(blurred(ground, side / 60), light, max(2, side // 48), 1e-3), 0, 1)
    sigma = side / float(chance.choice([60, 30, 16]))
    bright = float(chance.uniform(0.80 + 0.04 * least, 0.95 + 0.04 * least))
    level, weight = luma(snowy), covered + 1e-3
    broad = blurred(level * weight, sigma) / blurred(weight, sigma)
    shade, dark = np.clip((broad - 0.2) / 0.6, 0, 1), 0.45 + 0.15 * least
    texture = float(chance.uniform(0, 0.35 - 0.15 * least)) * (level - broad) + chance.normal(0, 0.008, level.shape)
    level = np.clip((dark + (1 - dark) * shade) * bright + texture, 0, 1).astype(np.float32)
    tone = ramp(0.3, 0.9, level)[..., None]
    snow = level[..., None] * (np.array([0.86, 0.98, 1.14], np.float32) * (1 - tone) + LIGHT * tone)
    share = (ground * float(chance.uniform(0.6 + 0.2 * least, 1)))[..., None]
    return np.clip(snowy * (1 - share) + snow * share, 0, 1), covered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--deep", type=float, metavar="LEAST", help="for the way back: how white and smooth at least, 0..1"
    )
    given = parser.parse_args()
    for side in "AB":
        (given.out / side).mkdir(parents=True, exist_ok=True)
    green = few = 0
    for folder in ("summer/train", "photo/train"):
        for path in sorted((given.data / folder).iterdir()):
            pixels = eight_bit(read_still(path.read_bytes()).pixels)
            scale = SIDE / min(pixels.shape[:2])
            small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            rgb = (small / 255).astype(np.float32)
            chance = np.random.default_rng([*([7] if given.deep else []), len(path.stem), *path.stem.encode()])
            snowy, covered = under_snow(rgb) if given.deep is None else deep_snow(rgb, chance, given.deep)
            much = float(covered[round(LOWER * len(covered)) :].mean()) > MUCH
            if not much and few >= FEW * green + 5:
                continue
            green, few = green + much, few + (not much)
            name = f"{folder.replace('/', '_')}_{path.stem}.png"
            for side, picture in (("A", rgb), ("B", snowy)):
                Image.fromarray((picture * 255 + 0.5).astype(np.uint8)).save(given.out / side / name)
    print(f"{green} pairs with much green, {few} with little")


if __name__ == "__main__":
    main()
