"""TIFFs written by hand for tests: any depth, kind and number of samples, in strips or tiles, planes or pixels, in any
compression that libtiff has."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

NAMES = {1: "raw", 5: "tiff_lzw", 8: "tiff_adobe_deflate", 32773: "packbits", 32946: "tiff_deflate"}
LATER = {34925: "lzma", 50000: "zstd"}


def compressed(raw: bytes, line: int, compression: int) -> bytes:
    """One segment, by libtiff."""
    if compression == 1:
        return raw
    out = io.BytesIO()
    picture = Image.frombytes("L", (line, len(raw) // line), raw)
    name = (NAMES | LATER)[compression]
    picture.save(out, "TIFF", compression=name, tiffinfo={278: picture.height, 317: 1})
    made = Image.open(io.BytesIO(out.getvalue()))
    (at,), (count,) = made.tag_v2[273], made.tag_v2[279]  # type: ignore[attr-defined]
    return out.getvalue()[at : at + count]


def packed(values: npt.NDArray[Any], bits: int, order: str) -> bytes:
    """(rows, width, channels) as bytes, every row from a whole byte on."""
    if bits in (8, 16, 32, 64):
        return values.astype(f"{order}{values.dtype.kind}{bits // 8}").tobytes()
    places = (values.astype(np.uint64)[..., None] >> np.arange(bits - 1, -1, -1, dtype=np.uint64)) & 1
    return np.packbits(places.astype(np.uint8).reshape(len(values), -1), axis=1).tobytes()


def tiff_of(
    samples: npt.NDArray[Any],
    photometric: int,
    *,
    bits: int = 0,
    extra: tuple[int, ...] | None = None,
    planar: bool = False,
    compression: int = 1,
    predictor: int = 1,
    rows: int = 0,
    tile: tuple[int, int] | None = None,
    order: str = "<",
    tags: dict[int, tuple[int, tuple[int, ...]]] | None = None,
) -> bytes:
    """(H, W, C) samples as one page; `extra` the values of ExtraSamples, `tags` further ones as (type, values)."""
    height, width, channels = samples.shape
    bits = bits or 8 * samples.dtype.itemsize
    down, across = tile or (rows or height, width)
    planes = [samples[..., n : n + 1] for n in range(channels)] if planar else [samples]
    segments = []
    for plane in planes:
        for top in range(0, height, down):
            for left in range(0, width, across):
                part = plane[top : top + down, left : left + across]
                if tile:
                    part = np.pad(part, ((0, down - part.shape[0]), (0, across - part.shape[1]), (0, 0)))
                if predictor == 2:
                    part = np.diff(part, axis=1, prepend=np.zeros_like(part[:, :1]))
                raw = packed(part, bits, order)
                segments.append(compressed(raw, len(raw) // len(part), compression))
    kind = {"u": 1, "i": 2, "f": 3, "c": 6}[samples.dtype.kind]
    entries: dict[int, tuple[int, tuple[int, ...]]] = {
        256: (4, (width,)),
        257: (4, (height,)),
        258: (3, (bits,) * channels),
        259: (3, (compression,)),
        262: (3, (photometric,)),
        277: (3, (channels,)),
        284: (3, (2 if planar else 1,)),
        317: (3, (predictor,)),
        339: (3, (kind,) * channels),
    }
    if extra is not None:
        entries[338] = (3, extra)
    starts = np.cumsum([8, *(len(s) + len(s) % 2 for s in segments)]).tolist()
    places, counts = (324, 325) if tile else (273, 279)
    entries[places] = (4, tuple(starts[:-1]))
    entries[counts] = (4, tuple(len(s) for s in segments))
    if tile:
        entries |= {322: (4, (across,)), 323: (4, (down,))}
    else:
        entries[278] = (4, (down,))
    entries |= tags or {}
    directory, behind = b"", b""
    end = starts[-1] + 2 + 12 * len(entries) + 4
    for tag in sorted(entries):
        form, values = entries[tag]
        data = struct.pack(f"{order}{len(values)}{'?BBHI'[form]}", *values)
        if len(data) > 4:
            place = struct.pack(f"{order}I", end + len(behind))
            behind += data + bytes(len(data) % 2)
        else:
            place = data.ljust(4, b"\0")
        directory += struct.pack(f"{order}HHI", tag, form, len(values)) + place
    body = b"".join(s + bytes(len(s) % 2) for s in segments)
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, starts[-1])
    return head + body + struct.pack(f"{order}H", len(entries)) + directory + bytes(4) + behind
