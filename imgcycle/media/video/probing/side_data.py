"""What frames carry beside their pixels, and frames that are coded anew do not."""

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
"""ffmpeg's words, as different versions have them, and a reader's."""
_SHOWN = re.compile(r"^ *side data - (.*)$")
_OWN_COLOURS = re.compile(r"DOVI configuration record: .*profile: 5\b")


def carried(frames: Iterable[str], stream: Iterable[str], details: str) -> tuple[str, ...]:
    """What a reader calls the data that is lost, from ffmpeg's words on some frames (showinfo) and on their stream."""
    said = [match[1] for line in frames if (match := _SHOWN.match(line))]
    said += [*stream, *re.findall(r"Closed Captions", details)]
    return tuple(name for words, name in _SPOKEN if any(words.search(text) for text in said))


def has_own_colours(stream: Iterable[str]) -> bool:
    """Whether colours are coded in a way of Dolby Vision's own (profile 5), which only its players can show."""
    return any(_OWN_COLOURS.search(text) for text in stream)
