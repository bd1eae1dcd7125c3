"""A file split into pixel data and metadata, for every format whose structure is parsed.

Decoders get the pixel data alone (`pixels_of`), so that metadata can never decide whether an image opens. Metadata are
read here, each kind by itself, so that damage to one kind costs only that kind.
"""

from __future__ import annotations

import io
import mmap
import zlib
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import IO, Any, TypeVar, cast

from imgcycle.media.files import Data

MOST = 1 << 24
"""Most bytes of one kind of metadata, and of all texts together: far more than cameras and editors write."""
MOST_PARTS = 1000
"""Most texts, or comments, of one image."""
_MOST_INFLATED = 1 << 26
_STEP = 1 << 16
Found = TypeVar("Found", bound="Survey | None")
Piece = bytes | range
"""Bytes, or a byte range of the file."""


@dataclass
class Survey:
    """Result of parsing a file's structure: the pieces a decoder needs, and the metadata as found.

    `exif` from its TIFF header on, `xmp` and `icc` complete, `iptc` as datasets, `texts` and `colour` as PNG chunks
    (type, payload), `comments` of JPEG and GIF. `orientation` is the format's own field, not EXIF's. `notes` has one
    line for each part that could not be read.
    """

    pieces: list[Piece] = field(default_factory=list)
    exif: bytes = b""
    xmp: bytes = b""
    icc: bytes = b""
    iptc: bytes = b""
    texts: list[tuple[bytes, bytes]] = field(default_factory=list)
    colour: list[tuple[bytes, bytes]] = field(default_factory=list)
    comments: list[bytes] = field(default_factory=list)
    orientation: int | None = None
    notes: list[str] = field(default_factory=list)
    _inflated: int = 0
    _texts_size: int = 0

    def keep(self, start: int, stop: int) -> None:
        """Add a byte range that the decoder needs."""
        last = self.pieces[-1] if self.pieces else None
        if isinstance(last, range) and last.stop == start:
            self.pieces[-1] = range(last.start, stop)
        elif stop > start:
            self.pieces.append(range(start, stop))

    def say(self, note: str) -> None:
        """Add a note, once."""
        if note not in self.notes:
            self.notes.append(note)

    def add_comment(self, comment: bytes) -> None:
        """Add a comment, within the limits."""
        if self._fits(self.comments, len(comment)):
            self.comments.append(comment)

    def add_text(self, kind: bytes, payload: bytes) -> None:
        """Add a text chunk, within the limits."""
        if self._fits(self.texts, len(payload)):
            self.texts.append((kind, payload))

    def _fits(self, among: list[Any], size: int) -> bool:
        if len(among) >= MOST_PARTS or self._texts_size + size > MOST:
            self.say("more texts than a picture has were left out")
            return False
        self._texts_size += size
        return True

    def inflated(self, data: bytes) -> bytes | None:
        """Inflate zlib data; None if they are damaged, or exceed the limit on one kind or on all texts together."""
        stream, found, size = zlib.decompressobj(), [], 0
        try:
            while not stream.eof:
                piece = stream.decompress(data, _STEP)
                data = stream.unconsumed_tail
                size += len(piece)
                self._inflated += len(piece)
                if size > MOST or self._inflated > _MOST_INFLATED or not (piece or data):
                    return None
                found.append(piece)
        except zlib.error:
            return None
        return b"".join(found)


def parsed(survey: Callable[[Data], Found], data: Data) -> Found | Survey:
    """What `survey` finds in a file; if it cannot parse it, a survey that leaves all of it to the decoder."""
    try:
        return survey(data)
    except Exception:  # whatever is wrong with metadata never costs an image
        whole = Survey([range(len(data))])
        whole.say("metadata that cannot be read were left out")
        return whole


def pixels_of(data: Data, survey: Survey) -> IO[bytes]:
    """Seekable stream of the pieces that a decoder gets; seeking beyond the end is allowed."""
    if isinstance(data, bytes) and survey.pieces == [range(len(data))]:
        return io.BytesIO(data)
    return stream_of(data, survey.pieces)


def stream_of(data: Data, pieces: list[Piece]) -> IO[bytes]:
    """Pieces of a file as one seekable stream; seeking beyond the end is allowed."""
    return cast(IO[bytes], io.BufferedReader(_Pieces(data, pieces), 1 << 16))


class _Pieces(io.RawIOBase):
    """Raw stream over pieces of a file, none of which is copied before it is read."""

    def __init__(self, data: Data, pieces: list[Piece]) -> None:
        self._data, self._pieces = data, pieces
        self._starts = [0, *accumulate(len(piece) for piece in pieces)]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        if base + offset < 0:
            raise OSError("before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._starts[-1]:
            return 0
        view = memoryview(buffer).cast("B")
        number = bisect_right(self._starts, self._at) - 1
        piece, into = self._pieces[number], self._at - self._starts[number]
        count = min(len(view), len(piece) - into)
        if isinstance(piece, range):
            view[:count] = self._data[piece.start + into : piece.start + into + count]
        else:
            view[:count] = piece[into : into + count]
        self._at += count
        return count


def spare_memory(data: Data) -> None:
    """Release the resident pages of a mapped file, which count as the process's memory."""
    if isinstance(data, mmap.mmap) and hasattr(data, "madvise"):
        data.madvise(mmap.MADV_DONTNEED)
