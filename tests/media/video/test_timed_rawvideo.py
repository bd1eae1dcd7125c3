"""The stream that carries frames into ffmpeg."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imgcycle.media.video import timed_rawvideo
from tests.media.video.clips import ffmpeg


def test_ffmpeg_reads_back_every_pixel_and_every_time() -> None:
    check_reading_back(deep=False)
    check_reading_back(deep=True)
    planes = np.random.default_rng(1).integers(0, 256, (6 * 3 // 2, 8), np.uint8)
    stream = timed_rawvideo.header(8, 6, Fraction(25), deep=False, planes=True)
    stream += timed_rawvideo.frame_header(planes.nbytes, Fraction(0), Fraction(1, 25)) + planes.tobytes()
    came = ffmpeg("-f", "matroska", "-i", "-", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-", data=stream)
    assert came == planes.tobytes()


def check_reading_back(*, deep: bool) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 65536 if deep else 256, (5, 3, 7, 3)).astype("<u2" if deep else np.uint8)
    ticks = [0, 1, 3600, 2_970_001, 90_000 * 3600 * 5]
    stream = timed_rawvideo.header(7, 3, Fraction(30000, 1001), deep=deep)
    for frame, tick in zip(frames, ticks, strict=True):
        stream += timed_rawvideo.frame_header(frame.nbytes, Fraction(tick, 90_000), Fraction(1, 20)) + frame.tobytes()
    shape = ("-f", "matroska", "-i", "-", "-fps_mode", "passthrough", "-enc_time_base", "1/90000")
    both = ffmpeg(*shape, "-f", "rawvideo", "pipe:1", *("-fps_mode", "passthrough"), "-f", "null", "-", data=stream)
    assert both == frames.tobytes()
    said = ffmpeg(*shape, "-f", "framecrc", "-", data=stream).decode()
    rows = [line.split(",") for line in said.splitlines() if not line.startswith("#")]
    assert [int(row[2]) for row in rows] == ticks
    assert int(rows[-1][3]) == 4500  # a twentieth of a second


@given(st.integers(1, 1 << 32), st.fractions(0, 10**6), st.fractions(Fraction(1, 10**7), 100))
def test_sizes_say_what_follows(size: int, time: Fraction, duration: Fraction) -> None:
    head = timed_rawvideo.frame_header(size, time, duration)
    assert head[:4] == b"\x1f\x43\xb6\x75"
    assert int.from_bytes(head[4:12], "big") == (1 << 56 | len(head) - 12 + size)
