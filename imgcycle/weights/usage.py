"""Settings of weights: from the index, else from their own card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from imgcycle.weights.find import FoundStyle, index_entry


@dataclass(frozen=True)
class Usage:
    """None if unknown, `strokes_luma` False. `work_size` in pixels, the rest shares 0..1 and, for `calm`, pixels."""

    work_size: int | None = None
    detail: float | None = None
    strokes: float | None = None
    strokes_detail: float | None = None
    strokes_calm: float | None = None
    strokes_luma: bool = False


def usage_of(found: FoundStyle, card: dict[str, Any], digest: str) -> Usage:
    """Settings from a style's index entry, else from one of the same weights, else from its card."""
    entry = found.entry or index_entry(digest)
    said = card.get("strokes")
    fine = said if isinstance(said, dict) else {}
    work_size = (entry.work_size if entry else None) or _number(card.get("work_size"), 16, 65536)
    detail = entry.detail if entry and entry.detail is not None else _number(card.get("detail"), 0, 1)
    strokes = entry.strokes if entry and entry.strokes is not None else _number(fine.get("share"), 0, 1)
    return Usage(
        int(work_size) if work_size else None,
        None if detail is None else float(detail),
        None if strokes is None else float(strokes),
        _number(fine.get("detail"), 0, 1),
        _number(fine.get("calm"), 0, 64),
        fine.get("luma") is True,
    )


def _number(value: Any, low: float, high: float) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    return float(value) if good else None
