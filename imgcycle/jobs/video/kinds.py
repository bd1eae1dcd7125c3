"""Kinds of input and output of a video task, decided when it is planned."""

from __future__ import annotations

import os
from pathlib import Path

from imgcycle.jobs.tasks import MediumKind
from imgcycle.media import formats
from imgcycle.media.video.sequences import is_pattern

MOVING = (formats.GIF, formats.WEBP, formats.PNG, formats.AVIF)
"""Formats of images that may be animations; they are taken if they are named themselves."""


def is_sequence(path: Path | str) -> bool:
    """True if a name stands for numbered images; an existing file called `%d.mp4` is a file."""
    return is_pattern(path) and not os.path.lexists(path)


def input_kind(source: Path) -> MediumKind:
    """Kind of an input, by its name; whether an image is animated is found when it is opened."""
    if is_sequence(source):
        return "sequence"
    return "clip" if formats.by_suffix(source) is None else "animation"


def output_kind(source: MediumKind, output: Path) -> MediumKind:
    """Kind of a result: an animation stays one if its format supports it."""
    if is_pattern(output):
        return "sequence"
    return "animation" if source == "animation" and formats.by_suffix(output) in MOVING else "clip"
