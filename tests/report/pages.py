"""Exhibitions for tests: nothing is read from files, names are as bad as names get."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imgcycle.media.image.thumbnails import Levels
from imgcycle.report.comparisons import Comparison, Credit, Missing, ReportImage, ReportPage

ODD = [
    '"quoted" & <b>.png',
    "<script>alert(1)<!--.png",
    "<img src=x onerror=alert(1)>.png",
    "grün 東京 '.png",
    "{x}%s.png",
]


def plain(value: int, height: int = 40, width: int = 60) -> Levels:
    return np.full((height, width, 3), value, np.uint8)


def report_page(
    titles: list[str], styles: tuple[str, ...] = ("monet",), missing: tuple[Missing, ...] = ()
) -> ReportPage:
    work = ReportImage(Path("nowhere.png"))
    comparisons = tuple(Comparison(title, work, tuple((style, work) for style in styles), 1.5) for title in titles)
    credits = tuple(
        Credit(style, "ab" * 32, "work size 384, detail 0.4", "photograph → painting", "paintings", "CC0 & <free>")
        for style in styles
    )
    return ReportPage("photos", comparisons, credits, missing)
