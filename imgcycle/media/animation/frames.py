"""Animated GIF, WebP, PNG and AVIF: frames decoded one after another, each with its delay.

What reads a format's frames is imported when a file holds some: most pictures are stills.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from imgcycle.errors import InputError
from imgcycle.media import formats
from imgcycle.media.animation.timing import shown_time
from imgcycle.media.codecs.registry import without_metadata
from imgcycle.media.formats import Format
from imgcycle.media.image.pixels import Pixels
from imgcycle.media.image.read import MAX_PIXELS, in_one_line, open_image, read_still
from imgcycle.media.image.reduction import limited_shape, reduced_planes
from imgcycle.media.image.still import Still, oriented

Composed = Iterator[tuple[Pixels, Pixels | None]]


@dataclass(frozen=True, eq=False)
class Animation:
    """An animated image, whose frames are decoded when they are asked for.

    `size` is width and height, upright; `delays` are in seconds as the file states them; `plays` is the number of
    plays, 0 for ever. `alpha` is True if a frame may have transparent pixels, `deep` if pixels are uint16. `like` is a
    still of one pixel with all properties that the frames share. `cover` is the default image of an APNG where it is
    not one of the frames. `max_side` downscales larger frames.
    """

    size: tuple[int, int]
    delays: tuple[Fraction, ...]
    plays: int
    alpha: bool
    deep: bool
    like: Still
    compose: Callable[[], Composed]
    cover: Still | None = None
    turn: int = 1
    max_side: int | None = None

    @property
    def format(self) -> Format:
        """Format of the file."""
        return self.like.format

    @cached_property
    def starts(self) -> tuple[Fraction, ...]:
        """Time (seconds) at which viewers show each frame, and the end of the last one."""
        at, found = Fraction(0), [Fraction(0)]
        for delay in self.delays:
            at += shown_time(delay)
            found.append(at)
        return tuple(found)

    def span(self, start: Fraction | None, end: Fraction | None) -> range:
        """Numbers of the frames that begin between two times (seconds), as viewers show them."""
        found = [
            n for n, at in enumerate(self.starts[:-1]) if (start is None or at >= start) and (end is None or at < end)
        ]
        return range(found[0], found[-1] + 1) if found else range(0)

    def frames(self) -> Iterator[Still]:
        """Yield each frame composed in full, upright; InputError names the frame that cannot be decoded."""
        composed, count = self.compose(), len(self.delays)
        for number in range(1, count + 1):
            try:
                with in_one_line(b"frame"):
                    pixels, alpha = next(composed)
            except InputError as error:
                raise error.at(f"frame {number} of {count}") from error
            upright = oriented(replace(self.like, pixels=pixels, alpha=alpha), self.turn)
            shape = limited_shape(upright.pixels.shape[0], upright.pixels.shape[1], self.max_side)
            pixels, alpha = reduced_planes(upright.pixels, upright.alpha, shape)
            yield replace(upright, pixels=pixels, alpha=alpha)


def read_picture(data: bytes, max_pixels: int = MAX_PIXELS, max_side: int | None = None) -> Still | Animation:
    """Read a still, or an animation if the file holds one (files of several pictures, such as MPO, count as stills).

    `max_pixels` bounds each frame, and larger ones are downscaled to `max_side`. InputError as for `read_still`, and
    for an animation that is truncated.
    """
    first = read_still(data, max_pixels, max_side)
    with in_one_line(data):
        moving = _READERS.get(first.format)
        found = moving(data, first, max_pixels) if moving else None
        return first if found is None else replace(found, max_side=max_side)


def _gif(data: bytes, first: Still, max_pixels: int) -> Animation | None:
    from imgcycle.media.animation.gif import compose_gif, may_be_clear, parse_gif

    gif = parse_gif(data)
    count, size = len(gif.frames), open_image(data, max_pixels).size
    if gif.cut:
        raise InputError(f"the file ends in the middle of frame {count + 1}")
    if count < 2:
        return None
    return Animation(
        first.size,
        gif.delays,
        gif.plays,
        may_be_clear(gif, *size),
        False,
        _like(first),
        lambda: compose_gif(gif, *size, max_pixels),
    )


def _apng(data: bytes, first: Still, max_pixels: int) -> Animation | None:
    if b"acTL" not in data:
        return None

    from imgcycle.media.animation.apng import compose_apng, parse_apng

    found = parse_apng(without_metadata(data))
    if found is None or (found.promised < 2 and not found.cover):
        return None
    if len(found.frames) < found.promised:
        raise InputError(f"the file ends after {len(found.frames)} of {found.promised} frames")
    size = open_image(data, max_pixels).size
    return Animation(
        first.size,
        tuple(frame.delay for frame in found.frames),
        found.plays,
        found.may_be_clear,
        found.deep,
        _like(first),
        lambda: compose_apng(found, *size),
        first if found.cover else None,
        first.metadata.orientation,
    )


def _webp(data: bytes, first: Still, max_pixels: int) -> Animation | None:
    encoded = open_image(data, max_pixels)
    count = encoded.frames
    if count < 2:
        return None

    from imgcycle.media.animation.webp import compose_webp, webp_delays

    delays = webp_delays(without_metadata(data))
    if len(delays) != count:
        raise InputError("cannot be decoded: its frames are damaged")
    return Animation(
        first.size,
        delays,
        int(encoded.image.info.get("loop", 0)),
        encoded.alpha,
        False,
        _like(first),
        lambda: compose_webp(open_image(data, max_pixels).image, count),
        None,
        first.metadata.orientation,
    )


def _avif(data: bytes, first: Still, max_pixels: int) -> Animation | None:
    encoded = open_image(data, max_pixels)
    count = encoded.frames

    from imgcycle.media.animation.avif import compose_avif, parse_avif

    found = parse_avif(data)
    if count < 2 or found is None:
        return None
    if len(found.delays) != count:
        raise InputError("cannot be decoded: its frames are damaged")
    return Animation(
        first.size,
        found.delays,
        found.plays,
        encoded.alpha,
        False,
        _like(first),
        lambda: compose_avif(open_image(data, max_pixels).image, count),
        None,
        first.metadata.orientation,
    )


def _like(first: Still) -> Still:
    pixels = first.pixels[:1, :1].copy()
    return replace(first, pixels=pixels, alpha=None, grey=False)


_READERS = {formats.GIF: _gif, formats.PNG: _apng, formats.WEBP: _webp, formats.AVIF: _avif}
