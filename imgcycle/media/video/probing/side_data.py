"""Side data of frames, which is lost by re-encoding."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SPOKEN = (
    (re.compile(r"A53.*Caption|Closed Caption|EIA.?608|CEA.?708"), "closed captions inside the picture (CEA-608/708)"),
    (re.compile(r"HDR10\+|2094-40"), "HDR10+ metadata"),
    (re.compile(r"Vivid|CUVA"), "HDR Vivid metadata"),
    (re.compile(r"2094-50"), "SMPTE 2094-50 metadata"),
    (re.compile(r"Dolby Vision|DOVI"), "Dolby Vision metadata"),
    (re.compile(r"[Ss]pherical"), "the mark of a picture all around (360°)"),
    (re.compile(r"[Ss]tereo ?3[Dd]|stereoscopic|3D Reference"), "the mark of a picture in 3D"),
    (re.compile(r"Active [Ff]ormat [Dd]escription|\bafd\b"), "the active format (AFD)"),
)
"""Patterns in ffmpeg's wording, across versions, and names for users."""
_SHOWN = re.compile(r"^ *side data - (.*)$")
_OWN_COLOURS = re.compile(r"DOVI configuration record: .*profile: 5\b")


def carried(frames: Iterable[str], stream: Iterable[str], details: str) -> tuple[str, ...]:
    """Names of the side data that is lost, from ffmpeg's lines on some frames (showinfo) and on their stream."""
    said = [match[1] for line in frames if (match := _SHOWN.match(line))]
    said += [*stream, *re.findall(r"Closed Captions", details)]
    return tuple(name for words, name in _SPOKEN if any(words.search(text) for text in said))


def has_own_colours(stream: Iterable[str]) -> bool:
    """True for Dolby Vision profile 5, whose colour coding only its own players can show."""
    return any(_OWN_COLOURS.search(text) for text in stream)
