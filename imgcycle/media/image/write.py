"""Write still images: pixels and metadata to the bytes of a file."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from PIL import Image

from imgcycle.errors import OutputError
from imgcycle.media import containers, formats
from imgcycle.media.codecs.tiff_writer import tiff_bytes
from imgcycle.media.formats import Format
from imgcycle.media.headers import JpegCoding, Metadata
from imgcycle.media.image import colour_management
from imgcycle.media.image.palettes import paletted
from imgcycle.media.image.pixels import Pixels, eight_bit, is_grey, over_white
from imgcycle.media.image.still import Still
from imgcycle.media.metadata.carried import updated_metadata

LEAST_QUALITY = 92
"""A translated image has other fine detail than its source, so a source's lower quality would be visible in it."""

_SAMPLING = {"420": 0x221111, "422": 0x211111, "440": 0x121111, "411": 0x411111, "444": 0x111111}
_AVIF_QUALITY = 90
_DEEP = 3.3
"""Factor on the bytes of 8-bit files for 16 bits: the lower eight are noise."""


def encode_still(
    still: Still,
    target: Format,
    quality: int | None = None,
    recipe: dict[str, Any] | None = None,
    strip: str = "none",
) -> bytes:
    """Encode an image in the `target` format; OutputError if the format cannot hold it.

    `quality` None keeps a JPEG source's own, at least 92, and writes WebP lossless if the source was lossless. `recipe`
    goes into the metadata. `strip`: `none` keeps all metadata that are still true, `gps` removes the location, `all`
    keeps only the colour profile and the recipe.
    """
    check_size(*still.size, target)
    metadata = result_metadata(still, recipe, strip, target)
    if written_in_srgb(still, target, metadata.icc):
        still = still.with_pixels(colour_management.in_srgb(still.pixels, metadata.icc))
        metadata = replace(metadata, icc=b"")
    try:
        if target is formats.JPEG:
            return _jpeg(still, metadata, quality)
        if target is formats.PNG:
            return _png(still, metadata)
        if target is formats.TIFF:
            planes = _planes(still)
            return tiff_bytes(planes, metadata.exif, metadata.icc, metadata.xmp, metadata.dpi, metadata.iptc)
        if target is formats.GIF:
            return _gif(still, metadata)
        if target is formats.BMP and still.alpha is not None:
            return _clear_bmp(still, metadata)
        return _by_pillow(still, target, metadata, quality)
    except OutputError:
        raise
    except MemoryError as error:
        raise OutputError(f"too large for the memory as {target.name}", "use --format png") from error
    except Exception as error:  # encoders raise various exceptions, AVIF's a RuntimeError
        text = " ".join(str(error).split()) or type(error).__name__
        raise OutputError(f"cannot be written as {target.name}: {text}", _OTHERWISE.get(target)) from error


_OTHERWISE = dict.fromkeys((formats.JPEG, formats.WEBP, formats.AVIF), "use --format png")


def check_size(width: int, height: int, target: Format, most: int | None = None) -> None:
    """Raise OutputError for more pixels a side than a format (or with `most`, a particular writer of it) can hold."""
    most = most or target.most
    if most is not None and max(width, height) > most:
        other = "tiff" if target is formats.PNG else "png"
        raise OutputError(
            f"{width}×{height} is more than {target.name} can hold, {most} pixels a side", f"use --format {other}"
        )


def losses(still: Still, target: Format, strip: str = "none") -> tuple[str, ...]:
    """One line for each thing that `target` cannot hold or that is damaged; `strip` as for `encode_still`."""
    lost = []
    if not target.deep and still.pixels.dtype == np.uint16:
        lost.append(f"16 bits a channel became 8: {target.name} has no more")
    if not target.alpha and still.alpha is not None and still.alpha.min() < np.iinfo(still.alpha.dtype).max:
        lost.append(f"what was transparent is laid on white: {target.name} has no transparency")
    return (*lost, *updated_metadata(still.metadata, still.size, None, strip, target).notes)


def typical_size(pixels: int, target: Format, quality: int | None = None, deep: bool = False) -> int:
    """Bytes that a photograph of so many pixels usually takes in an output format."""
    usual = _AVIF_QUALITY if target is formats.AVIF else LEAST_QUALITY
    at, sizes = zip(*target.sizes, strict=True)
    each = float(np.interp(usual if quality is None else quality, at, sizes))
    return round(pixels * each * (_DEEP if deep and target.deep else 1))


def written_in_srgb(still: Still, target: Format, icc: bytes) -> bool:
    """True if pixels are converted to sRGB because the format has no ICC profile or too few bits for the curve."""
    if target in (formats.BMP, formats.GIF):
        return True
    return still.pixels.dtype == np.uint16 and not target.deep and colour_management.is_linear(icc)


def result_metadata(still: Still, recipe: dict[str, Any] | None, strip: str, target: Format) -> Metadata:
    """Metadata updated to the present pixels, as far as `target` can hold them."""
    kept = updated_metadata(still.metadata, still.size, recipe, strip, target)
    grey = _stays_grey(still)
    # A grey profile does not apply to coloured pixels, but for its curve; and the other way round.
    misfit = colour_management.fits_rgb(kept.icc) == grey
    return replace(kept, icc=colour_management.refitted(kept.icc, grey) if misfit else kept.icc)


def _stays_grey(still: Still) -> bool:
    return still.grey and is_grey(still.pixels)


def coding_of(still: Still, quality: int | None) -> JpegCoding:
    """JPEG quality and subsampling of an output: the source's subsampling; `quality`, by default the source's, at
    least 92.
    """
    source = still.coding or JpegCoding(LEAST_QUALITY, "444")
    return JpegCoding(max(LEAST_QUALITY, source.quality) if quality is None else quality, source.subsampling)


def _jpeg(still: Still, metadata: Metadata, quality: int | None) -> bytes:
    made = coding_of(still, quality)
    pixels = eight_bit(over_white(still.pixels, still.alpha))
    source = pixels[..., 0] if _stays_grey(still) else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    flags = [cv2.IMWRITE_JPEG_QUALITY, made.quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SAMPLING[made.subsampling]]
    # Optimised Huffman tables save 3 to 10 % of every file for a few milliseconds.
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(source), [*flags, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    if not done:
        raise OutputError("OpenCV could not write this JPEG")
    return containers.jpeg_with(data.data, metadata)


def _png(still: Still, metadata: Metadata) -> bytes:
    # Run lengths only: on photographs as small as level 6, in a quarter of its time (0.5 s for 12 megapixels).
    done, data = cv2.imencode(
        ".png",
        _stacked(still),
        [cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE],
    )
    if not done:
        raise OutputError("OpenCV could not write this PNG")
    return containers.png_with(data.data, metadata)


def avif_options(quality: int | None, alpha: bool) -> dict[str, Any]:
    """Pillow's options for AVIF."""
    from PIL import _avif

    options = {"quality": quality or _AVIF_QUALITY, "speed": 8, "subsampling": "4:4:4"}
    if alpha and _avif.encoder_codec_available("aom"):
        # Alpha has hard edges rather than texture: it is kept exactly, for 2 % of the size.
        options |= {"codec": "aom", "advanced": {"alpha:cq-level": "0"}}
    return options


def _planes(still: Still) -> Pixels:
    """Channels (H, W, C) with C = 1, 3 or 4."""
    if still.alpha is not None:
        return np.dstack([still.pixels, still.alpha])  # type: ignore[return-value]
    return still.pixels[..., :1] if _stays_grey(still) else still.pixels


def _gif(still: Still, metadata: Metadata) -> bytes:
    out = io.BytesIO()
    paletted(still).save(out, "GIF")
    return containers.gif_with(out.getvalue(), metadata.xmp, metadata.comments)


def _clear_bmp(still: Still, metadata: Metadata) -> bytes:
    """A BMP of version 4, the first that has transparency (BITMAPV4HEADER)."""
    assert still.alpha is not None
    bgra = np.dstack([eight_bit(still.pixels)[..., ::-1], eight_bit(still.alpha)])
    body = np.ascontiguousarray(bgra[::-1]).tobytes()
    metre = round(metadata.dpi / 0.0254)
    head = struct.pack("<IiiHHIIiiII", 108, *still.size, 1, 32, 3, len(body), metre, metre, 0, 0)
    head += struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    start = 14 + len(head)
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + head + body + metadata.xmp


def _stacked(still: Still) -> Any:
    """Channels in OpenCV's order: one, BGR or BGRA."""
    if still.alpha is not None:
        # cv2's PNG writer has no grey with alpha.
        return np.dstack([still.pixels[..., ::-1], still.alpha])
    if _stays_grey(still):
        return np.ascontiguousarray(still.pixels[..., 0])
    return cv2.cvtColor(still.pixels, cv2.COLOR_RGB2BGR)


def as_image(still: Still, alpha: bool = True) -> Image.Image:
    """8-bit Pillow image: L, LA, RGB or RGBA."""
    if still.alpha is not None and alpha:
        both = np.dstack([eight_bit(still.pixels), eight_bit(still.alpha)])
        image = Image.fromarray(both)
        return image.convert("LA") if _stays_grey(still) else image
    pixels = eight_bit(still.pixels if alpha else over_white(still.pixels, still.alpha))
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0]) if _stays_grey(still) else pixels)


def _by_pillow(still: Still, target: Format, metadata: Metadata, quality: int | None) -> bytes:
    image = as_image(still, target.alpha)
    options: dict[str, Any] = {}
    if metadata.icc and target is not formats.BMP:
        options["icc_profile"] = metadata.icc
    if metadata.exif and target in (formats.WEBP, formats.AVIF):
        options["exif"] = b"Exif\0\0" + metadata.exif
    if metadata.xmp and target in (formats.WEBP, formats.AVIF):
        options["xmp"] = metadata.xmp
    if metadata.dpi and target is formats.BMP:
        options["dpi"] = (metadata.dpi, metadata.dpi)
    if target is formats.WEBP:
        exact = still.lossless and quality is None
        options |= {"lossless": True, "exact": True} if exact else {"quality": quality or LEAST_QUALITY}
        image = image if image.mode in ("RGB", "RGBA") else image.convert("RGBA" if "A" in image.mode else "RGB")
    elif target is formats.AVIF:
        options |= avif_options(quality, still.alpha is not None)
        image = image if image.mode in ("RGB", "RGBA") else image.convert("RGBA" if "A" in image.mode else "RGB")
    out = io.BytesIO()
    image.save(out, target.name, **options)
    # BMP has no place for metadata; bytes after its pixels are ignored by every reader.
    return out.getvalue() + (metadata.xmp if target is formats.BMP else b"")
