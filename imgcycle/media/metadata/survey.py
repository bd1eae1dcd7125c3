"""A file parted into what its pixels need and what is said beside them, for every format that can be parted.

Decoders are given the first part alone (`pixels_of`), so that nothing said beside a picture can decide whether it
opens. The second is read here, each part by itself, and whatever is wrong with one costs that one.
"""

from __future__ import annotations

import io
import mmap
import zlib
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import IO, Any, cast

from imgcycle.media.files import Data

MOST = 1 << 24
"""Bytes of one part, and of all texts together, that are looked at: far more than cameras and editors write."""
MOST_PARTS = 1000
"""Texts, or comments, of one picture."""
_MOST_INFLATED = 1 << 26
_STEP = 1 << 16
Piece = bytes | range
"""Bytes, or where they stand in the file."""


@dataclass
class Survey:
    """What a file's own structure tells: the pieces a decoder needs, and what is said beside them, as found.

    `exif` from its TIFF header on, `xmp` and `icc` whole, `iptc` as datasets, `texts` and `colour` as PNG's chunks
    (kind, payload), `comments` of JPEG and GIF. `orientation` is what the format itself says, not EXIF. `notes` name
    what could not be read, in a line each.
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
        """Bytes of the file that a decoder needs."""
        last = self.pieces[-1] if self.pieces else None
        if isinstance(last, range) and last.stop == start:
            self.pieces[-1] = range(last.start, stop)
        elif stop > start:
            self.pieces.append(range(start, stop))

    def say(self, note: str) -> None:
        """Name what could not be read, once."""
        if note not in self.notes:
            self.notes.append(note)

    def add_comment(self, comment: bytes) -> None:
        """A comment, if there is room for it."""
        if self._fits(self.comments, len(comment)):
            self.comments.append(comment)

    def add_text(self, kind: bytes, payload: bytes) -> None:
        """A text chunk, if there is room for it."""
        if self._fits(self.texts, len(payload)):
            self.texts.append((kind, payload))

    def _fits(self, among: list[Any], size: int) -> bool:
        if len(among) >= MOST_PARTS or self._texts_size + size > MOST:
            self.say("more texts than a picture has were left out")
            return False
        self._texts_size += size
        return True

    def inflated(self, data: bytes, most: int = MOST) -> bytes | None:
        """zlib data inflated; None when they are damaged, or larger than `most`, or than what all together may be."""
        stream, found, size = zlib.decompressobj(), [], 0
        try:
            while not stream.eof:
                piece = stream.decompress(data, _STEP)
                data = stream.unconsumed_tail
                size += len(piece)
                self._inflated += len(piece)
                if size > most or self._inflated > _MOST_INFLATED or not (piece or data):
                    return None
                found.append(piece)
        except zlib.error:
            return None
        return b"".join(found)


def survey_metadata(data: Data, page: int = 0) -> Survey:
    """The survey of a file; where its structure cannot be read, a decoder is given all of it.

    Of a TIFF, what is said is said of the directory at the offset `page`, by default the first.
    """
    from imgcycle.media.metadata import gif, jpeg, png, tiff_tags, webp

    whole = Survey([range(len(data))])
    head = bytes(data[:12])
    try:
        if head.startswith(b"\xff\xd8\xff"):
            return jpeg.survey_jpeg(data)
        if head.startswith(png.SIGNATURE):
            return png.survey_png(data)
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return webp.survey_webp(data)
        if head.startswith((b"GIF87a", b"GIF89a")):
            return gif.survey_gif(data)
        if head.startswith((b"II", b"MM")):
            return tiff_tags.survey_tiff(data, page)
    except Exception:  # whatever is said beside the pixels, and however: it never costs a picture
        whole.say("metadata that cannot be read were left out")
    return whole


def pixels_of(data: Data, survey: Survey) -> IO[bytes]:
    """What a decoder is given of a file: a stream of the survey's pieces, which may be sought in beyond its end."""
    if isinstance(data, bytes) and survey.pieces == [range(len(data))]:
        return io.BytesIO(data)
    return stream_of(data, survey.pieces)


def stream_of(data: Data, pieces: list[Piece]) -> IO[bytes]:
    """Pieces of a file as one stream, which may be sought in beyond its end."""
    return cast(IO[bytes], io.BufferedReader(_Pieces(data, pieces), 1 << 16))


class _Pieces(io.RawIOBase):
    """Pieces of a file read as one; none of them is copied before it is asked for."""

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
    """Let the system take back the pages of a mapped file that were looked at; they count as the process's."""
    if isinstance(data, mmap.mmap) and hasattr(data, "madvise"):
        data.madvise(mmap.MADV_DONTNEED)
