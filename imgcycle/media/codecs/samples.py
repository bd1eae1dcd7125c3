"""Samples of TIFF pages that Pillow has no mode for: any bit depth and number of channels.

libtiff, through Pillow, decompresses; strips and tiles, planes, byte order and predictor are handled here.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

from imgcycle.errors import InputError
from imgcycle.media.codecs.tiff_reader import SampleLayout, first, layout_of, numbers, read_by_samples
from imgcycle.media.image import colour_management
from imgcycle.media.image.pixels import Pixels

_DEFLATED = (8, 32946)
_BAND = 256
_TILE = 2**24
"""Most pixels of a tile in a smaller picture; a far larger tile would only fill memory."""
_USUAL = 6
"""Bytes of three samples of 16 bits."""


def read_samples(image: Image.Image, data: bytes) -> tuple[Pixels, Pixels | None, bool]:
    """Pixels (H, W, 3), straight alpha (H, W) or None, and whether it is grey; uint8, or uint16 above 8 bits.

    InputError, in one line, for a damaged page.
    """
    layout = layout_of(image)
    planes: Any = _scaled(_assembled(_Segments.of(image, layout), layout, data), layout)
    if layout.photometric == 0:
        # White is zero for the colours; transparency is not inverted.
        planes[..., 0] = np.iinfo(planes.dtype).max - planes[..., 0]
    alpha = None if layout.alpha is None else np.ascontiguousarray(planes[..., layout.alpha])
    if layout.colours == 4:
        inks = Image.fromarray(np.ascontiguousarray(planes[..., :4]), mode="CMYK")
        inks.info = image.info
        return cast(Pixels, np.asarray(colour_management.cmyk_to_srgb(inks))), alpha, False
    if layout.photometric == 3:
        pixels = _looked_up(image, layout, planes[..., 0])
    else:
        pixels = np.repeat(planes[..., :1], 3, 2) if layout.colours == 1 else np.ascontiguousarray(planes[..., :3])
    if alpha is not None and layout.associated:
        pixels = straight(pixels, alpha)
    return pixels, alpha, layout.grey


def stored_bytes(image: Image.Image) -> int:
    """Bytes a pixel while samples are unpacked, where this is more than three samples of 16 bits; else 0."""
    if not read_by_samples(image):
        return 0
    layout = layout_of(image)
    taken = layout.channels * _sample_bytes(layout.bits)
    return taken if taken > _USUAL else 0


def _sample_bytes(bits: int) -> int:
    """Bytes of the smallest integer type for so many bits."""
    return max(1, 1 << max(0, (bits - 1).bit_length() - 3))


def missing_share(image: Image.Image, size: int) -> float:
    """Share of a page's coded data, 0 to 1, beyond the end of a file of `size` bytes.

    InputError for strips or tiles of no rows or columns, or with implausible sizes.
    """
    offsets, counts = _places(image)
    if first(image, 322, 1) * first(image, 323, 1) > max(_TILE, 2 * first(image, 256) * first(image, 257)):
        raise InputError("damaged: its tiles are far larger than the picture")
    if not counts:
        return 0.0
    if 0 in counts:
        raise InputError(f"damaged: {counts.count(0)} of its {len(counts)} strips or tiles hold no bytes")
    lost = sum(min(count, max(0, at + count - size)) for at, count in zip(offsets, counts, strict=False))
    return lost / sum(counts)


def _places(image: Image.Image) -> tuple[tuple[int, ...], tuple[int, ...]]:
    tiled = 324 in getattr(image, "tag_v2", {})
    return numbers(image, 324 if tiled else 273), numbers(image, 325 if tiled else 279)


@dataclass(frozen=True)
class _Segments:
    """Strips or tiles: offsets and sizes in the file, their height and width, and those of the page."""

    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    height: int
    width: int
    rows: int
    columns: int
    tiled: bool
    order: Literal["<", ">"]
    predictor: int
    fill: int

    @classmethod
    def of(cls, image: Image.Image, layout: SampleLayout) -> _Segments:
        columns, rows = first(image, 256), first(image, 257)
        tiled = 324 in getattr(image, "tag_v2", {})
        offsets, counts = _places(image)
        height = first(image, 323) if tiled else min(rows, first(image, 278, rows) or rows)
        width = first(image, 322) if tiled else columns
        prefix = getattr(image, "tag_v2").prefix  # noqa: B009 - Image has no such attribute for mypy
        order: Literal["<", ">"] = ">" if prefix == b"MM" else "<"
        if height < 1 or width < 1 or height > 2**20 or width > 2**20:
            raise InputError("damaged: its strips or tiles have an impossible size")
        if not counts and len(offsets) == 1 and layout.compression == 1:
            counts = (2**62,)  # to the end of the file
        # As libtiff: only some compressions have a predictor, whatever the tag says.
        predictor = first(image, 317, 1) if layout.compression not in (1, 32773) else 1
        fill = first(image, 266, 1)
        found = cls(offsets, counts, height, width, rows, columns, tiled, order, predictor, fill)
        planes = layout.channels if layout.planar else 1
        if min(len(offsets), len(counts)) < planes * -(-rows // height) * -(-columns // width):
            raise InputError("damaged: it has too few strips or tiles for its size")
        return found

    def places(self, layout: SampleLayout) -> Iterator[tuple[int, int, int]]:
        """Yield plane, first row and first column of each, in order."""
        for plane in range(layout.channels if layout.planar else 1):
            for top in range(0, self.rows, self.height):
                for left in range(0, self.columns, self.width):
                    yield plane, top, left


def _assembled(segments: _Segments, layout: SampleLayout, data: bytes) -> npt.NDArray[Any]:
    """Samples (H, W, channels) as stored, unsigned, in the smallest type that holds them."""
    each = 1 if layout.planar else layout.channels
    kind = np.dtype(f"u{_sample_bytes(layout.bits)}")
    out = np.zeros((segments.rows, segments.columns, layout.channels), kind)
    line = -(-segments.width * each * layout.bits // 8)
    if segments.predictor not in (1, 2):
        raise InputError("compressed in a way that imgcycle does not know (a predictor for fractions)")
    for number, (plane, top, left) in enumerate(segments.places(layout)):
        at, count = segments.offsets[number], segments.counts[number]
        rows = min(segments.height, segments.rows - top)
        coded = memoryview(data)[at : at + count]
        if segments.fill == 2:  # the first pixel in the lowest bit
            coded = memoryview(np.packbits(np.unpackbits(np.frombuffer(coded, np.uint8), bitorder="little")).tobytes())
        held = segments.height if segments.tiled else rows
        raw = _uncompressed(coded, layout.compression, line, held)
        if len(raw) < line * rows:
            raise InputError("damaged: a strip or tile holds less than its rows")
        wide = min(segments.width, segments.columns - left)
        channels = slice(plane, plane + 1) if layout.planar else slice(None)
        for row in range(0, rows, _BAND):
            few = min(_BAND, rows - row)
            part = raw[row * line : (row + few) * line]
            values = _unpacked(part, layout.bits, segments.order, few, segments.width, each, kind)
            if segments.predictor == 2:
                np.cumsum(values, axis=1, dtype=kind, out=values)
            out[top + row : top + row + few, left : left + wide, channels] = values[:, :wide]
    return out


def _unpacked(
    raw: bytes | memoryview, bits: int, order: Literal["<", ">"], rows: int, width: int, each: int, kind: np.dtype[Any]
) -> npt.NDArray[Any]:
    """Samples (rows, width, each); every row begins at a whole byte."""
    if bits in (8, 16, 32, 64):
        stored = np.frombuffer(raw, kind.newbyteorder(order) if bits > 8 else kind)
        return stored.reshape(rows, width, each).astype(kind)
    lines = np.unpackbits(np.frombuffer(raw, np.uint8).reshape(rows, -1), axis=1)[:, : width * each * bits]
    places = lines.reshape(rows, width, each, bits)
    out = np.zeros((rows, width, each), kind)
    for n in range(bits):
        out = (out << kind.type(1)) | places[..., n]
    return out


def _uncompressed(coded: memoryview, compression: int, line: int, rows: int) -> bytes | memoryview:
    if compression == 1:
        return coded
    if compression in _DEFLATED:
        try:
            return zlib.decompressobj().decompress(coded, line * rows)
        except zlib.error as error:
            raise InputError("cannot be decoded: its compressed data are damaged") from error
    return _by_libtiff(bytes(coded), compression, line, rows)


def _by_libtiff(coded: bytes, compression: int, line: int, rows: int) -> bytes:
    """Decompress a segment, as a TIFF of its own with 8-bit grey samples."""
    start = 8 + 2 + 12 * 9 + 4
    entries = [(256, line), (257, rows), (258, 8), (259, compression), (262, 1)]
    entries += [(273, start), (277, 1), (278, rows), (279, len(coded))]
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    whole = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + directory + bytes(4) + coded
    return TiffImagePlugin.TiffImageFile(io.BytesIO(whole)).tobytes()


def _scaled(samples: npt.NDArray[Any], layout: SampleLayout) -> Pixels:
    """Samples scaled from [0, largest value] to 8 or 16 bits; negative ones become 0 (TIFF 6.0, section 8)."""
    if layout.photometric == 3:
        return cast(Pixels, samples)
    bits = layout.bits
    wanted = np.dtype(np.uint16 if layout.deep else np.uint8)
    white = 65535 if layout.deep else 255
    if not layout.signed and samples.dtype == wanted and bits == 8 * wanted.itemsize:
        return cast(Pixels, samples)
    most = float(2 ** (bits - layout.signed) - 1)
    out = np.empty(samples.shape, wanted)
    for top in range(0, len(samples), _BAND):
        band = samples[top : top + _BAND]
        if layout.signed:
            # The sign is in the first of `bits`, not in the first bit of the wider type.
            shift = 8 * samples.dtype.itemsize - bits
            signed = np.dtype(f"i{samples.dtype.itemsize}")
            band = np.maximum((band << samples.dtype.type(shift)).view(signed) >> signed.type(shift), 0)
        values = band.astype(np.float64) * (white / most)
        out[top : top + _BAND] = np.rint(np.clip(values, 0, white))
    return cast(Pixels, out)


def _looked_up(image: Image.Image, layout: SampleLayout, indices: npt.NDArray[Any]) -> Pixels:
    """Colours of palette indices; 8 bits where the palette's 16 bits hold no more."""
    table = np.array(numbers(image, 320), np.uint16)
    if len(table) != 3 << layout.bits:
        raise InputError("damaged: its palette has a wrong length")
    colours = table.reshape(3, -1).T
    if not layout.deep:
        colours = (colours >> 8).astype(np.uint8)
    return cast(Pixels, np.ascontiguousarray(colours[indices]))


def straight(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Pixels divided by the alpha they were premultiplied with."""
    most = np.iinfo(pixels.dtype).max
    out = np.empty_like(pixels)
    for top in range(0, len(pixels), _BAND):
        share = np.maximum(alpha[top : top + _BAND], 1).astype(np.float32)[..., None] / most
        out[top : top + _BAND] = np.clip(np.rint(pixels[top : top + _BAND] / share), 0, most)
    return out
