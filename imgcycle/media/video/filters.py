"""ffmpeg filters between a clip's pixel format and full-range RGB, in both directions, as exact as possible.

zscale (zimg) is used wherever possible: measured on 343 flat colours through 4:2:0 it is at most 2 levels off at 8 bits
and exact at 10, where swscale is 4 to 8 off.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from imgcycle.media.video.probing.clip import Clip, Colour, usual_matrix
from imgcycle.media.video.probing.pixel_formats import Chroma

_MATRICES = {
    "bt709": "bt709",
    "smpte170m": "smpte170m",
    "bt470bg": "bt470bg",
    "smpte240m": "smpte240m",
    "fcc": "fcc",
    "bt2020nc": "bt2020nc",
    "bt2020c": "bt2020c",
    "ycgco": "ycgco",
    "ictcp": "ictcp",
    "chroma-derived-nc": "chroma-nc",
    "chroma-derived-c": "chroma-c",
}
"""ffmpeg's names of matrices, and zscale's."""

_WIDE = {"bt2020": "2020", "smpte432": "smpte432", "smpte431": "smpte431"}
"""Primaries so much wider than bt709's that colours would look pale if taken for bt709."""

_OF_FEW_LINES = ("smpte170m", "bt470bg")
"""Matrices of SD, which players take for granted there and nowhere else."""
_WHITE_NITS = 203
"""Diffuse white of HDR in cd/m² (ITU-R BT.2408), which becomes 1.0 in SDR before tone mapping."""
_USUAL_PEAK = 1000
_KNEE = 0.3
"""Share of white below which tone mapping leaves light unchanged."""


_FLAGS = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
"""What makes swscale exact."""


class CodedFrames(Protocol):
    """Size and colours of frames as they are stored."""

    @property
    def width(self) -> int:
        """Pixels of a line."""
        ...

    @property
    def height(self) -> int:
        """Lines."""
        ...

    @property
    def chroma(self) -> Chroma:
        """Chroma subsampling."""
        ...

    @property
    def colour(self) -> Colour:
        """Matrix, range, primaries and transfer."""
        ...


def to_rgb(clip: CodedFrames, width: int, height: int, *, deep: bool) -> str:
    """Filter chain from decoded, upright frames to packed RGB of a size, 8 or 16 bits.

    SDR gamma is kept; PQ and HLG are mapped to bt709, wide primaries converted to bt709's.
    """
    packed, planar = ("rgb48le", "gbrp16le") if deep else ("rgb24", "gbrp")
    colour = clip.colour
    scaled = (width, height) != (clip.width, clip.height)
    size = f"w={width}:h={height}:filter={'spline36' if scaled else 'bicubic'}"
    matrix = _MATRICES.get(colour.matrix)
    if colour.matrix == "gbr" or matrix is None or not _whole_chroma(clip):
        return _by_swscale(clip, width, height, packed)
    source = f"min={matrix}:rin={'full' if colour.range == 'pc' else 'limited'}"
    if colour.is_hdr:
        peak = max(1.0, (colour.peak or _USUAL_PEAK) / _WHITE_NITS)
        return (
            f"zscale={source}:tin={colour.transfer}:pin=2020:t=linear:npl={_WHITE_NITS}:{size},format=gbrpf32le,"
            f"zscale=p=bt709,tonemap=mobius:param={_KNEE}:desat=0:peak={peak:.3f},"
            f"zscale=t=bt709:m=gbr:r=full,format={planar},format={packed}"
        )
    if colour.primaries in _WIDE:
        transfer = colour.transfer if colour.transfer in ("bt709", "iec61966-2-1") else "bt709"
        source += f":tin={transfer}:pin={_WIDE[colour.primaries]}:t={transfer}:p=bt709"
    return f"zscale={source}:m=gbr:r=full:{size},format={planar},format={packed}"


class StoredPlanes(NamedTuple):
    """How planes of luma and half-size colour hold 8-bit SDR: ffmpeg's name of the matrix, and whether 0 is black."""

    matrix: str
    full: bool


def stored_planes(clip: Clip, width: int, height: int) -> StoredPlanes | None:
    """The planes of a clip's frames if results of this size can be written as such: 4:2:0 of 8 bits and even sides,
    not reduced, in colours that need no other conversion, and a matrix that players expect of the size.
    """
    colour = clip.colour
    known = clip.pixel_format in ("yuv420p", "yuvj420p", "nv12") and (width, height) == (clip.width, clip.height)
    plain = not colour.is_hdr and colour.primaries not in _WIDE and not (width % 2 or height % 2)
    if not (known and plain and (colour.matrix == "bt709" or colour.matrix in _OF_FEW_LINES)):
        return None
    if colour.matrix != "bt709" and usual_matrix(height) == "bt709":
        return None
    return StoredPlanes(colour.matrix, colour.range == "pc")


def to_planes(width: int, height: int) -> str:
    """Filter chain from decoded, upright frames to planes of their own levels, colour at the left of two pixels."""
    # Neither does anything to frames of this size and siting, which is the usual one.
    return f"scale=w={width}:h={height},zscale=c=left,format=yuv420p|yuvj420p"


def tagged(matrix: str) -> str:
    """Filter that names the colours of limited-range planes."""
    return f"setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace={matrix}"


def to_bt709(pixel_format: str, width: int, height: int) -> str:
    """Filter chain from packed RGB to tagged, limited-range bt709 in a pixel format."""
    tags = tagged("bt709")
    if "420" in pixel_format and (width % 2 or height % 2):
        return f"scale=out_color_matrix=bt709:out_range=tv:flags={_FLAGS},format={pixel_format},{tags}"
    return (
        "zscale=min=gbr:rin=full:pin=bt709:tin=bt709:m=bt709:r=limited:p=bt709:t=bt709:filter=bicubic,"
        f"format={pixel_format},{tags}"
    )


def to_untagged(frames: CodedFrames, pixel_format: str, siting: str) -> str:
    """Filter chain from packed RGB to a pixel format with the range and matrix of `frames`, and without tags.

    `siting` says where chroma samples lie, in zscale's words.
    """
    matrix, full = frames.colour.matrix, frames.colour.range == "pc"
    if not _whole_chroma(frames):
        scaled = f"out_color_matrix={matrix}:out_range={frames.colour.range}:out_chroma_loc={siting}"
        return f"scale={scaled}:flags={_FLAGS},format={pixel_format}"
    levels = "full" if full else "limited"
    return f"zscale=min=gbr:rin=full:m={matrix}:r={levels}:c={siting}:filter=bicubic,format={pixel_format}"


def _whole_chroma(clip: CodedFrames) -> bool:
    """True if zimg accepts the size: it does not support partial chroma samples."""
    wide = clip.chroma in ("420", "422", "other")
    return not (wide and clip.width % 2) and not (clip.chroma in ("420", "other") and clip.height % 2)


def _by_swscale(clip: CodedFrames, width: int, height: int, packed: str) -> str:
    source = f"in_range={clip.colour.range}:out_range=pc:flags={_FLAGS}"
    if clip.colour.matrix in ("bt709", "smpte170m", "bt470bg", "smpte240m", "fcc", "bt2020nc"):
        source += f":in_color_matrix={clip.colour.matrix.replace('nc', '')}"
    return f"scale=w={width}:h={height}:{source},format={packed}"
