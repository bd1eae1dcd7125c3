"""Content of a report page: inputs with their results, credits of the styles, and missing images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imgcycle.media.image.read import MAX_PIXELS
from imgcycle.media.image.thumbnails import Levels, read_thumbnail


@dataclass(frozen=True)
class ReportImage:
    """An image to be read when it is needed; its fields are the arguments of `read_thumbnail`."""

    path: Path
    parts: int = 1
    max_pixels: int = MAX_PIXELS
    raw: Literal["none", "preview", "develop"] = "none"

    def read(self, longest: int) -> Levels:
        """uint8 (h, w, 3) in sRGB with no side above `longest`; InputError if it cannot be read."""
        return read_thumbnail(self.path, longest, self.parts, self.max_pixels, self.raw)


@dataclass(frozen=True)
class Comparison:
    """One input and its results."""

    title: str
    """Plain text on one line."""
    before: ReportImage
    after: tuple[tuple[str, ReportImage], ...]
    """Each result with the name of its style."""
    ratio: float = 1.5
    """Width / height of the results."""


@dataclass(frozen=True)
class Credit:
    """Credit of a style: SHA-256 of its weights, settings, data and licence."""

    style: str
    weights: str
    """SHA-256 of the style's weights."""
    settings: str
    """What it was used with, in words."""
    direction: str = ""
    data: str = ""
    """What it was learnt from."""
    licence: str = ""

    @property
    def line(self) -> str:
        """The credit as one line."""
        learnt = f"learnt from {self.data}" if self.data else ""
        parts = (self.direction, self.settings, learnt, self.licence, f"weights {self.weights[:12]}")
        return f"{self.style}: {'; '.join(part for part in parts if part)}"


@dataclass(frozen=True)
class Missing:
    """An input, or its result in one style, that is not shown, and the reason."""

    title: str
    reason: str
    """Why, on one line."""


@dataclass(frozen=True)
class ReportPage:
    """Content of a page: heading, comparisons, credits, and missing images."""

    title: str
    comparisons: tuple[Comparison, ...]
    credits: tuple[Credit, ...]
    missing: tuple[Missing, ...] = ()

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the styles."""
        return tuple(credit.style for credit in self.credits)
