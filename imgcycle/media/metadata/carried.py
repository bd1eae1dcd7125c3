"""Metadata of a result: what remains true of the source's, as far as the output format can hold it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from imgcycle.media import formats
from imgcycle.media.formats import Format
from imgcycle.media.headers import Metadata
from imgcycle.media.metadata import exif, iptc, png, xmp
from imgcycle.media.metadata.places import is_place, tells_place
from imgcycle.media.metadata.survey import Survey

_WITH_EXIF = (formats.JPEG, formats.PNG, formats.WEBP, formats.AVIF, formats.TIFF)
_WITH_IPTC = (formats.JPEG, formats.PNG, formats.TIFF)
_WITH_COMMENTS = (formats.JPEG, formats.PNG, formats.GIF)
_SEGMENT = 65533 - 2
"""Most bytes of a JPEG segment's payload."""
_JPEG_XMP = 64_000
"""Most bytes of an XMP packet in JPEG before the recipe is added."""


def updated_metadata(
    kept: Metadata, size: tuple[int, int], recipe: dict[str, Any] | None, strip: str, target: Format
) -> Metadata:
    """Metadata that are true of an image of `size` (width, height) in `target` format, with `recipe` in the XMP.

    `strip` is that of `encode_still`. `notes` has one line for each loss that was not asked for.
    """
    if strip == "all":
        packet = xmp.updated_xmp(b"", recipe, keep=False)
        return replace(kept, exif=b"", xmp=packet, iptc=b"", texts=(), comments=(), notes=())
    keep_gps = strip != "gps"
    notes = list(kept.notes)
    block = exif.updated_exif(kept.exif, *size, keep_gps, notes) if kept.exif else b""
    datasets = iptc.updated_iptc(kept.iptc, keep_gps, notes)
    texts = kept.texts if keep_gps else tuple(text for text in kept.texts if not _text_tells(*text))
    comments = kept.comments if keep_gps else tuple(c for c in kept.comments if not tells_place(c))
    packet = _packet(kept, recipe, keep_gps, target, notes)
    if block and (target not in _WITH_EXIF or (target is formats.JPEG and len(block) > _SEGMENT - 6)):
        notes.append(f"EXIF was left out: {_no_place(target, block)}")
        block = b""
    if datasets and target not in _WITH_IPTC:
        notes.append(f"IPTC was left out: {_no_place(target)}")
        datasets = b""
    if texts and target is not formats.PNG:
        notes.append(f"texts were left out ({_keys(texts)}): {target.name} has no place for them")
        texts = ()
    if comments and target is formats.JPEG:
        long = [c for c in comments if len(c) > _SEGMENT]
        comments = tuple(c for c in comments if c not in long)
        notes += ["a comment was left out: longer than a JPEG segment"] if long else []
    if comments and target not in _WITH_COMMENTS:
        notes.append(f"a comment was left out: {_no_place(target)}")
        comments = ()
    return replace(
        kept,
        exif=block,
        xmp=packet,
        iptc=datasets,
        texts=texts,
        comments=comments,
        orientation=1,
        notes=tuple(dict.fromkeys(notes)),
    )


def rescaled_metadata(kept: Metadata, factor: Fraction) -> Metadata:
    """Metadata of an image downscaled by `factor`: it is as large on paper and on the sensor as before, so there are
    fewer pixels to a unit of length.
    """
    dpi = kept.dpi if kept.dpi == exif.UNKNOWN else max(1, round(kept.dpi * factor)) if kept.dpi else 0
    return replace(kept, exif=exif.rescaled_exif(kept.exif, factor), dpi=dpi, rescaled=True)


def _packet(kept: Metadata, recipe: dict[str, Any] | None, keep_gps: bool, target: Format, notes: list[str]) -> bytes:
    packet = kept.xmp
    if target is formats.JPEG and len(packet) > _JPEG_XMP // 2 and len(xmp.updated_xmp(packet, None)) > _JPEG_XMP:
        notes.append("XMP was left out: longer than a JPEG segment")
        packet = b""
    return xmp.updated_xmp(packet, recipe, keep_gps=keep_gps, notes=notes, rescaled=kept.rescaled)


def _no_place(target: Format, block: bytes = b"") -> str:
    return "longer than a JPEG segment" if block and target is formats.JPEG else f"{target.name} has no place for it"


def _text_tells(kind: bytes, payload: bytes) -> bool:
    """True if a text chunk tells a location by its key or its text, or cannot be read."""
    text = png.text_of(kind, payload, Survey())
    key = payload.partition(b"\0")[0].decode("latin-1")
    return text is None or is_place(key) or is_place(key.rpartition(":")[2]) or tells_place(text)


def _keys(texts: tuple[tuple[bytes, bytes], ...]) -> str:
    keys = list(dict.fromkeys(payload.partition(b"\0")[0].decode("latin-1") for _, payload in texts))
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
