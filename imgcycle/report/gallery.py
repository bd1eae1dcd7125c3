"""One HTML page of dividers between before and after, whole in itself."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import IO

from imgcycle.media.image.thumbnails import Levels
from imgcycle.report.comparisons import Comparison, Missing, ReportPage
from imgcycle.report.page import PagePicture, choice, divided_view, page_end, page_head

LONGEST = 1600
"""Pixels of an image's longest side: a laptop's screen, and a phone's at its own density."""


class Gallery:
    """Writes the page to a file: its head, then image after image, then its foot.

    Only one comparison's images are in memory at a time.
    """

    def __init__(self, file: IO[bytes], page: ReportPage) -> None:
        self._file, self._page = file, page
        self._count = 0
        self._write(_head(page))

    def add(self, comparison: Comparison, pictures: Sequence[Levels]) -> None:
        """Add a comparison: `pictures` are its input and its results, in order."""
        self._count += 1
        self._write(_figure(comparison, pictures, self._count))

    def finish(self, missing: Sequence[Missing]) -> None:
        """Write the missing images, the credits, and the end."""
        credits = [credit.line for credit in self._page.credits]
        self._write(f"</main>\n{_missing(missing)}{page_end(credits)}")

    def _write(self, text: str) -> None:
        # A lone surrogate is an undecodable byte of a name that was not escaped elsewhere.
        self._file.write(text.encode("utf-8", "backslashreplace"))


def _head(page: ReportPage) -> str:
    styles = ", ".join(page.styles)
    head = page_head(f"{page.title} · {styles}", ("page", "divider", "gallery"), ("divider", "gallery"))
    return f"""{head}<header>
<h1>{escape(page.title)}</h1>
<p>Before and after: {escape(styles)}</p>
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
        PagePicture.of(made).tag("after", f"{name}, after: {style}", hidden=n > 0)
        for n, (style, made) in enumerate(zip(styles, pictures[1:], strict=True))
    ]
    before = PagePicture.of(pictures[0]).tag("before", f"{name}, before")
    return f"""<figure style="--ratio: {width / height:.4f}; --wide: {width}px">
{divided_view(before, "".join(images), name, styles[0])}\
<figcaption><span>{name}</span>{choice("Style", styles, f"style-{number}", "styles")}</figcaption>
</figure>
"""


def _missing(missing: Sequence[Missing]) -> str:
    if not missing:
        return ""
    items = "\n".join(f"<li>{escape(one.title)}: {escape(one.reason)}</li>" for one in missing)
    return f'<section class="missing">\n<h2>Not shown</h2>\n<ul>\n{items}\n</ul>\n</section>\n'
