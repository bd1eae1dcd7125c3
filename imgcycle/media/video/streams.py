"""Which of a clip's other streams go into the result, how, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from imgcycle.media.video.clip import Clip, Stream
from imgcycle.media.video.encode import VideoCodec

Container = Literal["mp4", "mov", "mkv", "webm", "avi", "ts"]
Way = Literal["convert", "copy", "recode", "drop"]
SUFFIXES: dict[str, Container] = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "mkv",
    ".webm": "webm",
    ".avi": "avi",
    ".ts": "ts",
    ".m2ts": "ts",
    ".mts": "ts",
}
"""What an output file's suffix says."""


@dataclass(frozen=True)
class StreamFate:
    """What becomes of one stream: "convert" is the picture itself, "recode" gives it `codec`; `reason` else ""."""

    stream: Stream
    way: Way
    codec: str = ""
    reason: str = ""


@dataclass(frozen=True)
class StreamPlan:
    """The fate of every stream of a clip in a container, in the source's order."""

    container: Container
    fates: tuple[StreamFate, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for every stream that is recoded or dropped."""
        return tuple(f"{fate.stream}: {fate.reason}" for fate in self.fates if fate.reason)


def container_for(clip: Clip, codec: VideoCodec, wanted: str | None = None) -> Container:
    """The container of the result: `wanted` (a name or a suffix), else the source's where it can hold the streams.

    UsageError when `wanted` is unknown or cannot hold the codec.
    """
    raise NotImplementedError


def plan_streams(clip: Clip, container: Container, *, audio: bool = True) -> StreamPlan:
    """Settle what becomes of each stream; rehearsed with ffmpeg on the first packets, so that the end cannot fail."""
    raise NotImplementedError
