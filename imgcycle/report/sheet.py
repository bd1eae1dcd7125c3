"""A contact sheet: every input beside its results, as one image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw

from imgcycle._version import __version__
from imgcycle.media.image.thumbnails import Levels
from imgcycle.report.comparisons import Comparison, Missing, ReportPage
from imgcycle.report.layout import HEAD, MARGIN, LayoutBox, SheetLayout
from imgcycle.report.lettering import Ink, draw_text, face_for, wrapped

PAPER, INK, FAINT = (250, 249, 247), (38, 38, 42), (110, 108, 105)
_LINE = 24
_NAMED = 3
"""Missing images that are listed by name; a sheet has no space for a long list."""


class Sheet:
    """Draws a contact sheet: comparisons are added one after another, then it is finished."""

    def __init__(self, page: ReportPage, layout: SheetLayout) -> None:
        self.page, self.layout = page, layout
        self._pixels = _paper(layout.height, layout.width)
        self._labels: list[tuple[LayoutBox, str, int]] = []
        self._count = 0

    def add(self, comparison: Comparison, pictures: Sequence[Levels]) -> None:
        """Add a comparison: `pictures` are its input and its results, in order; a missing result leaves a gap."""
        before, *boxes = self.layout.boxes[self._count]
        self._count += 1
        alone = len(self.layout.boxes) == 1
        made = dict(zip((style for style, _ in comparison.after), pictures[1:], strict=True))
        for box, style in zip(boxes, self.page.styles, strict=True):
            if style in made:
                self._draw_image(box, made[style])
            # With many pairs the heading states the style of all right halves once.
            label = "" if style in made and len(boxes) == 1 and not alone else style
            self._labels.append((box, label if style in made else f"{style}: none", box.width))
        self._draw_image(before, pictures[0])
        wide = boxes[0].left + boxes[0].width - before.left if len(boxes) == 1 and not alone else before.width
        self._labels.append((before, "before" if alone else comparison.title, wide))

    def finish(self, missing: Sequence[Missing], more: int = 0) -> Levels:
        """The complete sheet, uint8 (h, w, 3); `more` comparisons did not fit."""
        layout = self.layout
        room = layout.width - 2 * MARGIN
        small = Ink(FAINT, 15)
        said = _footer(self.page, missing, more)
        face = face_for("".join(said), small.size)
        foot = [line for text in said for line in wrapped(text, face, room)]
        below = _paper(MARGIN + _LINE * len(foot), layout.width)
        # Freed at once: a large sheet takes much memory.
        self._pixels = np.concatenate([self._pixels, below])
        image = Image.fromarray(self._pixels)
        self._pixels = below
        draw = ImageDraw.Draw(image)
        draw_text(draw, (MARGIN, MARGIN), self.page.title, Ink(INK, 36), room)
        draw_text(draw, (MARGIN, MARGIN + HEAD - 76), ", ".join(self.page.styles), Ink(FAINT, 22), room)
        for box, text, wide in self._labels:
            draw_text(draw, (box.left, box.top + box.height + 7), text, Ink(FAINT, layout.letters), wide)
        for n, line in enumerate(foot):
            draw_text(draw, (MARGIN, layout.height + _LINE * n), line, small, room, face)
        return np.asarray(image)

    def _draw_image(self, box: LayoutBox, pixels: Levels) -> None:
        """Draw an image centred in its box, as large as it fits; small ones are enlarged to match the other of the
        pair.
        """
        height, width = pixels.shape[:2]
        scale = min(box.width / width, box.height / height)
        size = [max(1, round(width * scale)), max(1, round(height * scale))]
        # A pixel of rounding should not leave a line of paper along an edge.
        for axis, full in enumerate((box.width, box.height)):
            if abs(size[axis] - full) <= 2:
                size[axis] = full
        fitted = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        left, top = box.left + (box.width - size[0]) // 2, box.top + (box.height - size[1]) // 2
        self._pixels[top : top + size[1], left : left + size[0]] = fitted


def _paper(height: int, width: int) -> Levels:
    paper = np.empty((height, width, 3), np.uint8)
    paper[:] = PAPER
    return paper


def _footer(page: ReportPage, missing: Sequence[Missing], more: int) -> list[str]:
    lines = [credit.line for credit in page.credits]
    if more:
        lines.append(f"{more} more have no room here; these are spread over the whole.")
    if missing:
        named = "; ".join(f"{one.title} ({one.reason})" for one in missing[:_NAMED])
        rest = f"; and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        lines.append(f"Not shown: {named}{rest}.")
    return [*lines, f"Made with imgcycle {__version__}."]
