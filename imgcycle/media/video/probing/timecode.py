"""Time codes (SMPTE ST 12-1): hours, minutes, seconds and frame number."""

from __future__ import annotations

import re
from fractions import Fraction

from imgcycle.media.video.probing.clip import Clip

_CODE = re.compile(r"(\d{2}):([0-5]\d):([0-5]\d)([:;.])(\d{2,3})")


def timecode_of(clip: Clip) -> str:
    """Time code of a clip's first frame, from its video stream, a track of its own or the file; "" for none."""
    tracks = [stream.metadata for stream in clip.streams if stream.tag == "tmcd"]
    for words in (clip.video.metadata, *tracks, clip.metadata):
        for key, value in words.items():
            if key.lower() == "timecode" and value.strip():
                return value.strip()
    return ""


def timecode_after(code: str, frames: int, rate: Fraction) -> str:
    """The time code `frames` later, at `rate` frames a second; an invalid code is returned unchanged.

    Drop-frame codes (";" or ".") skip the numbers 0 and 1 (2 for 60, more for higher rates) at each minute except every
    tenth, as used for 30000/1001 frames a second and its multiples.
    """
    match = _CODE.fullmatch(code)
    nominal = round(rate)
    if match is None or nominal <= 0:
        return code
    hours, minutes, seconds, mark, number = int(match[1]), int(match[2]), int(match[3]), match[4], int(match[5])
    dropped = nominal // 15 if mark in ";." and nominal % 30 == 0 else 0
    passed = hours * 60 + minutes
    count = (passed * 60 + seconds) * nominal + number - dropped * (passed - passed // 10) + frames
    ten = nominal * 600 - 9 * dropped
    tens, rest = divmod(count, ten)
    if dropped and rest >= nominal * 60:
        # The first of ten minutes is complete, each other one lacks the numbers it drops.
        count += dropped * (1 + (rest - nominal * 60) // (nominal * 60 - dropped))
    count += tens * 9 * dropped
    whole, number = divmod(count, nominal)
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours % 24:02d}:{minutes:02d}:{seconds:02d}{mark}{number:0{len(match[5])}d}"
