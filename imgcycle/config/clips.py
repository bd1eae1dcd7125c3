"""Settings of video conversion: options, the part to convert, and outputs."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import KW_ONLY, dataclass, field
from fractions import Fraction
from typing import Literal

from imgcycle.config.fields import CODING, LOOK, PART, WHERE, argument, option, spelling
from imgcycle.config.images import ConvertOptions, PictureOptions
from imgcycle.config.request import BatchRequest
from imgcycle.errors import UsageError

Compare = Literal["none", "side", "wipe"]
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2})(\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class VideoOptions(PictureOptions):
    """How a clip is converted, apart from its input and output.

    `start` and `end` are seconds as decimal text, which is lossless, or `hh:mm:ss.mmm`; `preview` seconds are written
    beside the source. `compare` shows the source in the result: at its left, or parted from it by a line that passes to
    and fro. `crf` and `preset` None are the codec's defaults; `hardware` asks for a hardware encoder. Frames of more
    than `max_height` lines are downscaled. `smooth` is the strength of temporal smoothing. `fps` is that of numbered
    images.
    """

    start: str | None = option(None, "Where to begin: seconds, or hh:mm:ss.mmm.", panel=PART, metavar="TIME", word=True)
    end: str | None = option(None, "Where to end, in the source's time.", panel=PART, metavar="TIME", word=True)
    preview: str | None = option(
        None, "Only so many seconds, beside the source.", panel=PART, metavar="SECONDS", word=True
    )
    fps: str = option("24", "Rate of an image sequence.", panel=PART, metavar="N", word=True)
    smooth: Literal["off", "light", "strong"] = option(
        "light", "Temporal smoothing: how strongly a frame follows the one before.", panel=LOOK
    )
    compare: Compare = option(
        "none",
        "Before | after side by side, or in one picture with a line that wipes to and fro; alone it means side.",
        panel=LOOK,
        recorded="changed",
        bare="side",
    )
    codec: Literal["h264", "hevc", "av1", "ffv1"] = option("h264", "Video codec.", panel=CODING)
    crf: int | None = option(
        None, "Quality: lower is better and larger.", panel=CODING, shown="h264 17, hevc 20, av1 24"
    )
    preset: str | None = option(
        None,
        "Encoder's speed, as in veryfast or slow.",
        panel=CODING,
        metavar="NAME",
        word=True,
        shown="h264, hevc veryfast, av1 fast",
    )
    hardware: bool = option(False, "Encode on the graphics card, if it can.", panel=CODING)
    max_height: int | None = option(None, "Reduce frames of more lines than this.", panel=CODING, low=16)
    audio: bool = option(True, "Leave the sound out.", panel=CODING, names=(" /--no-audio",))

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("start", "end", "preview"):
            object.__setattr__(self, name, _decimal(name, getattr(self, name)))
        begin, stop = _seconds("start", self.start), _seconds("end", self.end)
        if stop is not None and stop <= (begin or 0):
            raise UsageError(f"the clip would end at {self.end} s, before it starts", "--end comes after --start")
        if not _seconds("fps", self.fps):
            raise UsageError(f"--fps is {self.fps}", "above 0")
        length = _seconds("preview", self.preview)
        if length is not None and not length:
            raise UsageError(f"--preview is {self.preview}", "seconds above 0")

    def picture(self) -> ConvertOptions:
        """The options that apply to single frames."""
        shared = dataclasses.fields(PictureOptions)
        return ConvertOptions(**{each.name: getattr(self, each.name) for each in shared})

    @property
    def comparison(self) -> Compare:
        """How source and result are shown together; a preview shows both side by side unless it says how."""
        return "side" if self.preview is not None and self.compare == "none" else self.compare

    @property
    def span(self) -> tuple[Fraction | None, Fraction | None]:
        """Start and end of the result in seconds, None where nothing is cut."""
        begin, stop, length = (_seconds("", text) for text in (self.start, self.end, self.preview))
        if length is not None:
            stop = (begin or Fraction(0)) + length if stop is None else min(stop, (begin or Fraction(0)) + length)
        return begin, stop


@dataclass(frozen=True)
class ClipRequest(BatchRequest):
    """Inputs and outputs of a video conversion as the user gave them; how clips are converted is in `options`."""

    inputs: tuple[str, ...] = argument(
        (),
        "Clips, folders, globs, addresses (s3://…; extra: remote); an image sequence as frames/%05d.png; - for y4m on"
        " stdin.",
        metavar="CLIP...",
        required=True,
        address=True,
    )
    output: str | None = option(
        None,
        "A clip, a folder (s3://… too), a sequence as out/%05d.png, or - for y4m on stdout.",
        panel=WHERE,
        names=("-o", "--output"),
        metavar="PATH",
        address=True,
        shown="clip-STYLE beside the clip",
    )
    _: KW_ONLY
    options: VideoOptions = field(default_factory=VideoOptions)


def _decimal(name: str, text: str | None) -> str | None:
    """Seconds as decimal text, from that or from `hh:mm:ss.mmm`; UsageError for anything else."""
    if text is None:
        return None
    match = _CLOCK.fullmatch(text)
    if match is None:
        if not re.fullmatch(r"\d+(?:\.\d+)?|\.\d+", text):
            raise UsageError(f"{spelling(name)} {text!r} is neither seconds nor hh:mm:ss.mmm")
        return text
    seconds = (int(match[1] or 0) * 60 + int(match[2])) * 60 + int(match[3])
    return f"{seconds}{match[4] or ''}"


def _seconds(name: str, text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"{spelling(name)} {text!r} is no number") from None
    if value < 0:
        raise UsageError(f"{spelling(name)} is {text}", "0 or more")
    return value
