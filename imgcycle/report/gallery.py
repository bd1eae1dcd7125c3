"""One HTML page of dividers between before and after, whole in itself: styles, script and pictures are inside it.

Nothing is fetched, which the page's own content policy enforces: it opens from a disk, a mail or a server alike. What
moves on it stands in `gallery.js`, what it looks like in `gallery.css`, both put in as they are.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import IO

from imgcycle._version import __version__
from imgcycle.media.image.thumbnails import Levels, webp_bytes
from imgcycle.report.comparisons import Comparison, Missing, ReportPage

LONGEST = 1600
"""Pixels of a picture's longest side: a laptop's screen, and a phone's at its own density."""


class Gallery:
    """The page on its way into a file: its head, then picture after picture, then its foot.

    Only one comparison's pictures are in memory at a time.
    """

    def __init__(self, file: IO[bytes], page: ReportPage) -> None:
        self._file, self._page = file, page
        self._count = 0
        self._write(_head(page))

    def add(self, comparison: Comparison, pictures: Sequence[Levels]) -> None:
        """Hang one: `pictures` are its input and its results, in order."""
        self._count += 1
        self._write(_figure(comparison, pictures, self._count))

    def finish(self, missing: Sequence[Missing]) -> None:
        """Write what is missing, whose styles these are, and the end."""
        self._write(f"</main>\n{_missing(missing)}{_foot(self._page)}</body>\n</html>\n")

    def _write(self, text: str) -> None:
        # A lone surrogate is an undecodable byte of a name that was escaped nowhere else.
        self._file.write(text.encode("utf-8", "backslashreplace"))


def _own(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")


def _head(page: ReportPage) -> str:
    script = _own("gallery.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    policy = f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
    title, styles = escape(page.title), escape(_listed(page.styles))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="imgcycle {__version__}">
<link rel="icon" href="data:,">
<title>{title} · {styles}</title>
<style>
{_own("gallery.css")}</style>
<script>{script}</script>
</head>
<body>
<header>
<h1>{title}</h1>
<p>Before and after: {styles}</p>
<p class="hint">Drag across a picture<span class="keys">, or use the arrow keys; \
n and p go from picture to picture</span>.</p>
</header>
<main>
"""


def _figure(comparison: Comparison, pictures: Sequence[Levels], number: int) -> str:
    name = escape(comparison.title)
    height, width = pictures[0].shape[:2]
    styles = [escape(style) for style, _ in comparison.after]
    images = [
        _image(made, "after", f"{name}, after: {style}", hidden=n > 0)
        for n, (style, made) in enumerate(zip(styles, pictures[1:], strict=True))
    ]
    label = f"{name}: divider between before and after"
    return f"""<figure style="--ratio: {width / height:.4f}; --wide: {width}px">
<div class="view">
{"".join(images)}{_image(pictures[0], "before", f"{name}, before")}\
<input type="range" min="0" max="100" step="any" value="50" aria-label="{label}" \
aria-valuetext="50 % before, 50 % after" autocomplete="off">
<span class="divider" aria-hidden="true"></span>
<span class="tag left" aria-hidden="true">Before</span>
<span class="tag right" aria-hidden="true">{styles[0]}</span>
</div>
<figcaption><span>{name}</span>{_choice(styles, number)}</figcaption>
</figure>
"""


def _choice(styles: Sequence[str], number: int) -> str:
    """Which of several results is shown."""
    if len(styles) < 2:
        return ""
    radios = "".join(
        f'<label><input type="radio" name="style-{number}" value="{n}" autocomplete="off"'
        f"{' checked' if n == 0 else ''}>{style}</label>"
        for n, style in enumerate(styles)
    )
    return f'<fieldset class="styles"><legend>Style</legend>{radios}</fieldset>'


def _image(pixels: Levels, kind: str, alt: str, hidden: bool = False) -> str:
    height, width = pixels.shape[:2]
    data = base64.b64encode(webp_bytes(pixels)).decode()
    return (
        f'<img class="{kind}" alt="{alt}" width="{width}" height="{height}" decoding="async" draggable="false"'
        f'{" hidden" if hidden else ""} src="data:image/webp;base64,{data}">\n'
    )


def _missing(missing: Sequence[Missing]) -> str:
    if not missing:
        return ""
    items = "\n".join(f"<li>{escape(one.title)}: {escape(one.reason)}</li>" for one in missing)
    return f'<section class="missing">\n<h2>Not shown</h2>\n<ul>\n{items}\n</ul>\n</section>\n'


def _foot(page: ReportPage) -> str:
    credits = "\n".join(f"<p>{escape(credit.line)}</p>" for credit in page.credits)
    return f"<footer>\n{credits}\n<p>Made with imgcycle {__version__}.</p>\n</footer>\n"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
