"""YUV4MPEG2 (y4m): what its header says of the frames in a pipe, as mjpegtools and ffmpeg write it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from imgcycle.errors import InputError
from imgcycle.media.video.probing.clip import Colour, usual_matrix
from imgcycle.media.video.probing.pixel_formats import Chroma

MAGIC = b"YUV4MPEG2"
FRAME = b"FRAME"
"""Begins the line before each frame."""
LONGEST_LINE = 1024
DEPTHS = (8, 9, 10, 12, 14, 16)
"""Bits a channel that a header can name."""

_MAKE = "make one with: ffmpeg -i CLIP -f yuv4mpegpipe -"
_TAKEN = "4:2:0, 4:2:2, 4:4:4 and grey are read: ffmpeg's -pix_fmt yuv420p makes that"
_SITINGS = {"420jpeg": "center", "420": "center", "420mpeg2": "left", "420paldv": "topleft"}
"""Where chroma samples lie, in zscale's words; for others it is usually at the left, or they coincide."""
_CHROMA = re.compile(r"(420|422|444|mono)(?:p?(\d+))?|(420)(?:jpeg|mpeg2|paldv)")
_UNKNOWN_RATE = Fraction(25)
_LARGEST = 1 << 15


@dataclass(frozen=True)
class Y4mFormat:
    """The frames of a stream: size, rate, shape of a pixel, and how colours are stored.

    `tag` is the header's name of the samples (`420mpeg2`, `422p10`, `mono`), `order` its letter for fields (`p`, `t`,
    `b` or `?`), `range` what its values mean ("tv" is 16 to 235 of 255).
    """

    width: int
    height: int
    rate: Fraction
    tag: str = "420jpeg"
    sar: Fraction = Fraction(1)
    range: Literal["tv", "pc"] = "tv"
    order: str = "p"

    @property
    def grey(self) -> bool:
        """True without colour samples."""
        return self.tag.startswith("mono")

    @property
    def chroma(self) -> Chroma:
        """Colour samples that frames have once grey ones are given neutral ones."""
        return "422" if self.tag.startswith("422") else "444" if self.tag.startswith("444") else "420"

    @property
    def depth(self) -> int:
        """Bits a channel."""
        match = _CHROMA.fullmatch(self.tag)
        return int(match[2] or 8) if match else 8

    @property
    def pixel_format(self) -> str:
        """ffmpeg's name of the frames, grey ones with neutral colour."""
        return f"yuv{self.chroma}p" + (f"{self.depth}le" if self.depth > 8 else "")

    @property
    def siting(self) -> str:
        """Where chroma samples lie between those of luma, in zscale's words."""
        return _SITINGS.get(self.tag, "center" if self.tag == "mono" else "left")

    @property
    def colour(self) -> Colour:
        """Colours as they are usual for the size, since the format names no matrix."""
        return Colour(usual_matrix(self.height), self.range, "unknown", "unknown")

    @property
    def neutral(self) -> bytes:
        """The colour samples that grey frames get, after their luma."""
        if not self.grey:
            return b""
        samples = 2 * -(-self.width // 2) * -(-self.height // 2)
        return b"\x80" * samples if self.depth == 8 else (1 << (self.depth - 1)).to_bytes(2, "little") * samples

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame in the stream."""
        luma = self.width * self.height
        wide = self.width if self.chroma == "444" else -(-self.width // 2)
        tall = self.height if self.chroma != "420" else -(-self.height // 2)
        return (luma + (0 if self.grey else 2 * wide * tall)) * (1 if self.depth == 8 else 2)

    def coloured(self) -> Y4mFormat:
        """The same with colour: what is painted is no longer grey."""
        if not self.grey:
            return self
        tag = "420jpeg" if self.depth == 8 else f"420p{self.depth}"
        return Y4mFormat(self.width, self.height, self.rate, tag, self.sar, "tv", self.order)

    def header(self) -> bytes:
        """The line that begins a stream."""
        words = [
            *(f"W{self.width}", f"H{self.height}", f"F{self.rate.numerator}:{self.rate.denominator}", f"I{self.order}"),
            *(f"A{self.sar.numerator}:{self.sar.denominator}", f"C{self.tag}"),
            f"XCOLORRANGE={'FULL' if self.range == 'pc' else 'LIMITED'}",
        ]
        return b" ".join([MAGIC, *(word.encode() for word in words)]) + b"\n"


def tag_for(chroma: str, depth: int) -> str:
    """Name in a header of samples that ffmpeg would write for a clip."""
    kept = chroma if chroma in ("420", "422", "444") else "420"
    return f"{kept}p{depth}" if depth > 8 else "420mpeg2" if kept == "420" else kept


def y4m_format(line: bytes) -> Y4mFormat:
    """What the first line of a stream says; InputError for anything else, and for samples that are not read."""
    if not line:
        raise InputError("no frames came", _MAKE)
    text = line.rstrip(b"\n").decode("latin-1")
    name, *words = text.split(" ")
    if name.encode("latin-1", "replace") != MAGIC or not line.endswith(b"\n"):
        raise InputError("no y4m stream (YUV4MPEG2)", _MAKE)
    said = {word[0]: word[1:] for word in words if word and word[0] != "X"}
    more = dict(word[1:].upper().partition("=")[::2] for word in words if word.startswith("X"))
    width, height = _size(said.get("W", "")), _size(said.get("H", ""))
    tag = said.get("C") or more.get("YSCSS", "420jpeg").lower()
    match = _CHROMA.fullmatch(tag)
    if match is None or int(match[2] or 8) not in DEPTHS:
        raise InputError(f"samples of y4m kind {tag!r} are not read", _TAKEN)
    order = said.get("I", "p")
    if order not in ("p", "t", "b", "?"):
        raise InputError("y4m with frames and fields mixed is not read", "ffmpeg's -vf bwdif makes frames of it")
    full = more.get("COLORRANGE", "FULL" if tag.startswith("mono") else "LIMITED") == "FULL"
    return Y4mFormat(
        width,
        height,
        _ratio(said.get("F", ""), _UNKNOWN_RATE),
        tag,
        _ratio(said.get("A", ""), Fraction(1)),
        "pc" if full else "tv",
        order,
    )


def _size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6 or not 0 < int(text) <= _LARGEST:
        raise InputError(f"the y4m header states a size of {text[:20]!r}")
    return int(text)


def _ratio(text: str, unknown: Fraction) -> Fraction:
    """A ratio `30000:1001`; `unknown` for 0:0, which stands for that, and for anything that is none."""
    match = re.fullmatch(r"(\d{1,9}):(\d{1,9})", text, re.ASCII)
    if match is None or not int(match[1]) or not int(match[2]):
        return unknown
    return Fraction(int(match[1]), int(match[2]))
