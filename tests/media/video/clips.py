"""Making small clips and looking at them without the code under test."""

from __future__ import annotations

import re
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


class _Bits:
    """The syntax elements of H.264, one after another."""

    def __init__(self) -> None:
        self.text = ""

    def fixed(self, value: int, width: int) -> _Bits:
        self.text += f"{value:0{width}b}"
        return self

    def golomb(self, *values: int) -> _Bits:
        for value in values:
            code = f"{value + 1:b}"
            self.text += "0" * (len(code) - 1) + code
        return self

    def unit(self, head: int, *payload: bytes) -> bytes:
        """A NAL unit; a payload begins at the next whole byte, a stop bit ends all."""
        bits = self.text
        if payload:
            body = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
            body += b"".join(payload) + b"\x80"
        else:
            bits += "1"
            body = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
        body = re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", body)
        return b"\x00\x00\x00\x01" + bytes([head]) + body


def field_coded(path: Path, frames: int = 6) -> None:
    """An AVCHD-like stream of 16×32 at 25 frames a second: each frame is two fields, each field a packet (I_PCM)."""
    sps = _Bits().fixed(77, 8).fixed(0, 8).fixed(30, 8).golomb(0, 0, 0, 0, 1).fixed(0, 1).golomb(0, 0)
    sps.fixed(0b00101, 5)  # fields, not macroblocks of either kind; direct inference; no crop; more on video:
    sps.fixed(0b00001, 5).fixed(1, 32).fixed(50, 32).fixed(0b10000, 5)  # 50 fields a second, and nothing else
    pps = _Bits().golomb(0, 0).fixed(0, 2).golomb(0, 0, 0).fixed(0, 3).golomb(0, 0, 0).fixed(0b100, 3)
    stream = b""
    for n in range(frames):
        stream += b"\x00\x00\x00\x01\x09\x10" + sps.unit(0x67) + pps.unit(0x68)
        for bottom in (0, 1):
            # The second field of a picture that everything begins with is an ordinary one.
            slice_ = _Bits().golomb(0, 7, 0).fixed(0, 4).fixed(1, 1).fixed(bottom, 1)
            if not bottom:
                slice_.golomb(n % 2)
            slice_.fixed(bottom, 4).fixed(0, 1 if bottom else 2).golomb(0, 1, 25)
            light = 40 + 20 * n + 5 * bottom
            head = 0x61 if bottom else 0x65
            stream += b"\x00\x00\x00\x01\x09\x10" * bottom
            stream += slice_.unit(head, bytes([light]) * 256 + bytes([128]) * 128)
    ffmpeg("-f", "h264", "-framerate", "50", "-i", "-", "-c", "copy", path, data=stream)


def repeating(path: Path, repeats: tuple[int, ...] = (5, 6, 15)) -> None:
    """A second of MPEG-4 at 25 a second, in which some packets only say that nothing changes (vop_coded 0)."""
    seen = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=1", "-c:v", "mpeg4", "-bf", "0", "-g", "50")
    head, *pictures = re.split(rb"(?=\x00\x00\x01\xb6)", ffmpeg(*seen, "-f", "m4v", "-"))
    for n in repeats:
        bits = "".join(f"{byte:08b}" for byte in pictures[n][4:8])
        assert bits[:3] == "010"  # predicted, in the same second
        # Marker, five bits of time, marker; then coded or not, and stuffing.
        bits = bits[:10] + "00" + "1" * 4
        pictures[n] = pictures[n][:4] + int(bits, 2).to_bytes(2, "big")
    timed = ("-fflags", "+genpts", "-f", "m4v", "-framerate", "25", "-i", "-")
    ffmpeg(*timed, "-c", "copy", path, data=head + b"".join(pictures))


CAPTIONS = b"\xb5\x00\x31GA94\x03\x42\xff\xfc\x94\x20\xfc\xc8\xe9\xff"
"""User data of ATSC A/53 with two pairs of CEA-608."""
ACTIVE_FORMAT = b"\xb5\x00\x31DTG1\x41\xf8"


def with_user_data(path: Path, *payloads: bytes, begins: int = 0) -> None:
    """A second of H.264 at 25 a second, with registered user data (SEI) in each frame from number `begins` on."""
    film = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=1", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "0")
    stream = ffmpeg(*film, "-x264-params", "aud=1", "-f", "h264", "-")
    units = b"".join(b"\x00\x00\x00\x01\x06\x04" + bytes([len(p)]) + p + b"\x80" for p in payloads)
    pictures = re.split(rb"(?=\x00\x00\x00\x01\x09)", stream)[1:]
    for n in range(begins, len(pictures)):
        # Before the slice, behind the parameters.
        pictures[n] = re.sub(rb"(?=\x00?\x00\x00\x01[\x65\x41])", lambda _: units, pictures[n], count=1)
    timed = ("-f", "h264", "-framerate", "25", "-i", "-")
    ffmpeg(*timed, "-c", "copy", path, data=b"".join(pictures))
