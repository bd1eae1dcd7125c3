"""Write an image as its rows come, with only a few of them in memory: JPEG, PNG and TIFF.

The files equal those of `encode_still` in quality, subsampling, colour profile and metadata, and a JPEG decodes to
exactly the same pixels: blocks are coded independently, so strips of whole blocks can be coded apart and joined by
restart markers (ITU T.81, section F.1.1.5.2). Optimised Huffman tables, and a single channel for results that turn out
grey, would need the whole image and are left out.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self, cast

import cv2
import numpy as np
import numpy.typing as npt

from imgcycle.errors import ImgcycleError, OutputError, from_system
from imgcycle.media import containers, formats
from imgcycle.media.codecs.tiff_writer import TiffRows
from imgcycle.media.files import atomic_write
from imgcycle.media.formats import Format
from imgcycle.media.headers import Metadata
from imgcycle.media.image import colour_management
from imgcycle.media.image.pixels import Pixels, eight_bit
from imgcycle.media.image.still import Still
from imgcycle.media.image.write import check_size, coding_of, result_metadata, written_in_srgb
from imgcycle.media.metadata.png import SIGNATURE

ROWS = 64
"""Rows coded at a time: a multiple of blocks of any subsampling, and short enough for a restart interval of JPEG's
widest image.
"""
WRITABLE = (formats.JPEG, formats.PNG, formats.TIFF)
_CACHED = 8
"""Rows predicted at a time, so that they stay in the processor's cache."""
_PNG_MOST = 2**31 - 1
"""Limit of the format; libpng's own lower one does not apply here."""


@dataclass(frozen=True, eq=False)
class Outline(Still):
    """A still without its pixels: `pixels` is a single one of the right dtype.

    `width` and `height` are the upright image's.
    """

    width: int = 1
    height: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height


class ScanlineWriter:
    """Writes rows in order, uint8 or uint16 (h, W, 3) RGB; `finish` makes the file `path` appear.

    `still` (an `Outline` will do) gives size, dtype and metadata, `times` are those of `atomic_write`, the other
    arguments those of `encode_still`. A context manager: leaving it before `finish` leaves no file. OutputError if the
    disk is full or the format cannot hold the image; ValueError for rows out of order. Alpha is not supported.
    """

    def __init__(
        self,
        path: Path,
        still: Still,
        target: Format,
        quality: int | None = None,
        recipe: dict[str, Any] | None = None,
        strip: str = "none",
        times: tuple[int, int] | None = None,
    ) -> None:
        if target not in WRITABLE or still.alpha is not None:
            raise ValueError(f"{target.name} is not written by rows")
        self.size = width, height = still.size
        self.path = path
        # Whether all rows are grey is not known yet: three channels, and no grey profile.
        metadata = result_metadata(_coloured(still), recipe, strip, target)
        self._leaving = metadata.icc if written_in_srgb(still, target, metadata.icc) else b""
        if self._leaving:
            metadata = replace(metadata, icc=b"")
        check_size(width, height, target, _PNG_MOST if target is formats.PNG else None)
        self._held = np.empty((min(ROWS, height), width, 3), still.pixels.dtype)
        self._next = self._held_rows = 0
        self._stack = ExitStack()
        try:
            self._file = self._stack.enter_context(atomic_write(path, times=times))
            if target is formats.JPEG:
                self._coder: _Coder = _JpegRows(self._file, still, metadata, quality)
            elif target is formats.PNG:
                self._coder = _PngRows(self._file, still, metadata)
            else:
                about = (metadata.exif, metadata.icc, metadata.xmp, metadata.dpi, metadata.iptc)
                self._coder = TiffRows(self._file, height, width, 3, still.pixels.dtype, ROWS, *about)
        except OSError as error:
            raise self._failed(error) from error
        except BaseException:
            self._discard()
            raise

    def write(self, top: int, rows: Pixels) -> None:
        """Append rows that begin at row `top`."""
        if top != self._next or rows.shape[1:] != self._held.shape[1:] or top + len(rows) > self.size[1]:
            raise ValueError(f"rows {top} to {top + len(rows)} of {self.size[1]} after {self._next} rows")
        self._next += len(rows)
        while len(rows):
            taken = rows[: len(self._held) - self._held_rows]
            self._held[self._held_rows : self._held_rows + len(taken)] = taken
            self._held_rows += len(taken)
            rows = rows[len(taken) :]
            if self._held_rows == len(self._held):
                self._code()

    def finish(self) -> None:
        """Make the file appear."""
        if self._next != self.size[1]:
            raise ValueError(f"{self._next} of {self.size[1]} rows were written")
        if self._held_rows:
            self._code()
        try:
            self._coder.finish()
            self._stack.close()
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Discard what is not finished, the temporary file included."""
        self._discard()

    def _code(self) -> None:
        rows, self._held_rows = self._held[: self._held_rows], 0
        try:
            self._coder.write(colour_management.in_srgb(cast(Pixels, rows), self._leaving))
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> ImgcycleError:
        self._discard()
        return from_system(OutputError, error, "cannot be written")

    def _discard(self) -> None:
        # Leaving with an error makes the temporary file vanish; after `finish` nothing is left to leave. A full disk
        # raises once more when buffered bytes are flushed on closing.
        with contextlib.suppress(OSError):
            self._stack.__exit__(_Discarded, _Discarded(), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._discard()


class _Discarded(Exception):
    """Raised and caught inside this module only."""


class _Coder(Protocol):
    def write(self, rows: Pixels) -> None: ...

    def finish(self) -> None: ...


class _JpegRows:
    """JPEG strips coded one by one, their scans joined by restart markers."""

    def __init__(self, file: IO[bytes], still: Still, metadata: Metadata, quality: int | None) -> None:
        self._file, self._metadata, self._size = file, metadata, still.size
        made = coding_of(still, quality)
        factor = getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{made.subsampling}")
        self._flags = [cv2.IMWRITE_JPEG_QUALITY, made.quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
        across, down = {"420": (16, 16), "422": (16, 8), "440": (8, 16), "411": (32, 8)}.get(made.subsampling, (8, 8))
        self._interval = -(-still.size[0] // across) * (ROWS // down)
        self._strips = 0

    def write(self, rows: Pixels) -> None:
        done, data = cv2.imencode(".jpg", cv2.cvtColor(eight_bit(rows), cv2.COLOR_RGB2BGR), self._flags)
        if not done:
            raise OutputError("OpenCV could not write this JPEG")
        head, scan = self._parted(data.tobytes())
        if self._strips:
            head = bytes([0xFF, 0xD0 + (self._strips - 1) % 8])
        self._file.write(head)
        self._file.write(scan)
        self._strips += 1

    def finish(self) -> None:
        self._file.write(b"\xff\xd9")

    def _parted(self, data: bytes) -> tuple[bytes, bytes]:
        """Header of a strip, adapted to the whole image, and its entropy-coded data."""
        at = 2
        head = bytearray(data)
        while data[at + 1] != 0xDA:
            if data[at + 1] == 0xC0:
                struct.pack_into(">H", head, at + 5, self._size[1])
            at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
        begins = at + 2 + int(struct.unpack_from(">H", data, at + 2)[0])
        restarts = struct.pack(">HHH", 0xFFDD, 4, self._interval)
        whole = bytes(head[:at]) + restarts + data[at:begins]
        return containers.jpeg_with(whole, self._metadata), data[begins:-2]


class _PngRows:
    """PNG rows with the Paeth filter, which suits most rows of a photograph, then run lengths only."""

    def __init__(self, file: IO[bytes], still: Still, metadata: Metadata) -> None:
        self._file = file
        bits = still.pixels.dtype.itemsize * 8
        header = containers.png_chunk(b"IHDR", struct.pack(">IIBBBBB", *still.size, bits, 2, 0, 0, 0))
        file.write(containers.png_with(SIGNATURE + header, metadata))
        self._deflate = zlib.compressobj(3, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
        self._pixel = 3 * still.pixels.dtype.itemsize
        self._above = np.zeros((1, (still.size[0] + 1) * self._pixel), np.uint8)

    def write(self, rows: Pixels) -> None:
        values = rows.astype(rows.dtype.newbyteorder(">")).view(np.uint8).reshape(len(rows), -1)
        # With the row above and a pixel at the left, zero outside the image.
        framed = np.vstack([self._above, np.pad(values, ((0, 0), (self._pixel, 0)))])
        self._above = framed[-1:].copy()
        lines = np.empty((len(rows), 1 + values.shape[1]), np.uint8)
        lines[:, 0] = 4
        np.subtract(values, _paeth(framed, self._pixel), out=lines[:, 1:])
        self._put(self._deflate.compress(lines.data))

    def finish(self) -> None:
        self._put(self._deflate.flush())
        self._file.write(containers.png_chunk(b"IEND", b""))

    def _put(self, data: bytes) -> None:
        if data:
            self._file.write(containers.png_chunk(b"IDAT", data))


def _paeth(framed: npt.NDArray[np.uint8], pixel: int) -> npt.NDArray[np.uint8]:
    """Paeth predictor: of the bytes at the left, above and upper left, the one nearest to left + above − upper left.

    PNG Specification, section 9.4; ties go to the first. Computed in bytes, a few rows at a time: twenty times as fast
    as the formula. Where left and above lie on one side of the upper left, the sum lies farther out, and the upper left
    is never the nearest; else its distance is the difference of the other two.
    """
    out = np.empty((len(framed) - 1, framed.shape[1] - pixel), np.uint8)
    for top in range(0, len(out), _CACHED):
        rows = framed[top : top + _CACHED + 1]
        left, above, between = rows[1:, :-pixel], rows[:-1, pixel:], rows[:-1, :-pixel]
        to_left, to_above = cv2.absdiff(above, between), cv2.absdiff(left, between)
        sides = cv2.compare(above, between, cv2.CMP_GE), cv2.compare(left, between, cv2.CMP_GE)
        never = cv2.bitwise_not(cv2.bitwise_xor(*sides))
        to_between = cv2.bitwise_or(cv2.absdiff(to_left, to_above), never)
        found = between.copy()
        cv2.copyTo(above, cv2.compare(to_above, to_between, cv2.CMP_LE), found)
        cv2.copyTo(left, cv2.compare(to_left, cv2.min(to_above, to_between), cv2.CMP_LE), found)
        out[top : top + _CACHED] = found
    return out


def _coloured(still: Still) -> Still:
    """Outline of a still that counts as coloured."""
    width, height = still.size
    single = cast(Pixels, np.zeros((1, 1, 3), still.pixels.dtype))
    return Outline(single, None, False, still.format, still.metadata, still.coding, still.lossless, width, height)
