"""Fine strokes in a conversion: for which pictures a style's second net draws them, and with which settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from imgcycle.config import ConvertOptions, VideoOptions
from imgcycle.engine import resample
from imgcycle.engine.resample import Floats, Pixels
from imgcycle.engine.strips.plan import StripPlan
from imgcycle.engine.strips.run import Listener
from imgcycle.engine.strokes import StrokeRows, calmed, share_of
from imgcycle.engine.translator import Style, Translator
from imgcycle.errors import UsageError
from imgcycle.jobs.colour_rows import ColourManagedRows


def strokes_share(height: int, width: int, options: ConvertOptions, style: Style) -> float:
    """The share 0..1 of fine strokes in a picture of this size: 0 where the style has none or none are wanted, and for
    pictures that are not reduced to the work size, whose strokes the first net draws as it learnt them."""
    work_size = style.work_size if options.work_size == "auto" else options.work_size
    shape = resample.work_shape(height, width, work_size)
    asked = style.strokes_share(options.strokes)
    return share_of(height, width, shape, asked) if options.strength and asked else 0.0


def check_strokes(styles: Sequence[Style], options: ConvertOptions | VideoOptions) -> None:
    """Raise UsageError when a share of fine strokes is asked for and none of the styles has a net for them."""
    if options.strokes and all(style.strokes is None for style in styles):
        names = ", ".join(style.name for style in styles) or "no style"
        raise UsageError(f"{names} has no fine strokes", "leave --strokes out")


CLIP_LINES = 720
"""Frames of more lines get no strokes unless they are asked for: there the second net takes longer than the rest."""


def clip_options(options: VideoOptions, height: int, style: Style) -> tuple[ConvertOptions, str]:
    """The options of a clip's frames of `height` lines, and a line for the user where strokes were left out."""
    picture = options.picture()
    if options.strokes is None and height > CLIP_LINES and style.strokes_share(None):
        said = f"no fine strokes in frames of more than {CLIP_LINES} lines, for speed; --strokes 1 lays them"
        return picture.replace(strokes=0.0), said
    return picture, ""


def stroked_frame(
    pixels: Pixels, small: Floats, result: Floats, options: ConvertOptions, style: Style, fine: Translator
) -> Pixels:
    """One frame of a clip with strokes, (H, W, 3) as `pixels`; `result` is the first net's, at the work size."""
    out = np.empty_like(pixels)
    ends = ColourManagedRows(held_rows(pixels, out, small, result, options, style), b"", options)
    fine.translate_rows(ends, ends, frame_plan(pixels.shape[0], pixels.shape[1], fine))
    return out


def frame_plan(height: int, width: int, fine: Translator) -> StripPlan:
    """How the second net does one frame of a clip: in strips, which take little memory and give the same bytes."""
    streamable = fine.net.stages() is not None
    return fine.plan(height, width, 2**62, mode="strips" if streamable else "whole")


def in_turn(listener: Callable[[float], None] | None, *plans: StripPlan) -> list[Listener | None]:
    """For each of a picture's nets, which run one after another, what tells `listener` the share 0..1 of all work done,
    by multiply-adds."""
    if listener is None:
        return [None] * len(plans)
    works = [max(1.0, plan.multiply_adds) for plan in plans]
    total = sum(works)
    return [_part(listener, sum(works[:n]) / total, work / total) for n, work in enumerate(works)]


def _part(listener: Callable[[float], None], begun: float, share: float) -> Listener:
    return lambda advance: listener(begun + share * advance.share)


def held_rows(
    pixels: Pixels, out: Pixels, small: Floats, result: Floats, options: ConvertOptions, style: Style
) -> StrokeRows:
    """The rows between the nets of pixels in memory; finished ones go to `out`, which may be those pixels."""

    def read(top: int, bottom: int) -> Pixels:
        return pixels[top:bottom]

    def write(top: int, rows: Pixels) -> None:
        out[top : top + len(rows)] = rows

    size = pixels.shape[:2]
    return stroke_rows(size, pixels.dtype, small, result, options, style, read=read, reread=read, write=write)


def stroke_rows(
    size: tuple[int, int],
    dtype: npt.DTypeLike,
    small: Floats,
    result: Floats,
    options: ConvertOptions,
    style: Style,
    *,
    read: Callable[[int, int], Pixels],
    reread: Callable[[int, int], Pixels],
    write: Callable[[int, Pixels], None],
) -> StrokeRows:
    """The rows between a style's two nets for a picture of (height, width) `size` (`StrokeRows`)."""
    assert style.strokes is not None
    return StrokeRows(
        *size, read, reread, write, dtype, small, calmed(small, result, style.strokes.calm),
        detail=style.detail_share(options.detail, options.strokes),
        strength=options.strength,
        share=strokes_share(*size, options, style),
    )  # fmt: skip
