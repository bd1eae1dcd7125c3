"""Images in a terminal: by the protocol given by its environment, else in coloured half blocks.

The terminal's capabilities are taken from its environment alone. Sixel support would have to be queried, and a late
answer would be typed into the shell; so terminals without another protocol get half blocks.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Protocol = Literal["kitty", "iterm", "blocks"]
LONGEST = 720
"""Longest side of a displayed image in pixels."""
_CHUNK = 4096
"""Bytes of an image that kitty accepts at a time."""
_ROWS = 24
"""Most lines of half blocks: the losses stay visible."""


def protocol_of(environment: Mapping[str, str]) -> Protocol | None:
    """Protocol for images in a terminal of this environment; None if there is none."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    # Inside a multiplexer, which draws the terminal itself, images are lost.
    multiplexed = "TMUX" in environment or "STY" in environment or term.startswith(("screen", "tmux"))
    if not multiplexed:
        if term in ("xterm-kitty", "xterm-ghostty") or "KITTY_WINDOW_ID" in environment:
            return "kitty"
        if program in ("iTerm.app", "WezTerm") or environment.get("LC_TERMINAL") == "iTerm2":
            return "iterm"
    return "blocks" if environment.get("COLORTERM", "") in ("truecolor", "24bit") else None


def escaped_picture(path: Path, protocol: Protocol, columns: int) -> str:
    """Escape sequence that displays an image file in a terminal of so many columns; InputError if it cannot be read."""
    from imgcycle.media.image.thumbnails import read_thumbnail

    if protocol == "blocks":
        return half_blocks(read_thumbnail(path, LONGEST), columns)
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(read_thumbnail(path, LONGEST)).save(out, "PNG")
    data = base64.b64encode(out.getvalue()).decode()
    if protocol == "iterm":
        return f"\033]1337;File=inline=1;preserveAspectRatio=1;size={len(out.getvalue())}:{data}\a\n"
    chunks = [data[i : i + _CHUNK] for i in range(0, len(data), _CHUNK)]
    parts = []
    for n, chunk in enumerate(chunks):
        what = "a=T,f=100,q=2," if n == 0 else ""
        parts.append(f"\033_G{what}m={int(n + 1 < len(chunks))};{chunk}\033\\")
    return "".join(parts) + "\n"


def half_blocks(pixels: npt.NDArray[np.uint8], columns: int) -> str:
    """Pixels (h, w, 3) as coloured characters of two pixels each, upper and lower, at most `columns` wide."""
    import cv2

    height, width = pixels.shape[:2]
    scale = min(1.0, columns / width, 2 * _ROWS / height)
    size = max(1, round(width * scale)), 2 * max(1, round(height * scale / 2))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    lines = []
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        cells = (_cell(above, below) for above, below in zip(upper.tolist(), lower.tolist(), strict=True))
        lines.append("".join(cells) + "\033[0m\n")
    return "".join(lines)


def _cell(above: list[int], below: list[int]) -> str:
    upper, lower = (";".join(map(str, colour)) for colour in (above, below))
    return f"\033[38;2;{upper}m\033[48;2;{lower}m▀"
