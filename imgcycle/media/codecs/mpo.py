"""Multi-picture JPEGs (CIPA DC-007): previews and gain maps of phones and cameras, sometimes a second view."""

from __future__ import annotations

from typing import Any

from PIL import Image

from imgcycle.media.files import Data
from imgcycle.media.metadata.survey import stream_of

_INFO = 45058
_HEAD = 2**18
"""Bytes at the start of a file in which the index is, if there is one."""
_VIEWS = ("Multi-Frame Image (Panorama)", "Multi-Frame Image (Disparity)", "Multi-Frame Image (Multi-Angle)")
_GAIN_MAPS = (b"hdrgm:", b"HDRGainMap")


def notes_in(data: Data) -> tuple[str, ...]:
    """One line if a JPEG holds further pictures that are neither smaller versions of the first nor auxiliary to it."""
    if b"MPF\0" not in bytes(data[:_HEAD]):
        return ()
    stream = stream_of(data, [range(len(data))])
    try:
        with stream, Image.open(stream, formats=("JPEG", "MPO")) as image:
            return _notes_of(image)
    except Exception:  # the index is optional, and a damaged one counts as none
        return ()


def _notes_of(image: Image.Image) -> tuple[str, ...]:
    entries: list[Any] = list(getattr(image, "mpinfo", {}).get(_INFO, []))
    kinds = [entry["Attribute"]["MPType"] for entry in entries]
    views = sum(kind in _VIEWS for kind in kinds)
    if not views and len(kinds) > 1 and not any(mark in _xmp(image) for mark in _GAIN_MAPS):
        # A picture of no stated type but of the same size is another view.
        views = 1 + sum(_size(image, n) == image.size for n in range(1, len(kinds)) if kinds[n] == "Undefined")
    return (f"{views} pictures, of which the first was taken",) if views > 1 else ()


def _xmp(image: Image.Image) -> bytes:
    found = image.info.get("xmp", b"")
    return found if isinstance(found, bytes) else b""


def _size(image: Image.Image, number: int) -> tuple[int, int]:
    """Size of another picture in the file; (0, 0) if it cannot be read."""
    try:
        image.seek(number)
        return image.size
    except (OSError, SyntaxError, ValueError, EOFError):
        return 0, 0
    finally:
        image.seek(0)
