"""ICC profiles of curves and primaries (ICC.1:2010, section 8.3): reading, and making them from other colour tags.

These are PNG's gAMA, cHRM and cICP chunks, and the code points (ITU-T H.273) that AVIF and HEIC also hold.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Curve = npt.NDArray[np.float64]
"""Light, 0 to 1, at evenly spaced values from 0 to 1."""
_STEPS = 4096
_AT = np.linspace(0, 1, _STEPS + 1)
_D50 = np.array([0.9642, 1.0, 0.8249])
_D65 = (0.3127, 0.3290)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_PAPER_WHITE = 203 / 10000
"""Light of paper white, as a share of the 10,000 cd/m² that PQ reaches (ITU-R BT.2408)."""


@dataclass(frozen=True, eq=False)
class MatrixProfile:
    """Three tone curves to linear light, and the matrix from there to XYZ (D50); columns for red, green and blue.

    A grey profile has one curve three times, and sRGB's matrix.
    """

    matrix: npt.NDArray[np.float64]
    curves: tuple[Curve, Curve, Curve]

    def to_light(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Convert values (H, W, 3) in [0, 1] to linear light."""
        return np.stack([np.interp(pixels[..., n], _AT, self.curves[n]) for n in range(3)], -1)

    def from_light(self, light: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Convert linear light to values in [0, 1]."""
        # Where a curve is flat any value would do; the first is taken.
        back = [np.interp(light[..., n], *_rising(self.curves[n])) for n in range(3)]
        return np.stack(back, -1).astype(np.float32)


def _rising(curve: Curve) -> tuple[Curve, Curve]:
    rising = np.maximum.accumulate(curve)
    first = np.r_[True, rising[1:] > rising[:-1]]
    return rising[first], _AT[first]


def srgb_curve(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """sRGB values to linear light (IEC 61966-2-1)."""
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def srgb_values(light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Linear light to sRGB values."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)


def read_matrix(icc: bytes) -> MatrixProfile | None:
    """Curves and primaries of a profile; None for a table-based or damaged one."""
    try:
        return _read_matrix(icc)
    except (struct.error, IndexError, ValueError, ZeroDivisionError, OverflowError):
        return None


def _read_matrix(icc: bytes) -> MatrixProfile | None:
    tags = {}
    for n in range(min(struct.unpack_from(">I", icc, 128)[0], 100)):
        name, at, size = struct.unpack_from(">4sII", icc, 132 + 12 * n)
        tags[name] = icc[at : at + size]
    if icc[16:20] == b"GRAY":
        if b"kTRC" not in tags:
            return None
        curve = _read_curve(tags[b"kTRC"])
        return MatrixProfile(SRGB.matrix, (curve, curve, curve))
    if icc[16:20] != b"RGB " or icc[20:24] != b"XYZ " or b"A2B0" in tags:
        return None
    names = [(colour + b"XYZ", colour + b"TRC") for colour in (b"r", b"g", b"b")]
    if not all(name in tags for pair in names for name in pair):
        return None
    columns = [np.array(struct.unpack_from(">3i", tags[column], 8)) / 65536 for column, _ in names]
    red, green, blue = (_read_curve(tags[name]) for _, name in names)
    return MatrixProfile(np.stack(columns, 1), (red, green, blue))


def _read_curve(data: bytes) -> Curve:
    """A curveType or parametricCurveType (sections 10.5 and 10.15)."""
    if data[:4] == b"curv":
        count = struct.unpack_from(">I", data, 8)[0]
        if count < 2:
            return _AT ** (struct.unpack_from(">H", data, 12)[0] / 256) if count else _AT
        table = np.array(struct.unpack_from(f">{min(count, 65536)}H", data, 12)) / 65535
        return np.interp(_AT, np.linspace(0, 1, len(table)), table)
    if data[:4] != b"para":
        raise ValueError("no curve")
    kind = struct.unpack_from(">H", data, 8)[0]
    given = struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", data, 12)
    g, a, b, c, d, e, f = (n / 65536 for n in (*given, *[0] * (7 - len(given))))
    if kind == 0:
        a, b, c, d, e, f = 1, 0, 0, 0, 0, 0
    elif kind in (1, 2):
        # Constant below −b / a.
        c, d, e, f = 0, -b / a, c, c
    above = np.maximum(a * _AT + b, 0) ** g + e
    curve: Curve = np.clip(np.where(d <= _AT, above, c * _AT + f), 0, 1)
    return curve


def matrix_profile(primaries: Primaries, curve: Curve, name: str, grey: bool = False) -> bytes:
    """ICC profile of chromaticities (red, green, blue, white) and one curve; with `grey` the curve alone."""

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))

    table = np.rint(np.interp(np.linspace(0, 1, 1025), _AT, curve) * 65535).astype(">u2")
    linear = bool(np.abs(curve - _AT).max() < 1e-6)
    drawn = b"curv\0\0\0\0" + (bytes(4) if linear else struct.pack(">I", len(table)) + table.tobytes())
    text = name.encode("ascii", "replace")
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(78),
        b"cprt": b"text\0\0\0\0No copyright\0",
        b"wtpt": b"XYZ \0\0\0\0" + fixed(*_D50),
    }
    if grey:
        tags[b"kTRC"] = drawn
    else:
        matrix = _to_d50(primaries)
        for n, colour in enumerate((b"r", b"g", b"b")):
            tags[colour + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(*matrix[:, n])
            tags[colour + b"TRC"] = drawn
    directory, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for tag, data in tags.items():
        # The three curve tags share one copy of the data.
        found = body.find(data) if data is drawn else -1
        at = len(body) if found < 0 else found
        directory += tag + struct.pack(">II", start + at, len(data))
        body += b"" if found >= 0 else data + bytes(-len(data) % 4)
    size = 128 + len(directory) + len(body)
    head = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, b"mntr", b"GRAY" if grey else b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(*_D50)
    return head.ljust(128, b"\0") + directory + body


Primaries = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
"""Chromaticities x, y of red, green, blue and white."""


def _to_d50(primaries: Primaries) -> npt.NDArray[np.float64]:
    """Matrix from linear light to XYZ, white adapted to D50 (ICC.1:2010, annex E)."""
    points = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries])
    white = points[3]
    cones = np.linalg.solve(_BRADFORD, np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white)) @ _BRADFORD)
    columns = points[:3].T
    matrix: npt.NDArray[np.float64] = cones @ (columns * np.linalg.solve(columns, white))
    return matrix


BT709: Primaries = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65)
SRGB = MatrixProfile(_to_d50(BT709), (srgb_curve(_AT),) * 3)
_PRIMARIES: dict[int, Primaries] = {
    1: BT709,
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), (0.310, 0.316)),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
}
"""ITU-T H.273, table 2."""


def _pq(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    root = x ** (32 / 2523)
    light = (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (16384 / 2610)
    return np.minimum(light / _PAPER_WHITE, 1)


def _hlg(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """HLG values to linear light, relative to paper white at three quarters of the values."""
    scene = np.where(x <= 0.5, x**2 / 3, (np.exp((x - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    light = scene**1.2
    return np.minimum(light / np.interp(0.75, x, light), 1)


_CURVES: dict[int, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]] = {
    1: srgb_curve,  # BT.709 is nominally different, but receivers display it nearly like sRGB
    4: lambda x: x**2.2,
    5: lambda x: x**2.8,
    6: srgb_curve,
    8: lambda x: x,
    13: srgb_curve,
    14: srgb_curve,
    15: srgb_curve,
    16: _pq,
    17: lambda x: np.minimum(x**2.6 * 52.37 / 48, 1),
    18: _hlg,
}
"""ITU-T H.273, table 3; light above paper white is clipped."""


def profile_of_codes(primaries: int, transfer: int, grey: bool = False) -> bytes | None:
    """ICC profile of code points; empty for sRGB, None for unspecified or unknown ones."""
    if primaries not in _PRIMARIES or transfer not in _CURVES:
        return None
    curve = _CURVES[transfer]
    if (primaries == 1 or grey) and curve is srgb_curve:
        return b""
    return matrix_profile(_PRIMARIES[primaries], curve(_AT), f"H.273 {primaries} {transfer}", grey)


def profile_of_gamma(gamma: float, primaries: Primaries | None, grey: bool = False) -> bytes | None:
    """ICC profile of PNG's gAMA (light = value ** (1 / gamma)) and cHRM; empty for what is nearly sRGB.

    None for impossible numbers.
    """
    chosen = BT709 if primaries is None else primaries
    usual = abs(gamma - 1 / 2.2) < 0.02
    apart = max(abs(a - b) for one, two in zip(chosen, BT709, strict=True) for a, b in zip(one, two, strict=True))
    if usual and (apart < 0.01 or grey):
        return b""
    if not 0.1 <= gamma <= 10:
        return None
    try:
        return matrix_profile(chosen, _AT ** (1 / gamma), f"PNG gamma {gamma:.5f}", grey)
    except (np.linalg.LinAlgError, ZeroDivisionError, struct.error, ValueError, OverflowError):
        return None


def profile_of_chunks(chunks: Mapping[bytes, bytes], grey: bool) -> bytes | None:
    """ICC profile of PNG's colour chunks other than iCCP; empty for sRGB, None if there are none.

    Precedence (PNG, third edition, section 4.3): cICP, then sRGB, then gAMA.
    """
    codes = chunks.get(b"cICP", b"")
    found = profile_of_codes(codes[0], codes[1], grey) if len(codes) == 4 else None
    if found is not None:
        return found
    if b"sRGB" in chunks:
        return b""
    if len(chunks.get(b"gAMA", b"")) != 4:
        return None
    gamma = struct.unpack(">I", chunks[b"gAMA"])[0] / 100000
    primaries = None
    if len(chunks.get(b"cHRM", b"")) == 32:
        x0, y0, x1, y1, x2, y2, x3, y3 = (n / 100000 for n in struct.unpack(">8I", chunks[b"cHRM"]))
        primaries = ((x1, y1), (x2, y2), (x3, y3), (x0, y0))
    return profile_of_gamma(gamma, primaries, grey)


def profile_of_box(head: bytes, grey: bool) -> bytes | None:
    """ICC profile of the code points in an AVIF or HEIC colour box (ISO/IEC 14496-12, section 12.1.5), as above."""
    at = head.find(b"colrnclx")
    if at < 0 or at + 12 > len(head):
        return None
    primaries, transfer = struct.unpack_from(">HH", head, at + 8)
    return profile_of_codes(primaries, transfer, grey)
