"""ffmpeg's list of packets (`-f framecrc`): when each is decoded and shown, without a look into it."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np

from imgcycle.media.video.clip import Ticks

KEY, DISCARD = 1, 4
"""Flags of a packet: decoding can begin with it; it is decoded and not shown."""

_PACKET = re.compile(rb"^0, *(-?\d+), *(-?\d+), *(-?\d+), *(\d+), 0x[0-9a-f]+(?:, F=0x([0-9A-Fa-f]+))?", re.MULTILINE)
_BASE = re.compile(rb"^#tb 0: (\d+)/(\d+)", re.MULTILINE)


def read_packets(output: bytes) -> tuple[Fraction, Ticks]:
    """The time base of the first stream, and a row of pts, dts, duration, flags, bytes for each packet as written."""
    base = _BASE.search(output)
    rows = [
        (int(pts), int(dts), int(duration), int(flags, 16) if flags else KEY, int(size))
        for dts, pts, duration, size, flags in _PACKET.findall(output)
    ]
    time_base = Fraction(int(base[1]), int(base[2])) if base else Fraction(1, 1000)
    return time_base, np.array(rows, np.int64).reshape(-1, 5)
