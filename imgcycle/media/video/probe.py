"""Looking at a clip: everything `Clip` holds, from ffmpeg's own words and one pass over the packets."""

from __future__ import annotations

from pathlib import Path

from imgcycle.media.video.clip import Clip


def probe_video(path: Path) -> Clip:
    """What a clip is: streams, picture, exact frame times; the packets are read, one frame is decoded.

    InputError in one line for what is no clip: a file cut off before its index, sound alone, no frames, text, a
    playlist that points elsewhere (no other file is ever opened).
    """
    raise NotImplementedError
