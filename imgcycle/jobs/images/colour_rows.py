"""Both ends of the net for one picture: its rows as the net sees them, and the net's rows as the picture wants them.

What the colours need is here, in one place for pictures that are held, reduced, or never in memory as a whole.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from torch import Tensor

from imgcycle.engine import resample
from imgcycle.jobs.recipe import ResolvedOptions
from imgcycle.media.image import colour
from imgcycle.media.image.pixels import Floats, Pixels


class Rows(Protocol):
    """A picture's rows, (h, W, 3) in [0, 1] in its own colours, and where those of its result go.

    In each pass rows are read in order; those that follow, and the result's, come in order as well, some way behind.
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
        """The same rows once more, just before the result's of that place are put."""
        ...

    def put(self, top: int, result: Floats) -> None:
        """Rows of the result, unrounded."""
        ...


class ColourManagedRows:
    """The rows of a picture with the colour profile `icc` as source and sink of the net."""

    def __init__(self, rows: Rows, icc: bytes, options: ResolvedOptions) -> None:
        self.rows, self.height, self.width = rows, rows.height, rows.width
        self.space = colour.transform(icc)
        self.keep_colour = options.keep_colour

    def read_rows(self, top: int, bottom: int) -> Tensor:
        """Rows in sRGB."""
        return resample.to_tensor(self._seen(self.rows.ahead(top, bottom)))

    def write_rows(self, top: int, rows: Tensor) -> None:
        """Rows of the result, in the picture's own colours."""
        result = resample.from_tensor(rows)
        if self.keep_colour or self.space is not None:
            own = self.rows.behind(top, top + len(result))
            seen = self._seen(own)
            if self.keep_colour:
                result = resample.with_colours_of(seen, result)
            if self.space is not None:
                # What the way there and back loses of the photograph is given back: a net that changes nothing
                # changes nothing.
                result = own + (self.space.from_srgb(result) - self.space.from_srgb(seen))
        self.rows.put(top, result)

    def _seen(self, own: Floats) -> Floats:
        return own if self.space is None else self.space.to_srgb(own)


class ReducedRows:
    """Rows of a reduction; the net's are gathered in `out`, for the way back to the full size."""

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
        """As floats."""
        return resample.to_float01(self.pixels[top:bottom])

    behind = ahead

    def put(self, top: int, result: Floats) -> None:
        """Blend with the photograph, and round."""
        bottom = top + len(result)
        resample.blended(self.pixels[top:bottom], result, self.strength, self.out[top:bottom])
