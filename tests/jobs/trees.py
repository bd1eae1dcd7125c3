"""Trees of small pictures of every format, under names that break careless programs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from imgcycle.media.codecs import tiff_writer
from tests.media.pictures import encoded, exif_block, scene

NAMES = ["plain", "two words", "quote's", 'double "q"', "line\nbreak", "grün 東京", "-dash", "per%cent", "a.b.c", "{x}"]
FOLDERS = ["", "one", "one/deep er", "ünter/-x", "new\nline"]


def picture(kind: str, seed: int) -> tuple[bytes, str]:  # noqa: PLR0911 - one return a kind
    """Bytes of a small picture and its suffix; sizes differ."""
    pixels = scene(30 + seed % 7, 41 + seed % 5, seed)
    if kind == "rgba":
        both = np.dstack([pixels, np.full(pixels.shape[:2], 100, np.uint8)])
        return encoded(both, "PNG"), ".png"
    if kind == "png16":
        return bytes(cv2.imencode(".png", pixels.astype(np.uint16) * 257)[1].tobytes()), ".png"
    if kind == "tiff16":
        return tiff_writer.tiff_bytes(pixels.astype(np.uint16) * 257), ".TIF"
    if kind == "grey":
        return encoded(pixels[..., 0], "JPEG", subsampling=-1), ".jpeg"
    if kind == "turned":
        return encoded(pixels, "JPEG", exif=exif_block(6)), ".JPG"
    if kind == "gif":
        out = io.BytesIO()
        frames = [Image.fromarray(np.roll(pixels, n, 0)) for n in range(3)]
        frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=[50, 70, 90], loop=0)
        return out.getvalue(), ".gif"
    ways: dict[str, tuple[str, str, dict[str, Any]]] = {
        "jpeg": ("JPEG", ".jpg", {}),
        "png": ("PNG", ".png", {}),
        "webp": ("WEBP", ".webp", {"lossless": True}),
        "avif": ("AVIF", ".avif", {"speed": 9}),
        "bmp": ("BMP", ".bmp", {}),
    }
    format_, suffix, options = ways[kind]
    return encoded(pixels, format_, **options), suffix


KINDS = ["jpeg", "png", "rgba", "png16", "tiff16", "grey", "turned", "gif", "webp", "avif", "bmp"]


def grow(root: Path, count: int) -> list[Path]:
    """`count` pictures of all kinds and names; every tenth shares its stem with another."""
    made = []
    for n in range(count):
        data, suffix = picture(KINDS[n % len(KINDS)], n)
        folder = root / FOLDERS[n % len(FOLDERS)]
        stem = f"{NAMES[n % len(NAMES)]} {n if n % 10 else 'same'}"
        path = folder / (stem + suffix)
        if path.exists():
            path = folder / f"{stem} {n}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        made.append(path)
    return made
