"""Read images row by row through the optional pyvips (libvips), where pixels should not all be in memory.

JPEG, 8- and 16-bit PNG, 8- and 16-bit TIFF in strips or tiles give exactly the pixels of `read_still`. Rare variants
and images with transparency are left to `read_still`. An image that has to be rotated is written upright, uncompressed,
to a temporary file, since its rows are another one's columns; so is a progressive JPEG, whose decoder keeps all
coefficients until the end, and an image that is downscaled to a longest side.
"""

from __future__ import annotations

import contextlib
import io
import logging
import mmap
import os
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

import numpy as np
import numpy.typing as npt

from imgcycle.errors import InputError, MissingExtra
from imgcycle.media.codecs import jpeg
from imgcycle.media.codecs.deep import EncodedPng
from imgcycle.media.codecs.encoded import EncodedImage
from imgcycle.media.codecs.jpeg import EncodedJpeg
from imgcycle.media.codecs.samples import missing_share
from imgcycle.media.codecs.tiff import EncodedTiff
from imgcycle.media.codecs.tiff_reader import first
from imgcycle.media.files import Data, opened
from imgcycle.media.image.pixels import Pixels
from imgcycle.media.image.read import MAX_PIXELS, open_image
from imgcycle.media.image.reduction import Reduction, limited_shape
from imgcycle.media.image.row_writer import Outline
from imgcycle.media.image.still import Still, oriented
from imgcycle.media.metadata.carried import rescaled_metadata
from imgcycle.media.metadata.png import SIGNATURE
from imgcycle.media.temporary_file import SpillFile

_BAND = 256
"""Rows rotated at a time."""
_REDUCING = 8
"""Bytes a sample of a band that is downscaled: as read, joined to the band before, and in floats."""
_PASSED, _PASSED_TIFF, _LOOSE = 2100, 700, 4
"""Rows that libvips keeps after passing them: 544 of JPEG and PNG, times about four for fragmentation; as measured."""
_PLAIN_CODINGS = (1, 5, 8, 32773, 32946)
"""TIFF's lossless compressions: none, LZW, deflate, PackBits, deflate's old number."""
_LATE = (b"XML:com.adobe.xmp", b"Raw profile type")


def is_available() -> bool:
    """True if pyvips and libvips can be imported."""
    try:
        _vips()
    except MissingExtra:
        return False
    return True


def open_rows(
    source: Path | bytes, max_pixels: int = MAX_PIXELS, folder: Path | None = None, max_side: int | None = None
) -> RowReader | None:
    """A reader of one image, or None for images that only `read_still` reads (or refuses with a message).

    Only the header is read yet. One with a longer side than `max_side` is downscaled. A spooled image takes as much
    space in `folder` (by default the system's for temporary files) as its pixels. MissingExtra without pyvips.
    """
    _vips()
    try:
        with _data_of(source) as data:
            encoded = open_image(data, max_pixels)
            with _file_of(source) as file:
                taken = _is_taken(encoded, file)
            return RowReader(source, encoded, folder, max_side) if taken else None
    except Exception:  # errors are reported by the ordinary reader
        return None


class RowReader:
    """Rows of one image, upright, in order from the top; asking for earlier rows starts again.

    `outline` holds everything but the pixels, `turn` is the EXIF orientation (1: upright), `memory` the approximate
    bytes that one pass over the file takes. Images that are rotated, downscaled or costly to decode twice are `spooled`
    to disk once, at the first request for rows. A context manager; made by `open_rows`.
    """

    def __init__(
        self, source: Path | bytes, encoded: EncodedImage, folder: Path | None, max_side: int | None = None
    ) -> None:
        grey = encoded.grey
        metadata = encoded.metadata(grey)
        self.turn = metadata.orientation
        large = encoded.upright_size(self.turn)
        height, width = limited_shape(large[1], large[0], max_side)
        self._reduced = (width, height) != large
        self.spooled = self.turn != 1 or encoded.progressive or self._reduced
        if self._reduced:
            metadata = rescaled_metadata(metadata, Fraction(max(width, height), max(large)))
        single = np.zeros((1, 1, 3), np.uint16 if encoded.deep else np.uint8)
        about = (grey, encoded.format, metadata, encoded.coding, encoded.lossless, width, height)
        self.outline = Outline(single, None, *about, notes=encoded.notes())
        self.memory = _decoder_bytes(encoded)
        self._folder, self._checked = folder, False
        self._stored = encoded.size
        self._closed = encoded.completed if isinstance(encoded, EncodedJpeg) else None
        draft = encoded.draft(max_side)
        self._drawn = self._stored[0] // draft, self._stored[1] // draft
        if self._reduced:
            self.memory += _BAND * self._drawn[0] * 3 * _REDUCING
        self._ahead, self._behind = (
            _Decoder(self._closed or source, self._drawn, self.outline.pixels.dtype, draft) for _ in range(2)
        )
        self._upright: _Upright | None = None

    @property
    def height(self) -> int:
        return self.outline.height

    @property
    def width(self) -> int:
        return self.outline.width

    def rows(self, top: int, bottom: int) -> Pixels:
        """Rows top..bottom, (h, W, 3) RGB, uint8 or uint16 as in `outline`.

        InputError for a damaged file, OutputError if the disk has no space for spooling.
        """
        return self._rows(self._ahead, top, bottom)

    def rows_behind(self, top: int, bottom: int) -> Pixels:
        """Like `rows`, for a second reader further up the image: it has its own decoder."""
        return self._rows(self._behind, top, bottom)

    def begin(self) -> None:
        """Close the decoders; the next rows start new ones."""
        self._ahead.begin()
        self._behind.begin()

    def close(self) -> None:
        """Close and remove everything, the temporary file included."""
        self.begin()
        if self._upright is not None:
            self._upright.close()
            self._upright = None

    def _rows(self, decoder: _Decoder, top: int, bottom: int) -> Pixels:
        if self._closed is not None and not self._checked:
            jpeg.check_whole(self._closed, self._stored[0], self._bands)
            self._checked = True
        if not self.spooled:
            return decoder.rows(top, bottom)
        if self._upright is None:
            self._upright = self._decode_upright()
        return self._upright.rows(top, bottom)

    def _bands(self, data: bytes) -> Iterator[Pixels]:
        """Yield bands of all rows of another stream, as stored."""
        decoder, height = _Decoder(data, self._stored, self.outline.pixels.dtype), self._stored[1]
        for top in range(0, height, _BAND):
            yield decoder.rows(top, min(top + _BAND, height))

    def _decode_upright(self) -> _Upright:
        """Decode once and write the upright pixels to a temporary file."""
        upright = _Upright(self.height, self.width, self.outline.pixels.dtype, self._folder)
        try:
            height = self.height if self.turn < 5 else self.width
            top = 0
            for band in self._stored_bands():
                upright.put(_place(self.turn, top, len(band), height), self.turn, band)
                top += len(band)
        except BaseException:
            upright.close()
            raise
        self.begin()
        return upright

    def _stored_bands(self) -> Iterator[Pixels]:
        """Yield all rows as stored, downscaled if asked for."""
        width, height = self._drawn
        shape = (self.height, self.width) if self.turn < 5 else (self.width, self.height)
        smaller = Reduction(height, width, shape, self.outline.pixels.dtype) if self._reduced else None
        for top in range(0, height, _BAND):
            rows = self._ahead.rows(top, min(top + _BAND, height))
            rows = rows if smaller is None else smaller.add(rows)
            if len(rows):
                yield rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _Decoder:
    """Rows as stored, in order; earlier ones start another pass of libvips over the file."""

    def __init__(self, source: Path | bytes, size: tuple[int, int], dtype: np.dtype[Any], draft: int = 1) -> None:
        self._source, self._size, self._dtype = source, size, dtype
        self._asked = {} if draft == 1 else {"shrink": draft}
        self._region: Any = None
        self._next = 0

    def begin(self) -> None:
        self._region = None
        self._next = 0

    def rows(self, top: int, bottom: int) -> Pixels:
        pyvips = _vips()
        if top < self._next:
            self.begin()
        width = self._size[0]
        try:
            if self._region is None:
                self._region = pyvips.Region.new(self._opened(pyvips))
            data = self._region.fetch(0, top, width, bottom - top)
        except pyvips.Error as error:
            text = " ".join(str(error.detail or error.message).split())
            raise InputError(f"cannot be decoded: {text}") from error
        except OSError as error:  # it was there when its header was read
            raise InputError(error.strerror or str(error)) from error
        self._next = bottom
        rows = np.frombuffer(data, self._dtype).reshape(bottom - top, width, -1)
        return cast(Pixels, np.repeat(rows, 3, 2) if rows.shape[2] == 1 else rows)

    def _opened(self, pyvips: Any) -> Any:
        if isinstance(self._source, bytes):
            source = pyvips.Source.new_from_memory(self._source)
        else:
            # By descriptor: libvips would parse brackets in a file name as options.
            handle = os.open(self._source, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            try:
                source = pyvips.Source.new_from_descriptor(handle)
            finally:
                os.close(handle)
        image = pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error", **self._asked)
        wanted = "ushort" if self._dtype == np.uint16 else "uchar"
        if (image.width, image.height) != self._size or image.format != wanted or image.bands not in (1, 3):
            raise InputError("its header does not agree with its pixels")
        return image


class _Upright:
    """A temporary file of the upright pixels."""

    def __init__(self, height: int, width: int, dtype: np.dtype[Any], folder: Path | None) -> None:
        self._width, self._dtype = width, dtype
        needed = height * width * 3 * dtype.itemsize
        self._file = SpillFile(folder, needed, "a picture's rows", "free some room, or set TMPDIR to another disk")

    def rows(self, top: int, bottom: int) -> Pixels:
        out = np.empty((bottom - top, self._width, 3), self._dtype)
        self._file.read_into(top * self._width * 3 * self._dtype.itemsize, _bytes_of(out))
        return out

    def put(self, at: int, turn: int, band: Pixels) -> None:
        """Write a band of stored rows, rotated: at row `at`, or at column `at` where `turn` swaps rows and columns."""
        turned = np.ascontiguousarray(oriented(Still(band), turn).pixels)
        pixel = 3 * self._dtype.itemsize
        line = self._width * pixel
        if turn < 5:
            self._file.write(at * line, _bytes_of(turned))
            return
        for row, piece in enumerate(turned):
            self._file.write(row * line + at * pixel, _bytes_of(piece))

    def close(self) -> None:
        self._file.close()


def _bytes_of(values: npt.NDArray[Any]) -> memoryview:
    """Memory view of the bytes of a contiguous array."""
    return memoryview(cast(Any, values)).cast("B") if values.size else memoryview(b"")


def _place(turn: int, top: int, rows: int, height: int) -> int:
    """First upright row (or column, from orientation 5 on) of a band of stored rows."""
    # 3 and 4 turn the image upside down; 6 and 7 put its first row at the right.
    return height - top - rows if turn in (3, 4, 6, 7) else top


def _is_taken(encoded: EncodedImage, file: IO[bytes]) -> bool:
    """True if the rows read here are the same as those of `read_still`."""
    image = encoded.image
    if "transparency" in image.info or min(image.size) < 1:
        return False
    if isinstance(encoded, EncodedJpeg):
        return image.mode in ("RGB", "L")
    if isinstance(encoded, EncodedPng):
        return not getattr(image, "is_animated", False) and _is_plain_png(file)
    return isinstance(encoded, EncodedTiff) and _is_plain_tiff(encoded, file.seek(0, 2))


def _is_plain_png(file: IO[bytes]) -> bool:
    """True for grey or RGB PNGs of 8 or 16 bits, not interlaced, without relevant metadata after the pixels."""
    file.seek(24)
    bits, kind, *_, interlaced = file.read(5)
    if bits not in (8, 16) or kind not in (0, 2) or interlaced:
        return False
    at, seen = len(SIGNATURE), False
    while True:
        file.seek(at)
        head = file.read(48)
        length, name = struct.unpack_from(">I4s", head)
        if name == b"IEND":
            return seen
        seen = seen or name == b"IDAT"
        # Pillow, too, sees these only after decoding everything.
        if seen and (name == b"eXIf" or (name in (b"iTXt", b"tEXt", b"zTXt") and head[8:].startswith(_LATE))):
            return False
        at += 12 + length


def _is_plain_tiff(encoded: EncodedTiff, size: int) -> bool:
    image, layout = encoded.image, encoded.layout
    return (
        image.tell() == 0
        and layout.photometric in (1, 2)
        and layout.channels == layout.colours
        and layout.bits in (8, 16)
        and not (layout.signed or layout.planar)
        and layout.compression in _PLAIN_CODINGS
        # libvips refuses tiles that are far larger than the picture.
        and first(image, 322) <= 2 * first(image, 256)
        and first(image, 323) <= 2 * first(image, 257)
        and missing_share(image, size) == 0
    )


def _decoder_bytes(encoded: EncodedImage) -> int:
    """Bytes that one decoder keeps, as measured: passed rows, and for JPEG the file and the coefficients."""
    width, height = encoded.size
    line = width * 3 * (2 if encoded.deep else 1)
    if isinstance(encoded, EncodedTiff):
        tags: Any = encoded.image.tag_v2  # type: ignore[attr-defined]
        return line * min(height, _PASSED_TIFF + 4 * int(tags.get(323, 0)))
    passed = line * min(_LOOSE * height, _PASSED)
    if isinstance(encoded, EncodedPng):
        return passed
    return passed + len(encoded.data) + (6 * width * height if encoded.progressive else 0)


@contextlib.contextmanager
def _data_of(source: Path | bytes) -> Iterator[Data]:
    if isinstance(source, bytes):
        yield source
        return
    with opened(source) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


@contextlib.contextmanager
def _file_of(source: Path | bytes) -> Iterator[IO[bytes]]:
    # Not through the memory map: walking over all chunks would load the pages of the whole file.
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    with opened(source) as file:
        yield cast(IO[bytes], file.raw)


def _vips() -> Any:
    # Rows are decoded in sequence anyway; with more threads libvips keeps far more of them.
    os.environ.setdefault("VIPS_CONCURRENCY", "1")
    try:
        import pyvips
    except (ImportError, OSError) as error:
        raise MissingExtra("huge", "reading a picture row by row") from error
    if not logging.getLogger("pyvips").handlers:  # what it logs of damage is reported in one line here
        logging.getLogger("pyvips").addHandler(logging.NullHandler())
    # Nothing is asked for twice, so the cache would only take memory.
    pyvips.cache_set_max(0)
    return pyvips
