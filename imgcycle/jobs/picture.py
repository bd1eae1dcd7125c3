"""One picture on its way: read and reduced, translated, restored and encoded, each step a function of its own.

The first and the last run in threads while the net works on another picture; only the second needs the net.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from imgcycle import __version__
from imgcycle.config import ConvertOptions
from imgcycle.engine import fullsize
from imgcycle.engine.translator import Style, Translator
from imgcycle.errors import InputError
from imgcycle.media import colour, formats
from imgcycle.media.animation import Animation, encode_animation, read_picture
from imgcycle.media.encoding import encode_still
from imgcycle.media.formats import Format
from imgcycle.media.paths import kind_of
from imgcycle.media.pixels import Floats, Pixels, side_by_side, without_holes
from imgcycle.media.stills import Still, measure

_MAKING = ("work_size", "detail", "strength", "keep_colour", "compare", "quality", "strip", "raw")
"""The options that a result depends on."""


@dataclass(eq=False)
class Frame:
    """One still of a picture, ready for the net.

    `pixels` are the still's with transparent holes filled; `small` is their reduction, (h, w, 3) in [0, 1], in the
    picture's own colours.
    """

    still: Still
    pixels: Pixels
    small: Floats


@dataclass(eq=False)
class Prepared:
    """A picture ready for the net: its frames (one, unless it is an animation), and the digest of its file."""

    picture: Still | Animation
    frames: list[Frame]
    digest: str

    @property
    def format(self) -> Format:
        """What the file was."""
        return self.frames[0].still.format

    def size(self, options: ConvertOptions) -> tuple[int, int]:
        """Width and height of the result."""
        width, height = self.frames[0].still.size
        return (2 * width, height) if options.compare else (width, height)


def load_bytes(path: Path) -> bytes:
    """A file's bytes; InputError in place of the system's many ways to fail."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(error.strerror or str(error)) from error


def footprint(data: bytes, name: str, options: ConvertOptions) -> int:
    """Bytes a picture will take from decoding to writing, judged from its header; InputError when it has none.

    The source, the result and an encoder's copy, in 8 or 16 bits; when the net sees every pixel, three float
    pictures more (its own planes are the engine's business).
    """
    if kind_of(Path(name)) == "raw" and options.raw != "none":
        return 40 * len(data)
    pixels, deep = measure(data, options.max_pixels)
    return pixels * ((20 if deep else 10) + (36 if options.work_size == "full" else 0))


def prepare(data: bytes, name: str, options: ConvertOptions, style: Style) -> Prepared:
    """Decode, fill holes, and reduce to the work size; `name` tells RAW files from TIFF, which they look like."""
    picture: Still | Animation
    if kind_of(Path(name)) == "raw" and options.raw != "none":
        from imgcycle.media.raw import read_raw

        picture = read_raw(data, options.raw, options.max_pixels)
    else:
        picture = read_picture(data, options.max_pixels)
    stills = picture.frames if isinstance(picture, Animation) else (picture,)
    frames = [_frame(still, options, style) for still in stills]
    return Prepared(picture, frames, hashlib.sha256(data).hexdigest())


def _frame(still: Still, options: ConvertOptions, style: Style) -> Frame:
    pixels = still.pixels if still.alpha is None else without_holes(still.pixels, still.alpha)
    work_size = style.work_size if options.work_size == "auto" else options.work_size
    shape = fullsize.work_shape(pixels.shape[0], pixels.shape[1], work_size)
    return Frame(still, pixels, fullsize.to_unit(fullsize.reduced(pixels, shape)))


def translate(prepared: Prepared, options: ConvertOptions, translator: Translator) -> list[Floats]:
    """The net's result for each frame, at work size, in [0, 1], in the picture's own colours."""
    if options.strength == 0:
        return [frame.small for frame in prepared.frames]
    return [_translated(frame, options, translator) for frame in prepared.frames]


def _translated(frame: Frame, options: ConvertOptions, translator: Translator) -> Floats:
    # More than 8 bits are for smooth skies, which a 16-bit float's 256 levels near ±1 would put into bands.
    net = translator.exact() if frame.pixels.dtype == np.uint16 else translator
    own = frame.small
    space = colour.transform(frame.still.metadata.icc)
    seen = own if space is None else space.to_srgb(own)
    result = fullsize.from_tensor(net(fullsize.to_tensor(seen)))
    if options.keep_colour:
        result = fullsize.with_colours_of(seen, result)
    if space is None:
        return result
    # What the way there and back loses of the photograph is given back: a net that changes nothing changes nothing.
    return own + (space.from_srgb(result) - space.from_srgb(seen))


def finish(prepared: Prepared, results: list[Floats], options: ConvertOptions, style: Style, target: Format) -> bytes:
    """Restore the full size and encode, with the recipe in the metadata."""
    detail = style.detail if options.detail is None else options.detail
    stills = [_restored(frame, result, options, detail) for frame, result in zip(prepared.frames, results, strict=True)]
    recipe = recipe_for(style, options) | {"input": prepared.digest}
    if isinstance(prepared.picture, Animation) and target.animated:
        whole = replace(prepared.picture, frames=tuple(stills))
        return encode_animation(whole, target, options.quality, recipe, options.strip)
    return encode_still(stills[0], target, options.quality, recipe, options.strip)


def _restored(frame: Frame, result: Floats, options: ConvertOptions, detail: float) -> Still:
    still = frame.still
    if options.strength > 0:
        pixels = fullsize.restored(frame.pixels, frame.small, result, detail, options.strength)
        if still.alpha is not None:
            # What cannot be seen stays as it was.
            hidden = still.alpha == 0
            pixels[hidden] = still.pixels[hidden]
        still = still.with_pixels(pixels)
    return _beside(frame.still, still) if options.compare else still


def _beside(before: Still, after: Still) -> Still:
    alpha = None if before.alpha is None else side_by_side(before.alpha, before.alpha)
    return replace(after, pixels=side_by_side(before.pixels, after.pixels), alpha=alpha)


def target_format(name: str, prepared: Prepared) -> Format:
    """The format a result is written in: its name's, else its source's, else the nearest that can be written."""
    return formats.written_as(formats.by_suffix(name) or prepared.format)


def recipe_for(style: Style, options: ConvertOptions) -> dict[str, Any]:
    """What a result states of its making, apart from the digest of its input: style, weights, options, version.

    Options are resolved, so that a changed default shows as a changed recipe.
    """
    values = options.to_dict()
    if options.work_size == "auto":
        values["work_size"] = style.work_size
    if options.detail is None:
        values["detail"] = style.detail
    making = {key: values[key] for key in _MAKING}
    return {"style": style.name, "weights": style.digest, "options": making, "version": __version__}


def same_making(recipe: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether two recipes use the same weights and options."""
    return all(recipe.get(key) == wanted[key] for key in ("weights", "options"))
