"""Clips through `imgcycle video`: python -m tests.benchmarks.video

What reading, restoring and writing add to the net on the same frames in memory (`--smooth off`; the net frame after
frame on all threads, and a frame to each core as clips have it), how many frames a second a 1080p clip takes at the
defaults, and the peak memory of a long clip beside a short one's. The clips are made
with the bundled ffmpeg; with IMGCYCLE_DATA they show a demo clip, else a test picture.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg
import torch

from imgcycle.config import VideoOptions
from imgcycle.engine import resample
from imgcycle.engine.smoothing import TemporalSmoother
from imgcycle.engine.style import work_shape
from imgcycle.engine.translator import Translator
from imgcycle.jobs.pools.threads import WorkerPool
from imgcycle.jobs.translators import load_translator
from imgcycle.jobs.video.run import convert_video
from imgcycle.media.image.reduction import reduced
from imgcycle.media.video.decoder import FrameReader
from imgcycle.media.video.probing.probe import probe_video
from tests.benchmarks.memory import measured
from tests.styles import save_style

RATE = 30
"""Frames a second of the clips that are made."""


def clip(folder: Path, size: str, seconds: float) -> Path:
    """A clip of this size."""
    path = folder / f"{size}-{seconds:g}.mp4"
    data = os.environ.get("IMGCYCLE_DATA")
    known = Path(data) / "video" / "bigbuckbunny.mp4" if data else None
    source: Sequence[str] = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={RATE}"]
    if known is not None and known.exists() and size != "64x36":
        source = ["-stream_loop", "-1", "-i", f"file:{known}", "-an", "-vf", f"scale={size.replace('x', ':')}"]
    coding = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-y", f"file:{path}"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *source, "-t", str(seconds), "-r", str(RATE), *coding]
    subprocess.run(command, check=True)
    return path


def against_the_net(translator: Translator, source: Path, folder: Path) -> tuple[float, float, float]:
    """Seconds of the whole conversion, and of the net alone over the same frames in memory: one by one, in lanes."""
    options = VideoOptions(smooth="off")
    work_size = translator.style.work_size if options.work_size == "auto" else options.work_size
    small = []
    with FrameReader(probe_video(source)) as reader:
        for timed in reader:
            height, width = timed.frame.shape[:2]
            shape = work_shape(height, width, work_size)
            small.append(resample.to_float01(reduced(timed.frame, shape)))
    calm = TemporalSmoother(translator, "off")
    begun = time.perf_counter()
    for frame in small:
        calm.step(frame)
    one_by_one = time.perf_counter() - begun
    lanes = WorkerPool(calm.step, torch.get_num_threads())
    begun = time.perf_counter()
    for _ in lanes(small):
        pass
    in_lanes = time.perf_counter() - begun
    lanes.close()
    begun = time.perf_counter()
    convert_video(source, folder / "out.mp4", translator, options)
    return time.perf_counter() - begun, one_by_one, in_lanes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--style", default="monet")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8, help="of the 640×360 clip")
    parser.add_argument("--minutes", type=float, default=10)
    given = parser.parse_args()
    translator = load_translator(given.style)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short = clip(folder, "640x360", given.seconds)
        ratios = []
        for _ in range(given.rounds):
            wall, net, lanes = against_the_net(translator, short, folder)
            ratios.append((wall / net, wall / lanes))
            alone = f"the net alone {net:.2f} s, {wall / net:.3f}; in lanes {lanes:.2f} s, {wall / lanes:.3f}"
            rate = RATE * given.seconds / wall
            print(f"640×360, smoothing off: {wall:.2f} s, {rate:.1f} frames a second; {alone}", flush=True)
        print("medians " + ", ".join(f"{statistics.median(found):.3f}" for found in zip(*ratios, strict=True)))
        large = clip(folder, "1920x1080", 2)
        for preset in (None, "veryfast"):
            begun = time.perf_counter()
            row = convert_video(large, folder / "large.mp4", translator, VideoOptions(preset=preset))
            rate = row.frames / (time.perf_counter() - begun)
            print(f"1920×1080 at the defaults{f', --preset {preset}' if preset else ''}: {rate:.2f} frames a second")
        save_style(folder / "tiny.safetensors", work_size=32)
        for minutes in (given.minutes / 10, given.minutes):
            long = clip(folder, "64x36", 60 * minutes)
            words = ["video", str(long), "--style", str(folder / "tiny.safetensors"), "-o", str(folder / "long.mp4")]
            status, seconds, peak = measured([*words, "--overwrite"])
            said = "" if status == 0 else f", exit {status}"
            print(f"64×36, {minutes:g} min: {seconds:.1f} s, peak {peak / 2**20:.0f} MiB{said}", flush=True)


if __name__ == "__main__":
    main()
