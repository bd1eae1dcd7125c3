"""Animated GIF, WebP and PNG: every frame as a picture of its own, with its time, and back."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import ImageSequence

from imgcycle.errors import InputError, OutputError
from imgcycle.media import containers, formats
from imgcycle.media.encoding import as_image, truthful
from imgcycle.media.formats import Format
from imgcycle.media.palettes import paletted
from imgcycle.media.stills import MAX_PIXELS, Still, in_one_line, open_image, read_still

_SHORTEST = 10
_ANIMATED = ("GIF", "WEBP", "PNG")


@dataclass(frozen=True, eq=False)
class Animation:
    """Frames, each composed in full, with milliseconds each; `loop` counts repetitions, 0 for ever, None once."""

    frames: tuple[Still, ...]
    durations: tuple[int, ...]
    loop: int | None


def read_picture(data: bytes, max_pixels: int = MAX_PIXELS) -> Still | Animation:
    """A still, or an animation when the bytes hold more than one frame (MPO and the like count as stills).

    `max_pixels` bounds all frames together. InputError as for `read_still`.
    """
    first = read_still(data, max_pixels)
    if first.format.name not in _ANIMATED:
        return first
    with in_one_line(data):
        image = open_image(data, max_pixels)
        count = int(getattr(image, "n_frames", 1))
        if count < 2:
            return first
        width, height = image.size
        if count * width * height > max_pixels:
            raise InputError(f"{count} frames of {width}×{height}", f"raise --max-pixels {max_pixels}")
        # A PNG may show a picture of its own to programs that know no animation: it is no frame.
        start = 1 if image.info.get("default_image") else 0
        frames, durations = [], []
        for n, frame in enumerate(ImageSequence.Iterator(image)):
            if n < start:
                continue
            # A GIF frame may reach beyond the canvas, and Pillow then enlarges it; viewers show the canvas.
            if frame.width * frame.height > max_pixels:
                raise InputError(f"a frame of {frame.width}×{frame.height}", f"raise --max-pixels {max_pixels}")
            both = np.asarray(frame.convert("RGBA").crop((0, 0, width, height)))
            alpha = np.ascontiguousarray(both[..., 3])
            frames.append(
                Still(
                    np.ascontiguousarray(both[..., :3]),
                    None if bool((alpha == 255).all()) else alpha,
                    format=first.format,
                    metadata=first.metadata,
                    lossless=first.lossless,
                )
            )
            durations.append(max(_SHORTEST, round(float(frame.info.get("duration", 100) or 100))))
    loop = image.info.get("loop")
    return Animation(tuple(frames), tuple(durations), loop if isinstance(loop, int) else None)


def encode_animation(
    animation: Animation, target: Format, quality: int | None, recipe: dict[str, Any] | None, strip: str
) -> bytes:
    """The bytes of an animation in a format that has them (`target.animated`)."""
    first = animation.frames[0]
    metadata = truthful(first, recipe, strip)
    images = [as_image(frame).convert("RGBA") for frame in animation.frames]
    options: dict[str, Any] = {"save_all": True, "duration": list(animation.durations)}
    if animation.loop is not None:
        options["loop"] = animation.loop
    elif target is formats.WEBP:
        options["loop"] = 1
    if target is formats.GIF:
        images = [paletted(frame) for frame in animation.frames]
        options |= {"disposal": 2, "optimize": False}
    elif target is formats.WEBP:
        options |= {"lossless": True} if first.lossless else {"quality": quality or 92}
        options |= {"icc_profile": metadata.icc, "exif": metadata.exif, "xmp": metadata.xmp}
        options = {key: value for key, value in options.items() if value != b""}
    out = io.BytesIO()
    try:
        images[0].save(out, target.name, append_images=images[1:], **options)
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot be written as {target.name}: {' '.join(str(error).split())}") from error
    data = out.getvalue()
    if target is formats.GIF:
        return containers.gif_with(data, metadata.xmp)
    if target is formats.WEBP and any(frame.alpha is not None for frame in animation.frames):
        return containers.webp_with_alpha(data)
    if target is formats.PNG:
        return containers.png_with(data, metadata.exif, metadata.icc, metadata.xmp, metadata.dpi, metadata.chunks)
    return data
