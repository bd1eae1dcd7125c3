"""Fine strokes in a conversion: rows from a style's first net to its second one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from imgcycle.engine.resample import Floats, Pixels
from imgcycle.engine.strips.plan import StripPlan
from imgcycle.engine.strokes import StrokeRows
from imgcycle.engine.translator import Translator
from imgcycle.jobs.images.colour_rows import ColourManagedRows
from imgcycle.jobs.recipe import ResolvedOptions


def stroked_frame(pixels: Pixels, small: Floats, result: Floats, options: ResolvedOptions, fine: Translator) -> Pixels:
    """One frame of a clip with strokes, (H, W, 3) as `pixels`; `result` is the first net's, at the work size."""
    out = np.empty_like(pixels)
    ends = ColourManagedRows(held_rows(pixels, out, small, result, options), b"", options)
    fine.translate_rows(ends, ends, frame_plan(pixels.shape[0], pixels.shape[1], fine))
    return out


def frame_plan(height: int, width: int, fine: Translator) -> StripPlan:
    """Plan of the second net for one frame: in strips, which take little memory and give the same bytes."""
    return fine.plan(height, width, 2**62, mode="strips" if fine.streamable else "whole")


def held_rows(pixels: Pixels, out: Pixels, small: Floats, result: Floats, options: ResolvedOptions) -> StrokeRows:
    """Rows between the nets for pixels in memory; finished ones go to `out`, which may be those pixels."""

    def read(top: int, bottom: int) -> Pixels:
        return pixels[top:bottom]

    def write(top: int, rows: Pixels) -> None:
        out[top : top + len(rows)] = rows

    size = pixels.shape[:2]
    return stroke_rows(size, pixels.dtype, small, result, options, read=read, reread=read, write=write)


def stroke_rows(
    size: tuple[int, int],
    dtype: npt.DTypeLike,
    small: Floats,
    result: Floats,
    options: ResolvedOptions,
    *,
    read: Callable[[int, int], Pixels],
    reread: Callable[[int, int], Pixels],
    write: Callable[[int, Pixels], None],
) -> StrokeRows:
    """Rows between a style's two nets for an image of (height, width) `size` (`StrokeRows`)."""
    return StrokeRows(
        *size, read, reread, write, dtype, small, result,
        calm=options.calm,
        detail=options.detail_share(*size),
        strength=options.strength,
        share=options.strokes_share(*size),
        luma=options.strokes_luma,
    )  # fmt: skip
