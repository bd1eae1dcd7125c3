"""Whether a style leaves a grid: python -m tests.benchmarks.grid [STYLE...]

Strided nets repeat themselves every 2 or 4 pixels where nothing else happens (Odena et al., Deconvolution and
Checkerboard Artifacts, 2016). 64 smooth, noisy squares go through the net at full size; in the averaged spectrum of the
results' luma, what stands at periods of 2 and 4 pixels, along either axis and both, is compared with the frequencies
around it. 1 is no grid. Measured is what a file holds, in 8 bits, and what a net gives before it is rounded to them.
How much of a grid can be seen is the last figure but one: the pattern of 4×4 pixels that remains when all of them are
averaged, from its lowest value to its highest, in levels of 8 bits. The last is how much of the noise, of 6 levels, is
left: a net that answers all squares with one grey has no grid, and is no use.
"""

from __future__ import annotations

import argparse
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt

from imgcycle.data.sampling import random_generator
from imgcycle.engine.resample import from_tensor, to_tensor
from imgcycle.engine.translator import Translator
from imgcycle.jobs.translators import load_translator

SIDE, COUNT = 256, 64
NOISE = 6 / 255
NEAR, FAR = 3, 9
"""From how many bins away to how many a peak's neighbours lie: nearer ones share its energy through the window."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
Floats = npt.NDArray[np.float32]


def square(index: int) -> Floats:
    """A smooth field of colours with a little noise, (256, 256, 3) in [0, 1]."""
    rng = random_generator(0, "grid", index)
    corners = rng.uniform(0.15, 0.85, (3, 3, 3)).astype(np.float32)
    smooth = cv2.resize(corners, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    noisy: Floats = np.clip(smooth + rng.normal(0, NOISE, smooth.shape), 0, 1).astype(np.float32)
    return noisy


def measured(translator: Translator | None) -> tuple[dict[str, npt.NDArray[np.float64]], float, float]:
    """Mean power of the results' luma, (256, 256), frequency 0 first, in 8 bits and as it is; in levels, the height of
    what repeats itself every 4 pixels and the deviation of all that is fine. Of the squares themselves without a net.
    """
    window = np.hanning(SIDE)[:, None] * np.hanning(SIDE)
    total, pattern = {name: np.zeros((SIDE, SIDE)) for name in ("8 bits", "unrounded")}, np.zeros((4, 4))
    noise = 0.0
    middle = slice(SIDE // 4, 3 * SIDE // 4)
    for index in range(COUNT):
        shown = square(index)
        made = shown if translator is None else from_tensor(translator(to_tensor(shown)))
        rounded = np.rint(made.clip(0, 1) * 255) / np.float32(255)
        for name, pixels in zip(total, (rounded, made), strict=True):
            luma = pixels @ LUMA
            total[name] += np.abs(np.fft.fft2(window * (luma - luma.mean()))) ** 2
        luma = made @ LUMA
        fine = (luma - cv2.GaussianBlur(luma, (0, 0), 6))[middle, middle]
        noise += float(fine.var())
        pattern += fine.reshape(SIDE // 8, 4, SIDE // 8, 4).mean((0, 2))
    powers = {name: power / COUNT for name, power in total.items()}
    return powers, float(255 * np.ptp(pattern) / COUNT), float(255 * (noise / COUNT) ** 0.5)


def peaks(power: npt.NDArray[np.float64]) -> dict[str, float]:
    """For each pair of periods (down, across; 0 is none) how the power there stands to that around it.

    4×4 is the stronger of its two diagonals; with a period of 2 both are one frequency.
    """
    found = {}
    steps = np.fft.fftfreq(SIDE, 1 / SIDE)
    for down, across in product((0, 4, 2), repeat=2):
        if not down and not across:
            continue
        at = tuple(SIDE // period if period else 0 for period in (down, across))
        low = np.hypot(*np.meshgrid(steps, steps, indexing="ij")) < 2 * FAR
        ratios = []
        for mirrored in (1, -1) if (down, across) == (4, 4) else (1,):
            rows, columns = ((steps - here + SIDE // 2) % SIDE - SIDE // 2 for here in (at[0], mirrored * at[1]))
            apart = np.maximum(np.abs(rows)[:, None], np.abs(columns))
            around = (apart >= NEAR) & (apart <= FAR) & ~low
            ratios.append(float(power[apart <= 1].mean() / power[around].mean()))
        found[f"{down or '-'}×{across or '-'}"] = max(ratios)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("styles", nargs="*", default=["monet"])
    given = parser.parse_args()
    print(f"{COUNT} squares of {SIDE}²; periods down × across, power relative to the frequencies around")
    nets = {"the squares": None} | {style: load_translator(style, precision="fp32") for style in given.styles}
    for position, (name, net) in enumerate(nets.items()):
        powers, height, noise = measured(net)
        for how, power in powers.items():
            found = peaks(power)
            if not position and how == "8 bits":
                print(
                    f"{'':24}"
                    + "".join(f"{periods:>8}" for periods in found)
                    + f"{'worst':>8}{'levels':>8}{'noise':>8}"
                )
            row = "".join(f"{ratio:8.2f}" for ratio in found.values())
            print(f"{f'{name}, {how}':24}{row}{max(found.values()):8.2f}{height:8.3f}{noise:8.2f}")


if __name__ == "__main__":
    main()
