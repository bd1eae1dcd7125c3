"""Colour spaces: from a picture's own ICC profile to sRGB, in which nets were taught, and back."""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

_NODES = 33
_SRGB_WORDS = (b"sRGB", "sRGB".encode("utf-16-be"))


def fits_rgb(icc: bytes) -> bool:
    """Whether a profile describes RGB pixels (its data colour space, bytes 16 to 20 of the header)."""
    return icc[16:20] == b"RGB "


def fits_grey(icc: bytes) -> bool:
    """Whether a profile describes single-channel pixels."""
    return icc[16:20] == b"GRAY"


def is_srgb(icc: bytes) -> bool:
    """Whether a profile is plain sRGB, going by the name every sRGB profile bears; no profile counts as sRGB."""
    return not icc or any(word in icc for word in _SRGB_WORDS)


def cmyk_to_srgb(image: Image.Image) -> Image.Image:
    """CMYK to sRGB through the embedded profile when it is there and sound, else the plain inverse."""
    from PIL import ImageCms

    icc = image.info.get("icc_profile")
    if icc:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            found = ImageCms.profileToProfile(image, source, _srgb(), outputMode="RGB")
            if found is not None:
                return found
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return image.convert("RGB")


class Transform:
    """The way from a profile's colours to sRGB and back, for float RGB (H, W, 3) in [0, 1].

    Both ways are tables of 33³ nodes measured with LittleCMS and read by trilinear interpolation: smooth, so that
    16-bit pictures are not banded by LittleCMS's 8-bit interface.
    """

    def __init__(self, icc: bytes) -> None:
        from PIL import ImageCms

        own = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        self._to = _table(own, _srgb())
        self._back = _table(_srgb(), own)

    def to_srgb(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """From the profile's space."""
        return _look_up(self._to, pixels)

    def from_srgb(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Back into the profile's space."""
        return _look_up(self._back, pixels)


@functools.lru_cache(maxsize=8)
def transform(icc: bytes) -> Transform | None:
    """The transform of a profile; None for sRGB, for no profile, and for one that cannot be used."""
    from PIL import ImageCms

    if is_srgb(icc) or not fits_rgb(icc):
        return None
    try:
        return Transform(icc)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _srgb() -> Any:
    from PIL import ImageCms

    return ImageCms.createProfile("sRGB")


def _table(source: Any, target: Any) -> npt.NDArray[np.float32]:
    """(33, 33, 33, 3) float32 in [0, 1], indexed by red, green, blue."""
    from PIL import Image, ImageCms

    steps = np.linspace(0, 255, _NODES)
    # Nodes lie between 8-bit values; the two neighbours of each are looked up and mixed.
    low = np.floor(steps).astype(np.uint8)
    high = np.minimum(low + 1, 255).astype(np.uint8)
    share = (steps - low).astype(np.float32)
    total = np.zeros((_NODES, _NODES, _NODES, 3), np.float32)
    engine = ImageCms.buildTransform(source, target, "RGB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    for corner in range(8):
        picks = [(high, share) if corner >> axis & 1 else (low, 1 - share) for axis in range(3)]
        grid = np.stack(np.meshgrid(*(p[0] for p in picks), indexing="ij"), -1)
        weight = np.einsum("i,j,k->ijk", *(p[1] for p in picks))
        flat = Image.fromarray(np.ascontiguousarray(grid.reshape(_NODES**2, _NODES, 3)))
        seen = ImageCms.applyTransform(flat, engine)
        assert seen is not None
        total += weight[..., None] * (np.asarray(seen, np.float32).reshape(total.shape) / 255)
    return total


def _look_up(table: npt.NDArray[np.float32], pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    out = np.empty_like(pixels)
    for top in range(0, pixels.shape[0], 256):
        band = np.clip(pixels[top : top + 256], 0, 1) * (_NODES - 1)
        low = np.minimum(band.astype(np.intp), _NODES - 2)
        share = (band - low).astype(np.float32)
        total = np.zeros_like(band)
        for corner in range(8):
            bits = [corner >> axis & 1 for axis in range(3)]
            weight = np.ones(band.shape[:2], np.float32)
            for axis, bit in enumerate(bits):
                weight *= share[..., axis] if bit else 1 - share[..., axis]
            at = [low[..., axis] + bit for axis, bit in enumerate(bits)]
            total += weight[..., None] * table[at[0], at[1], at[2]]
        out[top : top + 256] = total
    return out
