"""ffmpeg's list of packets (`-f framecrc`), with decoding and presentation times."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np

from imgcycle.media.video.probing.clip import NO_TIME, Ticks

KEY, DISCARD = 1, 4
"""Packet flags: decoding can begin here; decoded but not shown."""

_PACKET = re.compile(rb"^0, *(-?\d+), *(-?\d+), *(-?\d+), *(\d+), 0x[0-9a-f]+(?:, F=0x([0-9A-Fa-f]+))?", re.MULTILINE)
_BASE = re.compile(rb"^#tb 0: (\d+)/(\d+)", re.MULTILINE)


def read_packets(output: bytes) -> tuple[Fraction, Ticks]:
    """Time base of the first stream, and rows of pts, dts, duration, flags, bytes for each packet as written."""
    base = _BASE.search(output)
    rows = [
        (tick(pts), tick(dts), tick(duration), int(flags, 16) & 0xFFFF if flags else KEY, tick(size))
        for dts, pts, duration, size, flags in _PACKET.findall(output)
    ]
    time_base = seconds_a_tick(base[1], base[2]) if base else Fraction(1, 1000)
    return time_base, np.array(rows, np.int64).reshape(-1, 5)


def tick(text: str | bytes) -> int:
    """Parse a time in ticks; `NO_TIME` for impossible numbers."""
    value = int(text) if len(text) < 25 else NO_TIME
    return value if -(1 << 62) < value < 1 << 62 else NO_TIME


def seconds_a_tick(numerator: str | bytes, denominator: str | bytes) -> Fraction:
    """Parse a time base; a thousandth for impossible ones."""
    above, below = tick(numerator), tick(denominator)
    return Fraction(above, below) if above > 0 and below > 0 else Fraction(1, 1000)
