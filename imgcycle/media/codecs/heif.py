"""HEIC and AVIF. A HEIC is checked before it reaches the decoder, which ends the whole process on some damaged ones."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

from PIL import Image

from imgcycle.errors import InputError
from imgcycle.media.codecs.encoded import Chunks, EncodedImage
from imgcycle.media.files import Data
from imgcycle.media.image import icc_profiles
from imgcycle.media.metadata.survey import Survey

_HEAD = 2**16
"""Bytes at the start of a file in which the boxes with the picture's properties are, those on colour among them."""


class EncodedAvif(EncodedImage):
    """An AVIF, whose boxes tell what Pillow does not."""

    def colour(self, icc: bytes, grey: bool) -> tuple[bytes, Chunks]:
        """The profile of its code points where none is embedded."""
        return icc or icc_profiles.profile_of_box(bytes(self.data[:_HEAD]), grey) or b"", ()

    def notes(self) -> tuple[str, ...]:
        """Bits above 8, which are lost."""
        bits = bits_of(self.data)
        return (f"{bits} bits a channel became 8",) if bits > 8 else ()


class EncodedHeif(EncodedAvif):
    """A HEIC; its reader rotates the image itself, by the container's own property."""

    @staticmethod
    def open_stream(data: Data, stream: IO[bytes]) -> Image.Image:
        """Open it once its list of items was found valid; pi_heif is imported when the first such file comes."""
        check_heif(data)
        _open_plugin()
        return Image.open(stream, formats=("HEIF", "AVIF"))

    def orientation(self, found: Survey) -> int:  # noqa: ARG002 - whatever it says was done
        return 1

    def notes(self) -> tuple[str, ...]:
        """As for AVIF, and further pictures."""
        count = int(getattr(self.image, "n_frames", 1))
        more = (f"{count} pictures, of which one was taken",) if count > 1 else ()
        return super().notes() + more


def _open_plugin() -> None:
    import pi_heif

    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def is_heif(data: Data) -> bool:
    """True for HEIF files other than AVIF, which Pillow reads itself."""
    return data[4:8] == b"ftyp" and data[8:12] not in (b"avif", b"avis")


def check_heif(data: Data) -> None:
    """Raise InputError for a file whose item list is not valid.

    pi_heif turns item types and content types into strings without validation (ISO/IEC 14496-12, section 8.11.6), and
    crashes on those that are not UTF-8.
    """
    for kind, meta in boxes(data, 0, len(data)):
        if kind != b"meta":
            continue
        for inner, items in boxes(data, meta.start + 4, meta.stop):
            if inner != b"iinf":
                continue
            skip = 6 if data[items.start] == 0 else 8
            for _, entry in boxes(data, items.start + skip, items.stop):
                body = data[entry.start + 8 : entry.stop]
                if not body.isascii():
                    raise InputError("cannot be decoded: its list of items is damaged")


def bits_of(data: Data) -> int:
    """Bits a channel of a HEIC or AVIF, from its pixel information (ISO/IEC 23008-12, section 6.5.6); 0 if unknown."""
    head = data[:_HEAD]
    at = head.find(b"pixi")
    if at < 0 or at + 10 > len(head):
        return 0
    return max(head[at + 9 : at + 9 + head[at + 8]], default=0)


def boxes(data: Data, start: int, stop: int) -> Iterator[tuple[bytes, range]]:
    """Yield the type and the content range of each box between two offsets, up to the first invalid one."""
    while start + 8 <= stop:
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1 and start + 16 <= stop:
            size, head = struct.unpack_from(">Q", data, start + 8)[0], 16
        end = stop if size == 0 else start + size
        if end > stop or end < start + head:
            return
        yield kind, range(start + head, end)
        start = end
