"""What each part of the calm for clips is worth: python -m tests.benchmarks.flicker monet CLIP... [--frames N]

E_warp of the input (the floor), of frames translated one by one, with each part alone, and with all, at the style's
work size. `flicker` is what is above the floor, as a share of what it is frame by frame; where the net's results
flicker less than the input (few contrasts), it says nothing, and E_warp itself is to be read.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import torch
from torch import Tensor

from imgcycle import load_translator
from imgcycle.engine import resample
from imgcycle.engine import smoothing as temporal
from imgcycle.engine.full_frame import run_whole
from imgcycle.engine.smoothing import Floats, Smoothing, Strength, TemporalSmoother, motion_between
from imgcycle.engine.style import work_shape
from imgcycle.engine.translator import Translator
from imgcycle.media.image.reduction import reduced
from imgcycle.media.video.decoder import FrameReader
from imgcycle.media.video.probing.probe import probe_video
from imgcycle.metrics.flicker import Flicker
from imgcycle.motion.flow import Motion
from tests.engine.frozen import frozen, measured

SHEET = ("input", "per frame", "light", "strong")
SHOWN = 4


class Once(Translator):
    """A translator that does not repeat itself: parts that put a frame at the same place share the net's result."""

    def __init__(self, plain: Translator) -> None:
        self.__dict__.update(plain.__dict__)
        self._last: Tensor | None = None
        self._found: dict[tuple[int, int], Tensor] = {}

    def whole(self, x: Tensor, at: tuple[int, int] = (0, 0)) -> Tensor:
        if self._last is None or not torch.equal(self._last, x):
            self._last, self._found = x, {}
        if at not in self._found:
            self._found[at] = super().whole(x, at)
        return self._found[at]


class Sliding(Translator):
    """A translator that puts every frame at the same place of its grid."""

    def __init__(self, plain: Translator) -> None:
        self.__dict__.update(plain.__dict__)
        self.plain = plain

    def whole(self, x: Tensor, at: tuple[int, int] = (0, 0)) -> Tensor:  # noqa: ARG002 - the point of it
        return self.plain.whole(x)


class Held(Sliding):
    """A translator whose norms keep the moments of the first frame of a scene."""

    chain = None

    def whole(self, x: Tensor, at: tuple[int, int] = (0, 0)) -> Tensor:  # noqa: ARG002
        return Translator.whole(self, x)

    def _run(self, planes: Tensor) -> Tensor:
        if self.chain is None:
            chain = self.net.stages()
            assert chain is not None
            self.chain = frozen(chain, measured(chain, planes))
        return run_whole(self.chain, planes)


class Soft(TemporalSmoother):
    """Calm that leaves averages as soft as they are."""

    def follow(self, frame: Floats, motion: Motion | None) -> Floats:
        with mock.patch.object(temporal, "_missing_detail", return_value=np.float32(0)):
            return super().follow(frame, motion)


def calm(translator: Translator, strength: Strength, smoothing: Smoothing | None = None) -> TemporalSmoother:
    """Calm, with other numbers where given."""
    made = TemporalSmoother(translator, strength)
    made.smoothing = smoothing or made.smoothing
    return made


def frames(path: Path, first: int, count: int, work_size: int) -> Iterator[Floats]:
    """Frames at work size."""
    with FrameReader(probe_video(path), first=first) as reader:
        for frame, _ in zip(reader, range(count), strict=False):
            shape = work_shape(reader.height, reader.width, work_size)
            yield resample.to_float01(reduced(frame.frame, shape))


def compare(translator: Translator, path: Path, first: int, count: int, sheet: Path | None) -> None:
    """One clip's table."""
    once = Once(translator)
    held = Held(translator)
    no_blend = Smoothing(0.0, 6.0)
    parts: dict[str, TemporalSmoother] = {
        "per frame": TemporalSmoother(once, "off"),
        "moments held": TemporalSmoother(held, "off"),
        "on the grid": calm(once, "light", no_blend),
        "blend": TemporalSmoother(Sliding(once), "light"),
        "all, not raised": Soft(once, "light"),
        "light": TemporalSmoother(once, "light"),
        "strong": TemporalSmoother(once, "strong"),
    }
    meters = {name: Flicker() for name in ("input", *parts)}
    before: Floats | None = None
    spent = {"net": 0.0, "motion": 0.0, "light": 0.0}
    shifts, rows = [], []
    for number, frame in enumerate(frames(path, first, count, translator.style.work_size)):
        began = time.process_time()
        motion = motion_between(before, frame)
        back = None
        if motion is None:
            held.chain = None
        else:
            back = motion.reversed()
            shifts.append(np.hypot(*np.median(motion.backward, (0, 1))))
        spent["motion"] += time.process_time() - began
        found = {"input": frame}
        for name, part in parts.items():
            began = time.process_time()
            found[name] = part.follow(frame, motion)
            key = {"per frame": "net"}.get(name, name)
            spent[key] = spent.get(key, 0.0) + time.process_time() - began
        for name, result in found.items():
            meters[name].add(result, back, found["per frame"])
        before = frame
        if count // 2 <= number < count // 2 + SHOWN:
            rows.append(np.hstack([np.clip(found[name], 0, 1) for name in SHEET]))
    figures = {name: meter.figures() for name, meter in meters.items()}
    floor, plain = figures["input"], figures["per frame"]
    costs = ", ".join(f"{name} {1000 * spent[name] / plain.frames:.0f} ms" for name in ("net", "motion", "light"))
    height, width = frame.shape[:2]
    print(f"{path.stem}: {plain.frames} frames of {width} × {height}, camera {np.mean(shifts):.1f} px/frame, {costs}")
    for name, found_figures in figures.items():
        flicker = (found_figures.e_warp - floor.e_warp) / (plain.e_warp - floor.e_warp)
        print(
            f"  {name:16}{1e6 * found_figures.e_warp:9.0f}{flicker:9.2f}"
            f"{found_figures.sharpness / plain.sharpness:9.3f}{found_figures.distance:9.2f}",
            flush=True,
        )
    if sheet is not None:
        levels = np.rint(255 * np.vstack(rows)).astype(np.uint8)
        cv2.imwrite(str(sheet / f"{path.stem}.png"), levels[..., ::-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("style")
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--first", type=int, default=0, help="frames to pass over")
    parser.add_argument("--sheets", type=Path, help="a folder for pictures: " + " | ".join(SHEET))
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("IMGCYCLE_BENCH_THREADS", "1")))
    translator = load_translator(given.style)
    print(f"{given.style}, work size {translator.style.work_size}, {translator.dtype}, torch {torch.__version__}")
    print(f"  {'':16}{'E_warp/1e6':>10}{'flicker':>8}{'sharp':>9}{'distance':>9}")
    for clip in given.clips:
        compare(translator, clip, given.first, given.frames, given.sheets)


if __name__ == "__main__":
    main()
