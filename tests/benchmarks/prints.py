"""The thirty squares that `ukiyo-e` learnt from: python -m tests.benchmarks.prints OUT PRINTS

Of each of the eight prints, without its margin and at a shorter side of 380 pixels, three or four squares of 256 along
its longer side. So few pictures are what someone with a liking and an evening has.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from PIL import Image

from imgcycle.media.paths import kind_of

SIDE = 256
SHORTER = 380
MARGIN = 0.06
"""Share of the shorter side that is paper on each edge."""
FOURS = 6
"""So many prints give four squares, the others three."""
SEED = 3


def squares(path: Path, count: int, choice: random.Random) -> list[Image.Image]:
    """Squares of a print from one end of its longer side to the other."""
    with Image.open(path) as image:
        whole = image.convert("RGB")
    margin = int(MARGIN * min(whole.size))
    whole = whole.crop((margin, margin, whole.width - margin, whole.height - margin))
    scale = SHORTER / min(whole.size)
    whole = whole.resize((round(whole.width * scale), round(whole.height * scale)), Image.Resampling.LANCZOS)
    found = []
    for n in range(count):
        along = round(n / (count - 1) * (max(whole.size) - SIDE))
        across = choice.randint(0, min(whole.size) - SIDE)
        left, top = (along, across) if whole.width > whole.height else (across, along)
        found.append(whole.crop((left, top, left + SIDE, top + SIDE)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("prints", type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    choice = random.Random(SEED)
    made = []
    for n, path in enumerate(sorted(p for p in given.prints.iterdir() if kind_of(p) == "still")):
        made += squares(path, 4 if n < FOURS else 3, choice)
    for n, square in enumerate(made):
        square.save(given.out / f"{n:02d}.png")
    print(f"{len(made)} squares")


if __name__ == "__main__":
    main()
