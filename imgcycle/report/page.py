"""Parts shared by all HTML pages: one self-contained file, with styles, script and images inside it.

Nothing is fetched, which a page's own content security policy enforces: it opens from a disk, a mail or a server alike.
Its look is in `.css`, its behaviour in `.js` files beside this one, inserted unchanged.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Self

from imgcycle._version import __version__
from imgcycle.media.image.thumbnails import Levels, webp_bytes


@dataclass(frozen=True)
class PagePicture:
    """A picture encoded for a page: its address, which holds all of it, and its size in pixels."""

    url: str
    width: int
    height: int

    @classmethod
    def of(cls, pixels: Levels) -> Self:
        """Encode uint8 (h, w, 3) in sRGB."""
        return cls.encoded(webp_bytes(pixels), pixels.shape[1], pixels.shape[0])

    @classmethod
    def encoded(cls, data: bytes, width: int, height: int) -> Self:
        """An image already encoded as WebP."""
        return cls(f"data:image/webp;base64,{base64.b64encode(data).decode()}", width, height)

    def tag(self, kind: str, alt: str, hidden: bool = False, more: str = "") -> str:
        """An image element of the class `kind`; `alt` is HTML already, and so are further attributes in `more`."""
        return (
            f'<img class="{kind}" alt="{alt}" width="{self.width}" height="{self.height}" decoding="async" '
            f'draggable="false"{more}{" hidden" if hidden else ""} src="{self.url}">\n'
        )


def page_head(title: str, styles: Sequence[str], scripts: Sequence[str]) -> str:
    """A page up to the beginning of its body: `title` is plain text, the others name files without `.css` and `.js`."""
    script = "".join(_own(f"{name}.js") for name in scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    policy = f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="imgcycle {__version__}">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>
{"".join(_own(f"{name}.css") for name in styles)}</style>
<script>{script}</script>
</head>
<body>
"""


def page_end(credits: Sequence[str] = ()) -> str:
    """The foot of a page with a line of plain text for each credit, and its end."""
    lines = "\n".join(f"<p>{escape(line)}</p>" for line in credits)
    return f"<footer>\n{lines}\n<p>Made with imgcycle {__version__}.</p>\n</footer>\n</body>\n</html>\n"


def divided_view(before: str, after: str, name: str, right: str) -> str:
    """A divider to drag between two images, all HTML; `name` is the picture's, `right` what is after."""
    label = f"{name}: divider between before and after"
    return f"""<div class="view">
{after}{before}<input type="range" min="0" max="100" step="any" value="50" aria-label="{label}" \
aria-valuetext="50 % before, 50 % after" autocomplete="off">
<span class="divider" aria-hidden="true"></span>
<span class="tag left" aria-hidden="true">Before</span>
<span class="tag right" aria-hidden="true">{right}</span>
</div>
"""


def choice(legend: str, names: Sequence[str], group: str, kind: str) -> str:
    """Radios for which of several is shown, none for a single one; all words are HTML already."""
    if len(names) < 2:
        return ""
    radios = "".join(
        f'<label><input type="radio" name="{group}" value="{n}" autocomplete="off"'
        f"{' checked' if n == 0 else ''}>{name}</label>"
        for n, name in enumerate(names)
    )
    return f'<fieldset class="choice {kind}"><legend>{legend}</legend>{radios}</fieldset>'


@functools.cache
def _own(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")
