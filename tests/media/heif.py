"""A HEIC file made of one HEVC picture (ISO/IEC 23008-12), since no library at hand writes any."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy.typing as npt


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def heic(pixels: npt.NDArray[Any], folder: Path, exif: bytes = b"", rotation: int = 0) -> bytes:
    """A HEIC of (H, W, 3) uint8; `rotation` counts quarter turns anticlockwise that a reader is to apply."""
    height, width = pixels.shape[:2]
    clip = folder / "one.mp4"
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        *("-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-i", "-"),
        *("-frames:v", "1", "-c:v", "libx265", "-x265-params", "qp=4:log-level=none:info=0", "-pix_fmt", "yuv420p"),
        *("-tag:v", "hvc1", str(clip)),
    ]
    subprocess.run(command, input=pixels.tobytes(), check=True, capture_output=True)
    data = clip.read_bytes()
    at = data.index(b"hvcC") - 4
    configuration = data[at : at + struct.unpack_from(">I", data, at)[0]]
    media = data.index(b"mdat") - 4
    sample = data[media + 8 : media + struct.unpack_from(">I", data, media)[0]]
    items = [sample] + ([struct.pack(">I", 0) + exif] if exif else [])

    def meta(start: int) -> bytes:
        places, entries = [], []
        for number, item in enumerate(items, 1):
            places.append(struct.pack(">HHHII", number, 0, 1, start, len(item)))
            start += len(item)
            kind = b"hvc1" if number == 1 else b"Exif"
            entries.append(full(b"infe", struct.pack(">HH4s", number, 0, kind), b"\0", version=2))
        properties = [configuration, full(b"ispe", struct.pack(">II", width, height))]
        used = [0x81, 2]
        if rotation:
            properties.append(box(b"irot", bytes([rotation])))
            used.append(0x83)
        references = full(b"iref", box(b"cdsc", struct.pack(">HHH", 2, 1, 1))) if exif else b""
        return full(
            b"meta",
            full(b"hdlr", struct.pack(">I4s12x", 0, b"pict"), b"\0"),
            full(b"pitm", struct.pack(">H", 1)),
            full(b"iloc", bytes([0x44, 0]), struct.pack(">H", len(items)), *places),
            full(b"iinf", struct.pack(">H", len(items)), *entries),
            references,
            box(
                b"iprp",
                box(b"ipco", *properties),
                full(b"ipma", struct.pack(">IHB", 1, 1, len(used)), bytes(used)),
            ),
        )

    head = box(b"ftyp", b"heic", struct.pack(">I", 0), b"mif1", b"heic")
    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + box(b"mdat", *items)
