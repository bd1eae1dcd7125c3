"""Colour management: from an image's ICC profile to sRGB, which nets are trained in, and back."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from imgcycle.media.image.icc_profiles import (
    BT709,
    SRGB,
    MatrixProfile,
    matrix_profile,
    read_matrix,
    srgb_curve,
    srgb_values,
)
from imgcycle.media.image.pixels import Pixels

if TYPE_CHECKING:
    from PIL import Image

_NODES = 33
_BAND = 256
"""Rows processed at a time."""
_BRIGHT = 1 / 3
"""Light at half the values above which a curve counts as nearly linear; sRGB's has 0.21."""
_FEW = 2**17
"""Pixels processed at a time in double precision."""
_NEAR = 3
"""Levels of 255 by which profiles of sRGB differ from each other (rounded curves, black points)."""


def fits_rgb(icc: bytes) -> bool:
    """True if a profile describes RGB pixels (data colour space, bytes 16 to 20 of the header)."""
    return icc[16:20] == b"RGB "


def fits_grey(icc: bytes) -> bool:
    """True if a profile describes single-channel pixels."""
    return icc[16:20] == b"GRAY"


def cmyk_to_srgb(image: Image.Image) -> Image.Image:
    """Convert CMYK to sRGB through the embedded profile if it is valid, else by plain inversion."""
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


def lab_to_srgb(image: Image.Image) -> Image.Image:
    """Convert CIE Lab (D50) to sRGB."""
    from PIL import ImageCms

    found = ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), _srgb(), outputMode="RGB")
    assert found is not None
    return found


class Transform(Protocol):
    """Conversion from a profile's space to sRGB and back, for float RGB (H, W, 3) in [0, 1]."""

    def to_srgb(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Convert from the profile's space to sRGB."""
        ...

    def from_srgb(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Convert from sRGB to the profile's space."""
        ...


class TableTransform:
    """Conversion by tables, for float RGB (H, W, 3) in [0, 1].

    Both directions are tables of 33³ nodes measured with LittleCMS and interpolated trilinearly: smooth, so that 16-bit
    images are not banded by LittleCMS's 8-bit interface.
    """

    def __init__(self, icc: bytes) -> None:
        from PIL import ImageCms

        own = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        self._to = _table(own, _srgb())
        self._back = _table(_srgb(), own)

    def to_srgb(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return _look_up(self._to, pixels)

    def from_srgb(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return _look_up(self._back, pixels)


class CurveTransform:
    """Conversion by a profile's curves and primaries: in linear light no table would resolve the shadows."""

    def __init__(self, own: MatrixProfile) -> None:
        self._own = own
        self._there = (np.linalg.inv(SRGB.matrix) @ own.matrix).T
        self._back = np.linalg.inv(self._there)

    def to_srgb(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return _in_bands(pixels, lambda band: srgb_values(np.clip(self._own.to_light(band) @ self._there, 0, 1)))

    def from_srgb(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return _in_bands(pixels, lambda band: self._own.from_light(srgb_curve(band.astype(np.float64)) @ self._back))


@functools.lru_cache(maxsize=8)
def transform(icc: bytes) -> Transform | None:
    """The transform of a profile; None without one, for one equivalent to sRGB, and for one that cannot be used."""
    from PIL import ImageCms

    if not icc:
        return None
    own = read_matrix(icc)
    if fits_grey(icc):
        # Nearly sRGB greys are left as they are: a colour result cannot keep a grey profile.
        return None if own is None or _nearly_srgb(own) else CurveTransform(own)
    if not fits_rgb(icc):
        return None
    try:
        if _is_srgb(icc):
            return None
        return CurveTransform(own) if own is not None and _is_sound(own) else TableTransform(icc)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def is_linear(icc: bytes) -> bool:
    """True if a profile's values are nearly linear light, so that 8 bits are too few in the shadows."""
    own = read_matrix(icc) if icc else None
    return own is not None and bool(own.curves[1][len(own.curves[1]) // 2] > _BRIGHT)


def in_srgb(pixels: Pixels, icc: bytes) -> Pixels:
    """Pixels (H, W, 3) converted from a profile's space to sRGB, of the same dtype."""
    space = transform(icc)
    if space is None:
        return pixels
    out, most = np.empty_like(pixels), np.iinfo(pixels.dtype).max
    rows = max(1, _FEW // pixels.shape[1])
    for top in range(0, len(pixels), rows):
        band = space.to_srgb(pixels[top : top + rows].astype(np.float32) / np.float32(most))
        out[top : top + rows] = np.rint(np.clip(band, 0, 1) * most)
    return out


def _nearly_srgb(own: MatrixProfile) -> bool:
    shown = srgb_values(own.curves[1])
    return bool(np.abs(shown - np.linspace(0, 1, len(shown))).mean() < _NEAR / 255)


def _is_sound(own: MatrixProfile) -> bool:
    return bool(abs(np.linalg.det(own.matrix)) > 1e-4)


def _is_srgb(icc: bytes) -> bool:
    """True if a profile maps all colours to themselves in sRGB, whatever its name."""
    from PIL import Image, ImageCms

    steps = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(27, 27, 3)
    own = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    engine = ImageCms.buildTransform(own, _srgb(), "RGB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    seen = ImageCms.applyTransform(Image.fromarray(grid), engine)
    assert seen is not None
    return bool(np.abs(np.asarray(seen).astype(int) - grid).max() <= _NEAR)


def refitted(icc: bytes, grey: bool) -> bytes:
    """A profile with the same curve for `grey` or for colour pixels; empty if the curve is nearly sRGB's or unknown."""
    own = read_matrix(icc)
    return b"" if own is None or _nearly_srgb(own) else matrix_profile(BT709, own.curves[1], "Curve", grey)


def _srgb() -> Any:
    from PIL import ImageCms

    return ImageCms.createProfile("sRGB")


def _table(source: Any, target: Any) -> npt.NDArray[np.float32]:
    """Lookup table (33, 33, 33, 3), float32 in [0, 1], indexed by red, green, blue."""
    from PIL import Image, ImageCms

    steps = np.linspace(0, 255, _NODES)
    # Nodes lie between 8-bit values; the two neighbours of each are looked up and interpolated.
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


def _in_bands(
    pixels: npt.NDArray[np.float32], change: Callable[[npt.NDArray[np.float32]], npt.NDArray[Any]]
) -> npt.NDArray[np.float32]:
    out = np.empty_like(pixels)
    rows = max(1, _FEW // pixels.shape[1])
    for top in range(0, len(pixels), rows):
        out[top : top + rows] = change(np.clip(pixels[top : top + rows], 0, 1))
    return out


def _look_up(table: npt.NDArray[np.float32], pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    out = np.empty_like(pixels)
    for top in range(0, pixels.shape[0], _BAND):
        band = np.clip(pixels[top : top + _BAND], 0, 1) * (_NODES - 1)
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
        out[top : top + _BAND] = total
    return out
