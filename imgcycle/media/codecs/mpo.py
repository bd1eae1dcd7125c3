"""Multi-picture JPEGs (CIPA DC-007): phones and cameras keep previews and gain maps in them, some a second view."""

from __future__ import annotations

from typing import Any

from PIL import Image

from imgcycle.media.files import Data
from imgcycle.media.metadata.survey import stream_of

_INFO = 45058
_HEAD = 2**18
"""Bytes among which the index stands, if there is one."""
_VIEWS = ("Multi-Frame Image (Panorama)", "Multi-Frame Image (Disparity)", "Multi-Frame Image (Multi-Angle)")
_GAIN_MAPS = (b"hdrgm:", b"HDRGainMap")


def notes_in(data: Data) -> tuple[str, ...]:
    """A line when a JPEG holds pictures beside the first that are no smaller versions and no helpers of it."""
    if b"MPF\0" not in bytes(data[:_HEAD]):
        return ()
    stream = stream_of(data, [range(len(data))])
    try:
        with stream, Image.open(stream, formats=("JPEG", "MPO")) as image:
            return _notes_of(image)
    except Exception:  # an index is said beside the pixels, and a damaged one is none
        return ()


def _notes_of(image: Image.Image) -> tuple[str, ...]:
    entries: list[Any] = list(getattr(image, "mpinfo", {}).get(_INFO, []))
    kinds = [entry["Attribute"]["MPType"] for entry in entries]
    views = sum(kind in _VIEWS for kind in kinds)
    if not views and len(kinds) > 1 and not any(mark in _xmp(image) for mark in _GAIN_MAPS):
        # Of no stated kind, a picture of the same size is another one.
        views = 1 + sum(_size(image, n) == image.size for n in range(1, len(kinds)) if kinds[n] == "Undefined")
    return (f"{views} pictures, of which the first was taken",) if views > 1 else ()


def _xmp(image: Image.Image) -> bytes:
    found = image.info.get("xmp", b"")
    return found if isinstance(found, bytes) else b""


def _size(image: Image.Image, number: int) -> tuple[int, int]:
    """The size of another picture in the file; (0, 0) when it cannot be read."""
    try:
        image.seek(number)
        return image.size
    except (OSError, SyntaxError, ValueError, EOFError):
        return 0, 0
    finally:
        image.seek(0)
