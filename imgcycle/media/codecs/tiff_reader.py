"""TIFF tags (TIFF 6.0, Adobe's and libtiff's additions): which page is the picture, what its samples mean, and what
is not supported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any

from PIL import Image, TiffImagePlugin

from imgcycle.errors import InputError

_GREY, _RGB, _PALETTE, _CMYK = (0, 1), 2, 3, 5
_COLOURS = {0: 1, 1: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, 6: 3, 8: 3}
_STRANGERS = {
    4: "a transparency mask alone",
    9: "ICC Lab colours",
    10: "ITU Lab colours",
    32803: "a camera's sensor data",
    32844: "logarithms of light",
    32845: "logarithms of light",
    34892: "a camera's sensor data",
    51177: "a depth map",
}
_SHAPES = {3: "floating-point samples", 5: "complex samples", 6: "complex samples"}
LOSSLESS = frozenset({1, 5, 8, 32773, 32946, 34925, 50000})
"""None, LZW, deflate, PackBits, deflate's old number, LZMA, Zstandard."""
_NAMES = {6: "JPEG", 7: "JPEG", 33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 34887: "LERC"}
_NAMES |= {50001: "WebP", 34676: "SGI", 34677: "SGI", 52546: "JPEG XL", 50002: "JPEG XL", 32845: "Nikon"}
_PART, _REDUCED = 5, 2
"""Bits of NewSubfileType and value of SubfileType that mark a mask or a reduced version of another page."""
_MOST_PAGES, _MOST_CHANNELS = 1000, 64


class TiffFile(TiffImagePlugin.TiffImageFile):
    """Pillow's TIFF reader, extended to open pages that Pillow has no mode for, so that tags and size can be read.

    `plain` is True if Pillow can decode the current page; `pages` is the number of full pages.
    """

    plain = True
    pages = 1

    def _setup(self) -> None:
        try:
            super()._setup()  # type: ignore[no-untyped-call, unused-ignore]
            self.plain = True
        except (SyntaxError, KeyError, ValueError, TypeError, IndexError, OverflowError) as error:
            width, height = self.tag_v2.get(256), self.tag_v2.get(257)
            if not isinstance(width, int) or not isinstance(height, int):
                raise SyntaxError("no size") from error
            self.plain, self.tile = False, []
            self._mode = "RGB"
            self._size = (height, width) if self.tag_v2.get(274) in (5, 6, 7, 8) else (width, height)
            if 34675 in self.tag_v2:
                self.info["icc_profile"] = self.tag_v2[34675]


def open_tiff(file: IO[bytes]) -> TiffFile:
    """Open a TIFF at the first page that is neither a reduced version nor a mask of another.

    InputError, with the reason, for pages that cannot be read as a picture.
    """
    try:
        image = TiffFile(file)
        image.pages = _choose(image)
    except (SyntaxError, EOFError, KeyError, ValueError, TypeError, IndexError, OverflowError, OSError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"not an image that imgcycle can read: a TIFF file, damaged ({text})") from error
    if stranger := _unsupported(image):
        raise InputError(f"a TIFF of {stranger}, which imgcycle does not read", "save it with 8 or 16 bits a channel")
    return image


def _choose(image: TiffFile) -> int:
    """Seek to the page that is the picture; return the number of full pages."""
    full, sizes = [], []
    for number in range(_MOST_PAGES):
        try:
            if number:
                image.seek(number)
        except (SyntaxError, EOFError, KeyError, ValueError, TypeError, IndexError, OverflowError, OSError):
            break
        sizes.append(image.width * image.height)
        if not first(image, 254) & _PART and first(image, 255) != _REDUCED:
            full.append(number)
    # Where all pages say that they are reduced versions, the largest is the picture. The page is read again even where
    # it is the last: one that failed leaves its tags behind.
    image._seek(full[0] if full else sizes.index(max(sizes)))  # type: ignore[no-untyped-call, unused-ignore]
    return max(1, len(full))


def numbers(image: Image.Image, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Integers of a tag; `default` if it is missing or holds none."""
    value: Any = getattr(image, "tag_v2", {}).get(tag)
    values = value if isinstance(value, tuple) else (value,)
    return values if value is not None and values and all(isinstance(v, int) for v in values) else default


def first(image: Image.Image, tag: int, default: int = 0) -> int:
    """First integer of a tag."""
    return numbers(image, tag, (default,))[0]


@dataclass(frozen=True)
class SampleLayout:
    """Layout of a page's samples: bits, sign, channels and their meaning.

    `colours` come first (1 grey or palette, 3, or 4 of ink); `alpha` is the index of the alpha channel, or None, with
    which the colours are premultiplied if `associated`; further channels (`extra`) are ignored.
    """

    bits: int
    signed: bool
    photometric: int
    channels: int
    colours: int
    alpha: int | None
    associated: bool
    planar: bool
    compression: int

    @property
    def extra(self) -> int:
        """Number of channels that are neither colour nor alpha."""
        return self.channels - self.colours - (self.alpha is not None)

    @property
    def deep(self) -> bool:
        """True if samples are read as 16 bits."""
        return self.bits > 8 and self.photometric != _CMYK

    @property
    def grey(self) -> bool:
        return self.photometric in _GREY


def layout_of(image: Image.Image) -> SampleLayout:
    """Sample layout of a page that is supported."""
    photometric, channels = first(image, 262, _implied(image)), _channels(image)
    colours = _COLOURS.get(photometric, 1)
    kinds = numbers(image, 338)
    alpha, associated = None, False
    if len(kinds) >= channels - colours > 0:
        # Corel Draw writes 999.
        found = next((n for n, kind in enumerate(kinds[: channels - colours]) if kind in (1, 2, 999)), None)
        alpha = None if found is None else colours + found
        associated = found is not None and kinds[found] == 1
    elif channels == colours + 1:
        # Most programs that do not state the meaning of a fourth channel, OpenCV among them, mean transparency.
        alpha = colours
    bits = numbers(image, 258, (1,))
    signed = first(image, 339, 1) == 2
    planar = first(image, 284, 1) == 2 and channels > 1
    return SampleLayout(
        bits[0], signed, photometric, channels, colours, alpha, associated, planar, first(image, 259, 1)
    )


def tiff_notes(image: Image.Image) -> tuple[str, ...]:
    """One line for each thing in the file that is not read."""
    if not isinstance(image, TiffFile):
        return ()
    said = []
    if image.pages > 1:
        count = f"{image.pages}" if image.pages < _MOST_PAGES else "very many"
        said.append(f"{count} pages, of which the first was taken")
    layout = layout_of(image)
    if layout.extra > 0:
        taken = "colour" if layout.alpha is None else "colour and transparency"
        said.append(f"{layout.channels} channels, of which those of {taken} were taken")
    if layout.photometric == _CMYK and layout.bits > 8:
        said.append("16 bits a channel became 8: CMYK becomes sRGB in no more")
    if layout.photometric == 3 and layout.bits <= 8 and any(v % 257 and v % 256 for v in numbers(image, 320)):
        said.append("16 bits a channel became 8: a palette's colours are read in no more")
    if layout.bits > 16:
        said.append(f"{layout.bits} bits a channel became 16")
    return tuple(said)


def _channels(image: Image.Image) -> int:
    implied = 3 if first(image, 259, 1) == 6 and first(image, 262) in (2, 6) else 1
    return first(image, 277, implied)


def _implied(image: Image.Image) -> int:
    return 6 if first(image, 259, 1) == 6 else 0


def _unsupported(image: TiffFile) -> str:  # noqa: PLR0911 - one return a kind
    """Reason why a page cannot be read as a picture; empty if it can."""
    photometric, channels, bits = first(image, 262, _implied(image)), _channels(image), numbers(image, 258, (1,))
    compression = first(image, 259, 1)
    if 50706 in image.tag_v2:
        return "a camera's sensor data (a DNG by another name)"
    if photometric in _STRANGERS:
        return _STRANGERS[photometric]
    shape = first(image, 339, 1)
    if shape in _SHAPES:
        return f"{_SHAPES[shape]} of {bits[0]} bits"
    if len(set(bits)) > 1 or len(set(numbers(image, 339, (1,)))) > 1:
        return f"channels of different kinds ({', '.join(map(str, bits))} bits)"
    colours = _COLOURS.get(photometric)
    if colours is None:
        return f"colours of an unknown kind ({photometric})"
    if channels > _MOST_CHANNELS:
        return f"{channels} channels"
    if channels < colours or (photometric == _CMYK and first(image, 332, 1) != 1):
        return f"{channels} channels that are not the colours they are called"
    if not 1 <= bits[0] <= 32 and bits[0] != 64:
        return f"{bits[0]} bits a channel"
    if image.plain and not _is_ours(image):
        return ""
    if photometric in (6, 8):
        return f"{'Lab' if photometric == 8 else 'YCbCr'} colours of {bits[0]} bits in {channels} channels"
    if compression not in LOSSLESS:
        return f"{channels} channels of {bits[0]} bits, compressed as {_NAMES.get(compression, f'no. {compression}')}"
    return ""


def _is_ours(image: TiffFile) -> bool:
    """True if samples have to be unpacked by `media/codecs/samples.py`, because Pillow has no mode for them, or a
    wrong or a narrower one.
    """
    layout = layout_of(image)
    if not image.plain or layout.bits > 8 or layout.signed:
        return True
    # Pillow cannot read tiles that begin within a byte.
    return (layout.planar or (layout.bits < 8 and 324 in image.tag_v2)) and layout.compression in LOSSLESS


def read_by_samples(image: Image.Image) -> bool:
    """True if a page is read by `samples.read_samples` rather than by Pillow."""
    return isinstance(image, TiffFile) and _is_ours(image)
