"""One picture on its way: read and reduced, translated, restored and encoded, each step a function of its own.

The first and the last run in threads while the net works on another picture; only the second needs the net.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imgcycle import __version__
from imgcycle.config import ConvertOptions
from imgcycle.engine import fullsize
from imgcycle.engine.fullsize import Floats
from imgcycle.engine.translator import Style, Translator
from imgcycle.errors import InputError
from imgcycle.media import formats
from imgcycle.media.encoding import encode_still
from imgcycle.media.stills import Still, read_still


@dataclass(eq=False)
class Prepared:
    """A picture ready for the net: `small` is (h, w, 3) in [0, 1] in the picture's own colours."""

    still: Still
    small: Floats
    digest: str


def load_bytes(path: Path) -> bytes:
    """A file's bytes; InputError in place of the system's many ways to fail."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(error.strerror or str(error)) from error


def prepare(data: bytes, options: ConvertOptions, style: Style) -> Prepared:
    """Decode, and reduce to the work size."""
    still = read_still(data)
    work_size = style.work_size if options.work_size == "auto" else options.work_size
    height, width = still.pixels.shape[:2]
    small = fullsize.to_unit(fullsize.reduced(still.pixels, fullsize.work_shape(height, width, work_size)))
    return Prepared(still, small, hashlib.sha256(data).hexdigest())


def translate(prepared: Prepared, options: ConvertOptions, translator: Translator) -> Floats:
    """The net's result at work size, in [0, 1]; the picture itself at strength 0."""
    if options.strength == 0:
        return prepared.small
    exact = prepared.still.pixels.dtype == np.uint16
    net = translator.exact() if exact else translator
    return fullsize.from_tensor(net(fullsize.to_tensor(prepared.small)))


def finish(prepared: Prepared, result: Floats, options: ConvertOptions, style: Style, target: formats.Format) -> bytes:
    """Restore the full size and encode, with the recipe in the metadata."""
    detail = style.detail if options.detail is None else options.detail
    pixels = prepared.still.pixels
    if options.strength > 0:
        pixels = fullsize.restored(pixels, prepared.small, result, detail, options.strength)
    recipe = recipe_for(style, options) | {"input": prepared.digest}
    return encode_still(prepared.still.with_pixels(pixels), target, options.quality, recipe)


def recipe_for(style: Style, options: ConvertOptions) -> dict[str, Any]:
    """What a result states of its making, apart from the digest of its input: style, weights, options, version.

    Options are resolved, so that a changed default shows as a changed recipe.
    """
    resolved = options.to_dict()
    if options.work_size == "auto":
        resolved["work_size"] = style.work_size
    if options.detail is None:
        resolved["detail"] = style.detail
    return {"style": style.name, "weights": style.digest, "options": resolved, "version": __version__}


def same_making(recipe: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether two recipes use the same weights and options."""
    return all(recipe.get(key) == wanted[key] for key in ("weights", "options"))
