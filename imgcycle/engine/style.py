"""What a style says beside its net, and the sizes and shares that follow: all that a plan needs, without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from imgcycle.config import JsonConfig

WORK_SIZE = 512
DETAIL = 0.5
"""Defaults for styles that state no work size and no detail, chosen by eye on photographs of 8 to 14 megapixels.

Work size, with a painter's style learnt on 256-pixel images: at 256 strokes are a fiftieth of the image, edges have
halos, and small things (houses, boats) melt; at 384 to 512 it is a painting as a whole and everything in it is still
recognisable; from 768 on the strokes are too fine to be noticed and it looks like a photograph with odd colours.
Detail, at work size 512: at 0 a 1:1 view is a blur; at 0.3 a haze with a trace of edges; at 0.5 crisp, while strokes
still cover what they should; towards 1 the photograph shows through the painting, and edges that the net has moved
appear twice. A style that keeps the photographic look (seasons, times of day) moves no edges and needs all of its
detail: its index says `detail = 1.0`.
"""


@dataclass(frozen=True)
class Strokes:
    """Fine strokes of a style's second net (engine/strokes.py): their default share, the `detail` and `calm` that
    it was trained with, and whether they change `luma` alone.
    """

    share: float = 1.0
    detail: float = DETAIL
    calm: float = 0.0
    luma: bool = False


@dataclass(frozen=True)
class Style:
    """Properties of a style beside its net: name, SHA-256 of the weights, and settings.

    `work_size` is √(width × height) in pixels at which the style looks as intended; `detail` 0..1 the share of a
    photograph's own fine detail to add to the upscaled result. `origin` says in one line which program's checkpoint it
    was recognised as. `clips` is False for nets that search each frame anew. `strokes` is set for a style with a second
    net for fine strokes. Of a mix `mixed` has the styles with their shares, and `spelling` is what stands for it where
    a style is asked for; of a single style that is its name.
    """

    name: str = ""
    digest: str = ""
    work_size: int = WORK_SIZE
    detail: float = DETAIL
    origin: str = ""
    clips: bool = True
    strokes: Strokes | None = None
    mixed: tuple[tuple[float, Style], ...] = ()
    spelling: str = ""

    def strokes_share(self, asked: float | None) -> float:
        """Share of fine strokes: as asked, else the style's; 0 without a second net."""
        if self.strokes is None:
            return 0.0
        return self.strokes.share if asked is None else asked


@dataclass(frozen=True, kw_only=True)
class MixPart(JsonConfig):
    """One style of a mix: its share 0..1, its name and the digest of its weights, and how it is applied."""

    share: float
    style: str
    weights: str
    work_size: int | Literal["full"] = "full"
    detail: float = 1.0
    strokes: float = 0.0


def work_shape(height: int, width: int, work_size: int | Literal["full"]) -> tuple[int, int]:
    """Size (height, width) at which the net sees an image: √(h × w) reduced to `work_size`, never enlarged."""
    if work_size == "full" or height * width <= work_size**2:
        return height, width
    scale = work_size / math.sqrt(height * width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def share_of(height: int, width: int, shape: tuple[int, int], strokes: float) -> float:
    """Share k of the strokes for an image whose first net saw `shape`: 0 without upscaling, rising to `strokes` at
    twice the size and above.
    """
    scale = math.sqrt(height * width / (shape[0] * shape[1]))
    return strokes * min(1.0, max(0.0, scale - 1))
