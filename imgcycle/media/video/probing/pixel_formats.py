"""Properties encoded in the names of ffmpeg's pixel formats."""

from __future__ import annotations

import re
from typing import Literal

Chroma = Literal["420", "422", "444", "other"]

_DEPTH = re.compile(r"(?:p|p0|p2|p4|y2|xv|v4|gray|rgb|bgr|gbr|msb|xyz)(9|10|12|14|16|30|36|48)(?:msb)?(?:le|be)$")
_PACKED = {"48": 16, "30": 10, "36": 12}
_ALPHA = ("yuva", "gbrap", "rgba", "bgra", "argb", "abgr", "ya8", "ya16", "vuya", "ayuv", "pal8")
_BITS_420 = ("nv12", "nv21", "p010", "p012", "p016")
_BITS_422 = ("nv16", "nv20", "p210", "p212", "p216", "yuyv", "uyvy", "yvyu", "y210", "y212", "y216")


def is_rgb(name: str) -> bool:
    """True for RGB formats."""
    return name.startswith(("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "x2rgb", "x2bgr", "pal8", "bayer"))


def is_grey_format(name: str) -> bool:
    """True for grey formats, with or without alpha."""
    return name.startswith(("gray", "mono", "ya8", "ya16"))


def is_full_range(name: str) -> bool:
    """True if the format implies full range."""
    return name.startswith("yuvj") or is_rgb(name) or is_grey_format(name)


def carries_alpha(name: str) -> bool:
    """True if the format has, or can have, alpha."""
    return name.startswith(_ALPHA)


def depth_of(name: str) -> int:
    """Bits a channel; floating-point formats count as 16."""
    if name.startswith(("rgba64", "bgra64", "ya16", "ayuv64")) or "f16" in name or "f32" in name:
        return 16
    if name.startswith(("x2rgb10", "x2bgr10")):
        return 10
    match = _DEPTH.search(name)
    if match is None:
        return 8
    return _PACKED.get(match[1], int(match[1]))


def chroma_of(name: str) -> Chroma:
    """Chroma subsampling."""
    if "420" in name or name.startswith(_BITS_420):
        return "420"
    if "422" in name or name.startswith(_BITS_422):
        return "422"
    return "444" if "444" in name or is_rgb(name) or name.startswith(("nv24", "p410", "p412", "p416")) else "other"
