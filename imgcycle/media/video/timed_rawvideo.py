"""Uncompressed Matroska: frames with exact times on a pipe to ffmpeg.

Raw video on a pipe has no times, and formats that ffmpeg reads from a pipe either lack RGB or have a coarse clock.
Matroska's `V_UNCOMPRESSED` has both, with any clock (RFC 9559; V_UNCOMPRESSED in its codec mappings).
"""

from __future__ import annotations

from fractions import Fraction

TICK = Fraction(1, 1_000_000)
"""Clock of the stream, in seconds."""

_TICK_NS = 1000
_UNKNOWN_SIZE = b"\x01\xff\xff\xff\xff\xff\xff\xff"
_EBML, _SEGMENT, _INFO, _TRACKS, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
_TRACK, _VIDEO, _GROUP = 0xAE, 0xE0, 0xA0


def header(width: int, height: int, rate: Fraction, *, deep: bool, planes: bool = False) -> bytes:
    """Start of the stream: one track of (height, width, 3) RGB frames, 8 bits or (little-endian) 16; or of 8-bit
    planes, luma before half-size colour.

    `rate` (frames a second) changes no timestamp; encoders use it for rate control.
    """
    fourcc = b"I420" if planes else b"RGB0" if deep else b"RGB\x18"
    video = _element(_VIDEO, _number(0xB0, width), _number(0xBA, height), _element(0x2EB524, fourcc))
    track = _element(
        _TRACK,
        *(_number(0xD7, 1), _number(0x73C5, 1), _number(0x83, 1)),  # TrackNumber, TrackUID, TrackType video
        _number(0x23E383, max(1, round(1_000_000_000 / rate))),  # DefaultDuration, nanoseconds
        *(_element(0x86, b"V_UNCOMPRESSED"), video),
    )
    start = _element(_EBML, _element(0x4282, b"matroska"), _number(0x4287, 4), _number(0x4285, 2))
    return (
        start + _id(_SEGMENT) + _UNKNOWN_SIZE + _element(_INFO, _number(0x2AD7B1, _TICK_NS)) + _element(_TRACKS, track)
    )


def frame_header(size: int, time: Fraction, duration: Fraction) -> bytes:
    """Header of a frame of `size` bytes, shown from `time` for `duration` (seconds, time ≥ 0).

    Each frame has a cluster of its own: inside one, times are relative and limited to 32,767 ticks.
    """
    ticks, length = round(time / TICK), max(1, round(duration / TICK))
    lasts = _number(0x9B, length)
    block = _id(0xA1) + _size(4 + size) + b"\x81\0\0\0"  # track 1, 0 ticks after its cluster, no flags
    group = _id(_GROUP) + _size(len(lasts) + len(block) + size) + lasts + block
    clock = _number(0xE7, ticks)
    return _id(_CLUSTER) + _size(len(clock) + len(group) + size) + clock + group


def _element(name: int, *content: bytes) -> bytes:
    body = b"".join(content)
    return _id(name) + _size(len(body)) + body


def _number(name: int, value: int) -> bytes:
    return _element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _id(name: int) -> bytes:
    return name.to_bytes((name.bit_length() + 7) // 8, "big")


def _size(size: int) -> bytes:
    return (size | 1 << 56).to_bytes(8, "big")
