"""What a frame of a clip costs, stage by stage: python -m tests.benchmarks.frames [CLIP] [--style monet]

Seconds of CPU a frame for each part of `imgcycle video`, one after another on one thread: decoding (ffmpeg's process
and the reading of its pipe apart), reducing to the work size, optical flow, the net, blending with the frame before,
enlarging back to the full size, and encoding. Frames are planes of luma and colour where the program has them so. Then
presets of the encoders on those results: seconds, megabytes and PSNR, from which the defaults are chosen. Without a
clip a test picture of 1920×1080 is taken, which compresses better than films.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from imgcycle.engine import resample
from imgcycle.engine.clips.planes import PlaneFrames
from imgcycle.engine.smoothing import TemporalSmoother, motion_between
from imgcycle.engine.style import work_shape
from imgcycle.engine.translator import Translator
from imgcycle.jobs.translators import load_translator
from imgcycle.media.image.pixels import Pixels
from imgcycle.media.image.reduction import reduced
from imgcycle.media.video.decoder import FrameReader
from imgcycle.media.video.encoder import FrameWriter, VideoCodec, plan_coding
from imgcycle.media.video.filters import stored_planes
from imgcycle.media.video.probing.clip import Clip
from imgcycle.media.video.probing.probe import probe_video
from tests.benchmarks.video import RATE, clip

PRESETS: dict[VideoCodec, tuple[tuple[str, int], ...]] = {
    "h264": (
        *((word, 18) for word in ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium")),
        ("veryfast", 17),
    ),
    "hevc": tuple((word, 20) for word in ("ultrafast", "superfast", "veryfast", "fast", "medium")),
    "av1": tuple((number, 24) for number in ("11", "10", "9", "8", "7", "6")),
}
"""Speeds and qualities to compare."""


class Budget:
    """CPU seconds by stage: this process's threads, and under names of their own its children."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextlib.contextmanager
    def of(self, stage: str, children: str | None = None) -> Iterator[None]:
        """Count what is used in here; `children` names what processes use that end in here."""
        used, theirs = time.process_time(), _children()
        yield
        self.seconds[stage] += time.process_time() - used
        if children is not None:
            self.seconds[children] += _children() - theirs

    def table(self, frames: int) -> str:
        """Milliseconds a frame, and shares of the whole."""
        whole = sum(self.seconds.values())
        lines = [f"{name:28}{1000 * s / frames:9.1f} ms{s / whole:8.0%}" for name, s in self.seconds.items()]
        return "\n".join([*lines, f"{'all':28}{1000 * whole / frames:9.1f} ms"])


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def plane_frames(translator: Translator, clip: Clip) -> PlaneFrames | None:
    """The planes of a clip's frames, if the program reads them as such."""
    stored = stored_planes(clip, clip.width, clip.height)
    size = clip.height, clip.width
    return None if stored is None else PlaneFrames(*size, work_shape(*size, translator.style.work_size), *stored)


def translated(translator: Translator, clip: Clip, count: int, budget: Budget) -> list[Pixels]:
    """The results of a clip's first frames, each stage counted."""
    planes, shape = plane_frames(translator, clip), work_shape(clip.height, clip.width, translator.style.work_size)
    smoother = TemporalSmoother(translator, "light")
    frames: list[Pixels] = []
    with budget.of("reading", "decoding (ffmpeg)"), FrameReader(clip, planes=planes is not None) as reader:
        frames = [timed.frame for timed, _ in zip(reader, range(count), strict=False)]
    results, before = [], None
    for frame in frames:
        with budget.of("reducing"):
            small = resample.to_float01(reduced(frame, shape)) if planes is None else planes.small(frame)
        with budget.of("optical flow"):
            motion = motion_between(before, small)
        before = small
        with budget.of("net"):
            at = smoother.align_to_grid(motion)
            fresh = smoother.translated(small, at)
        with budget.of("blending"):
            result = smoother.blend(small, fresh, motion, at)
        with budget.of("enlarging"):
            about = frame, small, result, translator.style.detail, 1.0
            results.append(resample.restored(*about) if planes is None else planes.restored(*about))
    return results


def encoded(
    frames: list[Pixels],
    path: Path,
    clip: Clip,
    preset: str | None,
    crf: int | None = None,
    codec: VideoCodec = "h264",
) -> float:
    """CPU seconds of encoding, in both processes, file to file."""
    matrix = clip.colour.matrix if frames[0].ndim == 2 else None
    coding = plan_coding(clip.width, clip.height, codec, preset=preset, crf=crf, planes=matrix)
    budget = Budget()
    with budget.of("own", "ffmpeg"), FrameWriter(path, coding) as writer:
        for n, frame in enumerate(frames):
            writer.write(frame, Fraction(n, RATE), Fraction(1, RATE))
    return sum(budget.seconds.values())


def psnr(frames: list[Pixels], path: Path) -> float:
    """Decibels of what is read back, over all values of all frames."""
    with FrameReader(probe_video(path), planes=frames[0].ndim == 2) as reader:
        errors = [
            np.square(read.frame.astype(np.float32) - frame).mean() for read, frame in zip(reader, frames, strict=True)
        ]
    return float(10 * np.log10(255**2 / np.mean(errors)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, nargs="?")
    parser.add_argument("--style", default="monet")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", default="1920x1080", help="of the test picture")
    parser.add_argument("--codecs", nargs="+", default=["h264"], choices=list(PRESETS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    translator = load_translator(given.style, device="cpu")
    print(f"{given.style}, {translator.dtype}, one thread, torch {torch.__version__}, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = probe_video(given.clip or clip(folder, given.size, given.frames / RATE))
        budget = Budget()
        results = translated(translator, source, given.frames, budget)
        budget.seconds["encoding"] = encoded(results, folder / "out.mp4", source, None)
        print(budget.table(len(results)))
        print(f"\n{'preset, crf':20}{'CPU ms a frame':>16}{'MB':>8}{'PSNR':>8}")
        for codec in given.codecs:
            for preset, crf in PRESETS[codec]:
                path = folder / f"{codec}-{preset}-{crf}.mp4"
                seconds = encoded(results, path, source, preset, crf, codec)
                size = path.stat().st_size / 1e6
                print(
                    f"{f'{codec} {preset}, {crf}':20}{1000 * seconds / len(results):16.1f}{size:8.2f}"
                    f"{psnr(results, path):8.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
