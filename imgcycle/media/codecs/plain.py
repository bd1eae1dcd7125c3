"""WebP, GIF and BMP: Pillow reads them as they are; here is what it does not tell of them."""

from __future__ import annotations

from typing import Any

from PIL import Image

from imgcycle.media.codecs.encoded import EncodedImage
from imgcycle.media.files import Data
from imgcycle.media.metadata import gif, webp
from imgcycle.media.metadata.survey import Survey


class EncodedWebp(EncodedImage):
    """A WebP, lossy or lossless."""

    @staticmethod
    def survey(data: Data) -> Survey:
        return webp.survey_webp(data)

    @property
    def lossless(self) -> bool:
        """True if its first picture is coded as VP8L."""
        lossless, lossy = self.data.find(b"VP8L", 12), self.data.find(b"VP8 ", 12)
        return lossless >= 0 and (lossy < 0 or lossless < lossy)


class EncodedGif(EncodedImage):
    """A GIF. Its colours were reduced before it was written: what it holds is lossless."""

    @staticmethod
    def survey(data: Data) -> Survey:
        return gif.survey_gif(data)

    @property
    def lossless(self) -> bool:
        return True


class EncodedBmp(EncodedImage):
    """A BMP, with or without its file header."""

    def missing_share(self) -> float:
        return raw_missing(self.image, len(self.data))


def raw_missing(image: Image.Image, size: int) -> float:
    """Share of an uncompressed BMP or PNM, 0 to 1, beyond the end of a file of `size` bytes.

    Computed from the header alone, so that no memory is allocated for pixels that are not there.
    """
    tiles: list[Any] = getattr(image, "tile", [])
    if len(tiles) != 1 or tiles[0][0] != "raw":
        return 0.0
    width, height = image.size
    how = tiles[0][3]
    bits = {"1": 1, "I": 16}.get(image.mode, 8 * len(image.getbands()))
    row = -(-width * bits // 8)
    line = how[1] if isinstance(how, tuple) and how[1] else row
    # The last row may lack its padding.
    needed = line * (height - 1) + min(line, row)
    return max(0, needed - max(0, size - int(tiles[0][2]))) / max(1, needed)
