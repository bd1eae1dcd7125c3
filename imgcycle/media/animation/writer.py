"""Writes the frames of an animation, one after another, to a file."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import IO, Any, Protocol

import cv2
import numpy as np

from imgcycle.errors import OutputError, from_system, reported
from imgcycle.media import formats
from imgcycle.media.animation.apng import ApngWriter
from imgcycle.media.animation.avif import AvifWriter
from imgcycle.media.animation.frames import Animation
from imgcycle.media.animation.gif import GifWriter
from imgcycle.media.animation.webp import WebpWriter
from imgcycle.media.formats import Format
from imgcycle.media.image import colour_management
from imgcycle.media.image.still import Still
from imgcycle.media.image.write import LEAST_QUALITY, avif_options, losses, result_metadata, written_in_srgb

_MOST_PLAYS = {formats.GIF: 2**16, formats.WEBP: 2**16 - 1, formats.PNG: 2**31 - 1, formats.AVIF: 2**31 - 1}
_GIF_MOST = 2**16 - 1


class _Coder(Protocol):
    def add(self, still: Still, delay: Fraction) -> None: ...

    def finish(self) -> None: ...

    @property
    def notes(self) -> tuple[str, ...]: ...


class AnimationWriter:
    """Writes frames of one size in order into the seekable `file`, with the number of plays of `source`.

    `target` is a format with animations; the other arguments are those of `encode_still`. OutputError where the format
    cannot hold the animation or the disk is full.
    """

    def __init__(
        self,
        file: IO[bytes],
        source: Animation,
        target: Format,
        quality: int | None = None,
        recipe: dict[str, Any] | None = None,
        strip: str = "none",
        cover: Still | None = None,
    ) -> None:
        self._file, self._source, self._target = file, source, target
        self._quality, self._recipe, self._strip = quality, recipe, strip
        self._cover = cover
        self._coder: _Coder | None = None
        self._lost: tuple[str, ...] = ()
        self._leaving = b""
        """ICC profile whose space the pixels are converted from, to sRGB; empty for none."""

    def add(self, still: Still, delay: Fraction) -> None:
        """Append a frame shown for `delay` seconds."""
        try:
            if self._coder is None:
                self._coder = self._opened(still)
            if self._leaving:
                still = still.with_pixels(colour_management.in_srgb(still.pixels, self._leaving))
            self._coder.add(still, delay)
        except (OSError, ValueError, cv2.error) as error:
            if isinstance(error, OSError) and error.strerror:
                raise from_system(OutputError, error, "cannot be written") from error
            said = " ".join(str(error).split())
            raise OutputError(f"cannot be written as {self._target.name}: {said}") from error

    def finish(self) -> None:
        """Write the end of the file; ValueError if there were no frames."""
        if self._coder is None:
            raise ValueError("an animation without frames")
        with reported(OutputError, "cannot be written"):
            self._coder.finish()

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each thing that the format could not store of the frames so far."""
        found = () if self._coder is None else (*self._source.like.notes, *self._lost, *self._coder.notes)
        most = _MOST_PLAYS[self._target]
        if self._source.plays > most:
            return (*found, f"it plays {most} times, not {self._source.plays}: {self._target.name} counts no further")
        return found

    def _opened(self, first: Still) -> _Coder:
        self._lost = losses(first, self._target, self._strip)
        metadata = result_metadata(first, self._recipe, self._strip, self._target)
        if written_in_srgb(first, self._target, metadata.icc):
            self._leaving, metadata = metadata.icc, replace(metadata, icc=b"")
        plays = self._source.plays
        if self._target is formats.GIF:
            if max(first.size) > _GIF_MOST:
                raise OutputError(f"{first.size[0]}×{first.size[1]} is more than GIF can hold")
            return GifWriter(self._file, *first.size, plays, metadata)
        if self._target is formats.WEBP:
            quality = self._quality or (None if first.lossless else LEAST_QUALITY)
            return WebpWriter(self._file, first.size, plays, metadata, quality)
        if self._target is formats.AVIF:
            options = avif_options(self._quality, self._source.alpha)
            return AvifWriter(self._file, first.size, plays, metadata, self._source.alpha, self._source.delays, options)
        deep = first.pixels.dtype == np.uint16
        return ApngWriter(self._file, first.size, plays, metadata, self._source.alpha, deep, self._cover)
