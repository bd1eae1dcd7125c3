"""Clips of a few small frames, and looking at what became of them with ffmpeg alone."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from imgcycle.config import NetConfig
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from tests.media.video.clips import ffmpeg, make, packets
from tests.styles import tiny_net

MILLISECOND = Fraction(1, 1000)
_X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "ultrafast")


def tiny_translator(work_size: int = 32) -> Translator:
    net = tiny_net(NetConfig("resnet", 4, 2))
    # Random nets are nearly grey; this one paints.
    for parameter in net.parameters():
        parameter.data.mul_(3)
    return Translator(net, torch.device("cpu"), style=Style("tiny", "d" * 64, work_size, 0.5))


def film(path: Path, frames: int = 12, rate: int = 12, sound: bool = False) -> Path:
    """A moving test picture of 64×36; 12 frames are a second, with a key frame every 4."""
    tone = ("-f", "lavfi", "-i", f"sine=440:d={frames / rate}", "-c:a", "aac") if sound else ()
    seen = f"testsrc2=s=64x36:r={rate}:d={frames / rate}"
    make("-f", "lavfi", "-i", seen, *tone, *_X264, "-g", "4", f"file:{path}")
    return path


def scenes(path: Path, lengths: Sequence[int], rate: int = 2) -> Path:
    """A film of 64×36 with sound, in scenes of so many seconds that have nothing in common: they move, and cut hard."""
    kinds = ("testsrc2", "mandelbrot", "testsrc2,negate", "mandelbrot,negate")
    seen: list[str] = []
    for n, seconds in enumerate(lengths):
        name, _, changed = kinds[n % 4].partition(",")
        chain = f"{name}=s=64x36:r={rate},trim=duration={seconds},setpts=PTS-STARTPTS,format=rgb24,setsar=1"
        seen.append(f"{chain}{',' if changed else ''}{changed}[v{n}]")
    joined = "".join(f"[v{n}]" for n in range(len(lengths))) + f"concat=n={len(lengths)}[v]"
    tone = f"sine=440:d={sum(lengths)}[a]"
    graph = ";".join((*seen, joined, tone))
    make("-filter_complex", graph, "-map", "[v]", "-map", "[a]", "-c:a", "aac", *_X264, "-g", "8", f"file:{path}")
    return path


def times(path: Path, stream: int = 0) -> list[Fraction]:
    """When each frame is shown, ascending."""
    return sorted(time for time, _ in packets(path, stream))


def same_times(one: list[Fraction], other: list[Fraction], shift: Fraction = Fraction(0)) -> bool:
    """As many, and none more than a millisecond away."""
    near = all(abs(a - b - shift) <= MILLISECOND for a, b in zip(one, other, strict=False))
    return len(one) == len(other) > 0 and near


def frames_of(path: Path, width: int = 64, height: int = 36, matrix: str = "bt709") -> npt.NDArray[np.uint8]:
    """Every frame of the first film, (n, h, w, 3) RGB, as ffmpeg decodes it."""
    chain = ("-vf", f"scale=in_color_matrix={matrix}", "-pix_fmt", "rgb24", "-f", "rawvideo")
    data = ffmpeg("-i", f"file:{path}", "-map", "0:v:0", "-fps_mode", "passthrough", *chain, "-")
    return np.frombuffer(data, np.uint8).reshape(-1, height, width, 3)


def checksums(path: Path) -> list[str]:
    """One of each decoded frame of the first film."""
    said = ffmpeg("-i", f"file:{path}", "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framecrc", "-").decode()
    return [line.split(",")[5].strip() for line in said.splitlines() if not line.startswith("#")]
