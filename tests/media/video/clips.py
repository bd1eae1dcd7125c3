"""Making small clips and looking at them without the code under test."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt


def ffmpeg(*arguments: str | Path, data: bytes | None = None) -> bytes:
    """Run ffmpeg and return what it writes; its complaints fail the test."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def make(*arguments: str | Path) -> None:
    """Make a clip on one thread, without x265's and SVT's talk."""
    ffmpeg("-threads", "1", *arguments)


def packets(path: Path, stream: int) -> list[tuple[Fraction, str]]:
    """Time and checksum of each packet of a stream."""
    said = ffmpeg("-copyts", "-i", f"file:{path}", "-map", f"0:{stream}", "-c", "copy", "-f", "framecrc", "-").decode()
    base = next(Fraction(line.split()[-1]) for line in said.splitlines() if line.startswith("#tb"))
    rows = [line.split(",") for line in said.splitlines() if not line.startswith("#")]
    return [(int(row[2]) * base, row[5].strip()) for row in rows]


def patches(path: Path, colours: npt.NDArray[np.uint8], chain: str, *options: str) -> None:
    """A clip of two frames with 16-pixel squares of colours (N, 3) side by side, lossless."""
    picture = np.repeat(np.repeat(colours[None], 16, 0), 16, 1)
    height, width = picture.shape[:2]
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-i", "-")
    ffmpeg(*raw, "-vf", chain, *options, path, data=picture.tobytes() * 2)


def middles(frame: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> npt.NDArray[np.int64]:
    """The colour in the middle of each 16-pixel square of the first row."""
    return frame[8, 8::16].astype(np.int64)


def subtitles(path: Path) -> None:
    path.write_text("1\n00:00:00,200 --> 00:00:00,700\nHello\n\n2\n00:00:00,800 --> 00:00:01,100\nBye\n")


def words(path: Path) -> None:
    chapters = "".join(
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\ntitle={title}\n"
        for start, end, title in ((0, 500, "One"), (500, 1200, "Two \\= 2"))
    )
    path.write_text(f";FFMETADATA1\ntitle=A\\; tïtle \\\\ x\ncomment=line one\\\nline two\n{chapters}", "utf-8")
