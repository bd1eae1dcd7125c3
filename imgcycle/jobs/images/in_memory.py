"""Conversion of images in memory: Pillow images, NumPy arrays and torch tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from imgcycle.config import ConvertOptions
from imgcycle.engine.strips.run import Listener, part_of
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, UsageError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.images.image import converted
from imgcycle.jobs.recipe import check_strokes, resolve
from imgcycle.jobs.translators import translator_for
from imgcycle.media.image.colour_management import fits_rgb, refitted
from imgcycle.media.image.pixels import Pixels, eight_bit
from imgcycle.media.image.read import still_of
from imgcycle.media.image.still import Still

Picture = TypeVar("Picture", Image.Image, "npt.NDArray[Any]", torch.Tensor)
_MOST = 65535


def translate(
    image: Picture,
    style: Translator | str,
    *,
    work_size: int | Literal["auto", "full"] = "auto",
    detail: float | None = None,
    strokes: float | None = None,
    strength: float = 1.0,
    keep_colour: bool = False,
    max_side: int | None = None,
    memory: MemoryBudget | None = None,
    progress: Callable[[float], None] | None = None,
) -> Picture:
    """Give a picture in memory the look of a style; what comes out is of the kind and size that went in, or of
    `max_side`.

    Parameters
    ----------
    image
        A Pillow image of any mode but F; its ICC profile is heeded and kept, its EXIF orientation is not applied.
        Or an array (H, W, 3) RGB, (H, W, 4) with transparency or (H, W) grey: uint8, uint16, or floats in [0, 1].
        Or a tensor (3, H, W) or (N, 3, H, W) RGB on any device: floats in [-1, 1] or uint8.
    style
        What `load_translator` gave, or the name of a style, a weights file or a run folder. A name is loaded anew by
        every call.
    work_size
        √(width × height) in pixels at which the style is applied; `auto` is the style's own, `full` every pixel.
    detail
        Share 0..1 of the picture's own fine detail laid over the enlarged result; None takes the style's.
    strokes
        Share 0..1 of the fine strokes that a style's second net draws at full size; None takes the style's.
    strength
        0 gives the picture back, 1 the style.
    keep_colour
        Take over the change of lightness alone.
    max_side
        Pixels that the longer side of the result has at most; larger pictures are downscaled first.
    memory
        What the process may take; by default a quarter of the installed memory, as a guide.
    progress
        Hears the share of the work that is done, 0 to 1.

    Returns
    -------
    image
        A new picture. Pillow images come back as RGB, or RGBA where there was transparency, in 8 bits. Arrays keep
        their type and transparency; grey ones become (H, W, 3), since styles have colours. Tensors keep shape, type
        and device, and carry no gradient. Floats are taken in 65,536 levels and translated in float32.

    Raises
    ------
    UsageError
        For an array or tensor of another shape, type or range, and for options out of range.
    UnknownStyle, WeightsError
        For a style that is not there, or is damaged.

    Examples
    --------
    >>> from PIL import Image
    >>> from imgcycle import load_translator, translate
    >>> monet = load_translator("monet")
    >>> painted = translate(Image.open("a.jpg"), monet, strength=0.8)
    """
    options = ConvertOptions(
        work_size=work_size,
        detail=detail,
        strokes=strokes,
        strength=strength,
        keep_colour=keep_colour,
        max_side=max_side,
    )
    translator = translator_for(style)
    check_strokes([translator.style], options)
    resolved = resolve(options, translator.style)
    room = memory or MemoryBudget.default()

    def whole(still: Still, share: Listener | None) -> Still:
        made = converted(still.limited(max_side), resolved, translator, room, listener=share)
        if share is not None:
            share(1.0)  # a small image is done in one step without progress
        return made

    if isinstance(image, Image.Image):
        return _image(image, whole, progress)
    if isinstance(image, np.ndarray):
        return _array(image, whole, progress)
    if isinstance(image, torch.Tensor):
        return _tensor(image, whole, progress)
    raise UsageError(f"a {type(image).__name__} is no picture", "give a Pillow image, an array or a tensor")


Change = Callable[[Still, Listener | None], Still]
"""Turns a still into its stylised version; the second argument is called with the share done."""


def _image(image: Image.Image, change: Change, progress: Listener | None) -> Image.Image:
    try:
        still = still_of(image)
    except InputError as error:
        raise UsageError(f"a picture that cannot be taken: {error.message}", error.hint) from error
    made = change(still, progress)
    pixels = eight_bit(made.pixels)
    if made.alpha is not None:
        pixels = np.dstack([pixels, eight_bit(made.alpha)])
    result = Image.fromarray(np.ascontiguousarray(pixels))
    result.info = {key: value for key, value in image.info.items() if key not in ("transparency", "icc_profile")}
    if (density := result.info.get("dpi")) and result.width < image.width:
        result.info["dpi"] = tuple(each * result.width / image.width for each in density)
    if icc := still.metadata.icc:
        # A grey profile does not apply to coloured pixels, but for its curve.
        result.info["icc_profile"] = icc if fits_rgb(icc) else refitted(icc, grey=False)
    return result


def _array(array: npt.NDArray[Any], change: Change, progress: Listener | None) -> npt.NDArray[Any]:
    grey = array.ndim == 2
    planes = np.repeat(array[..., None], 3, 2) if grey else array
    if planes.ndim != 3 or planes.shape[2] not in (3, 4) or 0 in planes.shape:
        raise UsageError(f"an array of shape {array.shape}", "(height, width), with 3 channels for RGB or 4 for RGBA")
    floating = np.issubdtype(planes.dtype, np.floating)
    if not floating and planes.dtype not in (np.uint8, np.uint16):
        raise UsageError(f"an array of {array.dtype}", "uint8, uint16, or floats from 0 to 1")
    levels: npt.NDArray[Any] = _levels(planes, 0.0, 1.0) if floating else planes
    # A copy: results may overwrite the pixels that are translated.
    pixels = np.array(levels[..., :3])
    alpha = np.array(levels[..., 3]) if levels.shape[2] == 4 else None
    made = change(Still(pixels, alpha), progress)
    result: npt.NDArray[Any] = made.pixels if made.alpha is None else np.dstack([made.pixels, made.alpha])
    if floating:
        return (result / np.float32(_MOST)).astype(array.dtype)
    return np.ascontiguousarray(result)


def _tensor(x: torch.Tensor, change: Change, progress: Listener | None) -> torch.Tensor:
    if x.ndim not in (3, 4) or x.shape[-3] != 3 or 0 in x.shape:
        raise UsageError(f"a tensor of shape {tuple(x.shape)}", "(3, height, width) or (N, 3, height, width)")
    if x.dtype != torch.uint8 and not x.is_floating_point():
        raise UsageError(f"a tensor of {x.dtype}", "floats from -1 to 1, or uint8")
    rows = x.detach().cpu().reshape(-1, *x.shape[-3:]).permute(0, 2, 3, 1)
    results = []
    for index, row in enumerate(rows):
        pixels = row.numpy().copy() if x.dtype == torch.uint8 else _levels(row.float().numpy(), -1.0, 1.0)
        made = change(Still(pixels), part_of(progress, index, 1, len(rows))).pixels
        results.append(torch.from_numpy(made if x.dtype == torch.uint8 else made / np.float32(_MOST) * 2 - 1))
    planes = torch.stack(results).permute(0, 3, 1, 2)
    return planes.reshape(*x.shape[:-2], *planes.shape[2:]).to(x.device, x.dtype)


def _levels(values: npt.NDArray[Any], least: float, most: float) -> Pixels:
    """Floats as 16-bit levels; UsageError if they exceed their range by more than rounding."""
    slack = 1e-3 * (most - least)
    low, high = float(values.min()), float(values.max())
    if not (least - slack <= low and high <= most + slack):
        raise UsageError(f"values from {low:g} to {high:g}", f"floats are from {least:g} to {most:g} here")
    unit = (values.astype(np.float32) - np.float32(least)) / np.float32(most - least)
    return cast(Pixels, np.rint(unit.clip(0, 1) * _MOST).astype(np.uint16))
