"""What kind of input and of result a task for clips has, decided when it is planned."""

from __future__ import annotations

import os
from pathlib import Path

from imgcycle.jobs.tasks import MediumKind
from imgcycle.media import formats
from imgcycle.media.video.sequences import is_pattern

MOVING = (formats.GIF, formats.WEBP, formats.PNG, formats.AVIF)
"""Pictures that may be animations: they are taken when they are named themselves."""


def is_sequence(path: Path | str) -> bool:
    """Whether a name stands for numbered pictures; a file that is really called `%d.mp4` is a file."""
    return is_pattern(path) and not os.path.lexists(path)


def input_kind(source: Path) -> MediumKind:
    """What an input is, by its name; a picture that stands still turns out when it is opened."""
    if is_sequence(source):
        return "sequence"
    return "clip" if formats.by_suffix(source) is None else "animation"


def output_kind(source: MediumKind, output: Path) -> MediumKind:
    """What a result is to be: an animation stays one where its format has any."""
    if is_pattern(output):
        return "sequence"
    return "animation" if source == "animation" and formats.by_suffix(output) in MOVING else "clip"
