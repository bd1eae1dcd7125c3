"""The end: segments joined, the source's other streams beside them, under the final name at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from imgcycle.media.video.clip import Clip
from imgcycle.media.video.streams import StreamPlan


@dataclass(frozen=True)
class Segment:
    """A closed MP4 of `FrameWriter`: from `start` (its first frame) to `end`, seconds from the source file's start."""

    path: Path
    start: Fraction
    end: Fraction


def finish(
    segments: Sequence[Segment],
    clip: Clip,
    plan: StreamPlan,
    output: Path,
    *,
    start: Fraction | None = None,
    end: Fraction | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Join segments (each beginning where the last one ends), add the planned streams, and name the result `output`.

    `start` and `end` are those the frames were read with: time 0 of the result is `start`, and sound is cut to a
    packet. `metadata` is added to the source's. The container is the plan's, whatever `output` ends in.
    OutputError in one line; nothing is left under `output` then.
    """
    raise NotImplementedError
