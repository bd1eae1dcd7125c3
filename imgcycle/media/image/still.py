"""A decoded image: its pixels with all that has to travel beside them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

from imgcycle.media import formats
from imgcycle.media.formats import Format
from imgcycle.media.headers import NO_METADATA, JpegCoding, Metadata
from imgcycle.media.image.pixels import TURNS, Pixels, turned
from imgcycle.media.image.reduction import limited_shape, reduced_planes
from imgcycle.media.metadata.carried import rescaled_metadata


@dataclass(frozen=True, eq=False)
class Still:
    """A decoded image, upright.

    pixels (H, W, 3) RGB, uint8 or uint16, full range, in the space of `metadata.icc` (sRGB if empty); alpha (H, W) of
    the same dtype, or None; `grey` is True if the source had a single channel; `notes` has one line for each thing in
    the file that was not read.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    grey: bool = False
    format: Format = formats.PNG
    metadata: Metadata = NO_METADATA
    coding: JpegCoding | None = None
    lossless: bool = True
    notes: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def with_pixels(self, pixels: Pixels) -> Still:
        """A copy with other pixels of the same shape and dtype."""
        return replace(self, pixels=pixels)

    def limited(self, max_side: int | None, size: tuple[int, int] | None = None) -> Still:
        """The still downscaled to no more than `max_side` pixels a side, with its metadata; `size` (width, height) is
        the file's where the pixels are decoded from it at a part of that.
        """
        width, height = size or self.size
        shape = limited_shape(height, width, max_side)
        if shape == (height, width):
            return self
        pixels, alpha = reduced_planes(self.pixels, self.alpha, shape)
        metadata = rescaled_metadata(self.metadata, Fraction(max(shape), max(height, width)))
        return replace(self, pixels=pixels, alpha=alpha, metadata=metadata)


def oriented(still: Still, orientation: int) -> Still:
    """The still rotated and mirrored as its EXIF orientation (1 to 8) says."""
    if orientation not in TURNS:
        return still
    alpha = None if still.alpha is None else turned(still.alpha, orientation)
    return replace(still, pixels=turned(still.pixels, orientation), alpha=alpha)
