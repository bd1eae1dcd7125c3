"""Colour-managed row source and sink: ICC to sRGB before the net, back after it.

The same for images in memory, downscaled, or streamed from files.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from torch import Tensor

from imgcycle.engine import resample
from imgcycle.jobs.recipe import ResolvedOptions
from imgcycle.media.image import colour_management
from imgcycle.media.image.pixels import Floats, Pixels


class Rows(Protocol):
    """Rows of an image, (h, W, 3) in [0, 1] in its own colour space, and the sink of its result.

    In each pass rows are read in order; `behind` and `put` follow in order as well, some rows later.
    """

    @property
    def height(self) -> int:
        """Rows there are."""
        ...

    @property
    def width(self) -> int:
        """Pixels in each."""
        ...

    def ahead(self, top: int, bottom: int) -> Floats:
        """Rows for the net."""
        ...

    def behind(self, top: int, bottom: int) -> Floats:
        """The same rows once more, just before the result's are `put`."""
        ...

    def put(self, top: int, result: Floats) -> None:
        """Add rows of the result, not rounded."""
        ...


class ColourManagedRows:
    """Rows of an image with the ICC profile `icc` as source and sink of the net."""

    def __init__(self, rows: Rows, icc: bytes, options: ResolvedOptions) -> None:
        self.rows, self.height, self.width = rows, rows.height, rows.width
        self.space = colour_management.transform(icc)
        self.options = options

    def read_rows(self, top: int, bottom: int) -> Tensor:
        """Rows in sRGB."""
        return resample.to_tensor(self._seen(self.rows.ahead(top, bottom)))

    def write_rows(self, top: int, rows: Tensor) -> None:
        """Write rows of the result, in the image's own colour space."""
        result = resample.from_tensor(rows)
        if self.options.recolours or self.space is not None:
            own = self.rows.behind(top, top + len(result))
            seen = self._seen(own)
            result = coloured(seen, result, self.options)
            if self.space is not None:
                # The error of the colour conversion there and back is compensated: a net that changes nothing changes
                # no pixel.
                result = own + (self.space.from_srgb(result) - self.space.from_srgb(seen))
        self.rows.put(top, result)

    def _seen(self, own: Floats) -> Floats:
        return own if self.space is None else self.space.to_srgb(own)


def coloured(seen: Floats, result: Floats, options: ResolvedOptions) -> Floats:
    """The net's result with the colours that are asked for; `seen` is what the net saw. Both in sRGB."""
    return resample.with_colours_of(seen, result) if options.keep_colour else result


class ReducedRows:
    """Rows of a downscaled image; the net's are collected in `out`, to be upscaled."""

    def __init__(self, small: Floats) -> None:
        self.small, self.out = small, np.empty_like(small)
        self.height, self.width = small.shape[:2]

    def ahead(self, top: int, bottom: int) -> Floats:
        """A view."""
        return self.small[top:bottom]

    behind = ahead

    def put(self, top: int, result: Floats) -> None:
        """Copy in."""
        self.out[top : top + len(result)] = result


class PixelRows:
    """Rows of pixels in memory; finished ones go to `out`, which may be those pixels."""

    def __init__(self, pixels: Pixels, out: Pixels, strength: float) -> None:
        self.pixels, self.out, self.strength = pixels, out, strength
        self.height, self.width = pixels.shape[:2]

    def ahead(self, top: int, bottom: int) -> Floats:
        return resample.to_float01(self.pixels[top:bottom])

    behind = ahead

    def put(self, top: int, result: Floats) -> None:
        """Blend with the photograph, and round."""
        bottom = top + len(result)
        resample.blended(self.pixels[top:bottom], result, self.strength, self.out[top:bottom])
