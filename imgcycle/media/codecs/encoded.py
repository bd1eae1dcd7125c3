"""An image file that is open: its header, its metadata, and its pixels once they are asked for.

`EncodedImage` reads whatever Pillow reads as it is. A format that needs more has a subclass, which overrides what it
does otherwise and is named in `media/codecs/registry.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import IO, Any, cast

import numpy as np
from PIL import Image

from imgcycle.errors import InputError
from imgcycle.media import formats
from imgcycle.media.files import Data
from imgcycle.media.formats import Format
from imgcycle.media.headers import ImageHeader, JpegCoding, Metadata
from imgcycle.media.image import colour_management
from imgcycle.media.image.pixels import TURNS
from imgcycle.media.image.reduction import limited_shape
from imgcycle.media.image.still import Still, oriented
from imgcycle.media.metadata import exif, xmp
from imgcycle.media.metadata.directories import unwrapped
from imgcycle.media.metadata.survey import Survey, pixels_of

_BAND = 256
_NAMES = (*(f.name for f in formats.FORMATS if f not in (formats.HEIF, formats.MPO)), "DIB")
"""What Pillow may take a file for; a HEIC is opened by its own class."""
_DEEP_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I")
Chunks = tuple[tuple[bytes, bytes], ...]


class EncodedImage:
    """One image file whose header was read, opened by `registry.open_encoded`.

    `data` are its bytes, `image` is Pillow's, `found` the survey of its structure, or None for formats of which the
    decoder tells the metadata. `format` counts MPO as JPEG, and a BMP without its file header as BMP. Opened from a
    memory map, it is of use as long as that is open.
    """

    def __init__(self, format_: Format, data: Data, image: Image.Image, found: Survey | None) -> None:
        self.format = format_
        self.data = data
        self.image = image
        self.found = found

    @staticmethod
    def survey(data: Data) -> Survey | None:  # noqa: ARG004 - the decoder tells the metadata of most formats
        """The survey of a file of this format; None if its structure is not parsed."""
        return None

    @staticmethod
    def open_stream(data: Data, stream: IO[bytes]) -> Image.Image:  # noqa: ARG004 - Pillow checks what it opens
        """Open `stream`, the part of the file `data` that decoders get, with Pillow."""
        return Image.open(stream, formats=_NAMES)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored."""
        return self.image.size

    @property
    def frames(self) -> int:
        """Number of frames of an animation; 1 for formats that hold none."""
        return int(getattr(self.image, "n_frames", 1)) if self.format.animated else 1

    @property
    def deep(self) -> bool:
        """True if it is read as 16 bits a channel."""
        return False

    @property
    def alpha(self) -> bool:
        """True if it may have transparency."""
        return has_alpha(self.image)

    @property
    def grey(self) -> bool:
        """True for a single channel, of an image without transparency, palette and inks."""
        return self.image.mode != "RGB"

    @property
    def lossless(self) -> bool:
        """True if encoding lost nothing of the image."""
        return self.format.lossless

    @property
    def progressive(self) -> bool:
        """True for a progressive JPEG, whose decoder has to keep all coefficients until the end."""
        return False

    @property
    def stored_bytes(self) -> int:
        """Bytes a pixel while samples are unpacked, where they are more than those of the result; else 0."""
        return 0

    @property
    def coding(self) -> JpegCoding | None:
        """Quality and subsampling of a JPEG; None if its tables do not tell, and for other formats."""
        return None

    def missing_share(self) -> float:
        """Share of the pixels, 0 to 1, that lies beyond the end of the file, as far as the header tells."""
        return 0.0

    def draft(self, max_side: int | None) -> int:  # noqa: ARG002 - only JPEG's coding has smaller sizes in it
        """Divisor of the size at which it is decoded to become no larger than `max_side`: 1, 2, 4 or 8."""
        return 1

    def upright_size(self, orientation: int) -> tuple[int, int]:
        """Width and height after rotation by the EXIF orientation."""
        width, height = self.size
        return (width, height) if orientation < 5 else (height, width)

    def header(self, max_side: int | None) -> ImageHeader:
        """Its properties as `read` gives it, downscaled to `max_side` at the longest."""
        turn = self.metadata(False).orientation
        width, height = self.upright_size(turn)
        about = (self.frames, self.deep, self.alpha, turn in TURNS, self.progressive, str(self.image.format))
        stored = (self.stored_bytes, width * height, self.draft(max_side))
        height, width = limited_shape(height, width, max_side)
        return ImageHeader(width, height, *about, *stored)

    def read(self, draft: int = 1) -> Still:
        """The image upright, with its metadata, decoded at 1 / `draft` of both sides."""
        coding = self.coding
        still = self.decode(draft)
        metadata = self.metadata(still.grey)
        return replace(
            oriented(still, metadata.orientation),
            format=self.format,
            coding=coding,
            lossless=self.lossless,
            metadata=metadata,
            notes=self.notes(),
        )

    def decode(self, draft: int) -> Still:  # noqa: ARG002 - as for `draft`
        """Pixels as stored, at 1 / `draft` of both sides."""
        return decoded_by_pillow(self.image)

    def notes(self) -> tuple[str, ...]:
        """One line for each thing in the file that the still does not hold."""
        return ()

    def without_metadata(self) -> bytes:
        """The bytes that a decoder needs."""
        return pixels_of(self.data, self.found or Survey([range(len(self.data))])).read()

    def metadata(self, grey: bool) -> Metadata:
        """All metadata that are kept; `grey` is True if the pixels have a single channel."""
        found = self.surveyed()
        icc = found.icc
        fits = colour_management.fits_rgb(icc) or (grey and colour_management.fits_grey(icc)) if icc else True
        if self.image.mode == "CMYK" or not fits:
            icc = b""  # the pixels were converted from that space
        icc, chunks = self.colour(icc, grey)
        return Metadata(
            exif=found.exif,
            icc=icc,
            xmp=found.xmp,
            dpi=self.density(found),
            chunks=chunks,
            iptc=found.iptc,
            texts=tuple(found.texts),
            comments=tuple(found.comments),
            orientation=self.orientation(found),
            notes=tuple(found.notes),
        )

    def surveyed(self) -> Survey:
        """The survey, or the metadata that the decoder reports."""
        return self.found or _reported(self.image)

    def colour(self, icc: bytes, grey: bool) -> tuple[bytes, Chunks]:  # noqa: ARG002 - most have nothing beside it
        """ICC profile, where `icc` is the embedded one that fits the pixels, and PNG's colour chunks to keep."""
        return icc, ()

    def orientation(self, found: Survey) -> int:
        """Orientation as in other readers: EXIF decides, XMP if there is no such entry."""
        return exif.exif_orientation(found.exif) or xmp.xmp_orientation(found.xmp) or 1

    def density(self, found: Survey) -> int:  # noqa: ARG002 - Pillow reads it where it is no part of EXIF
        """Dots per inch; 0 if the file does not tell."""
        return _dpi(self.image.info.get("dpi"))


def has_alpha(image: Image.Image) -> bool:
    """True if an image of Pillow's may have transparency."""
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def cut_off(share: float, what: str = "is missing") -> InputError:
    """An InputError that a `share` (0 to 1) of a picture is missing."""
    # Rounded to whole percents, a truncated file might seem complete.
    return InputError(f"cut off: {f'{100 * share:.0f} %' if share >= 0.01 else 'less than 1 %'} of the picture {what}")


def decoded_by_pillow(image: Image.Image, clear: bool | None = None) -> Still:
    """Pixels of Pillow's image, as they are stored; `clear` says whether it has transparency, where its mode does not.

    CMYK and LAB become sRGB; what has more than 8 bits becomes grey of 16.
    """
    image.load()
    mode = image.mode
    if mode in _DEEP_MODES:
        values = np.asarray(image)
        wide = np.clip(values, 0, 65535).astype(np.uint16)
        return Still(np.repeat(wide[..., None], 3, 2), grey=True)
    if mode == "CMYK":
        return Still(np.asarray(colour_management.cmyk_to_srgb(image)))
    if mode == "LAB":
        image, mode, clear = colour_management.lab_to_srgb(image), "RGB", None
    if mode == "La":
        image, clear = image.convert("LA"), None  # the only conversion that Pillow has from there
    grey = mode in ("1", "L", "LA", "La")
    clear = has_alpha(image) if clear is None else clear
    both = "RGBA" if clear else "RGB"
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    alpha = np.empty(pixels.shape[:2], np.uint8) if clear else None
    # In bands: then Pillow's four bytes a pixel and the array are never both needed for the whole image.
    for top in range(0, image.height, _BAND):
        bottom = min(top + _BAND, image.height)
        band = np.asarray(image.crop((0, top, image.width, bottom)).convert(both))
        pixels[top:bottom] = band[..., :3]
        if alpha is not None:
            alpha[top:bottom] = band[..., 3]
    return Still(pixels, alpha, grey)


def _reported(image: Image.Image) -> Survey:
    said: dict[Any, Any] = image.info
    packet = said.get("xmp") or b""
    return Survey(
        exif=unwrapped(bytes(said.get("exif") or b"")),
        icc=bytes(said.get("icc_profile") or b""),
        xmp=packet.encode() if isinstance(packet, str) else bytes(packet),
    )


def _dpi(value: object) -> int:
    try:
        first = round(float(cast(Any, value)[0]))
    except (TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError):
        return 0
    return first if 1 < first < 65536 else 0
