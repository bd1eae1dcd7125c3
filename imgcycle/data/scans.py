"""Scans of paintings at one scale: pixels per centimetre of canvas, from a table beside or above them."""

from __future__ import annotations

import csv
from pathlib import Path

from imgcycle.errors import UsageError

TABLE = "sources.csv"


class ScanScales:
    """Scale factors of scans for `px_per_cm` pixels per centimetre of canvas.

    The scale of a scan is in the nearest `sources.csv` in its folder or above: columns `file` (relative to the table)
    and `px_per_cm`; other columns are ignored. Scans without an entry are not scaled.
    """

    def __init__(self, px_per_cm: float) -> None:
        self.px_per_cm = px_per_cm
        self._tables: dict[Path, dict[Path, float]] = {}

    def scale_of(self, path: Path) -> float | None:
        """Factor for both sides, never above 1; None if the scale is unknown. UsageError for an invalid table."""
        path = path.resolve()
        for folder in path.parents:
            if folder not in self._tables:
                self._tables[folder] = _read_table(folder / TABLE)
            known = self._tables[folder].get(path)
            if known is not None:
                return min(1.0, self.px_per_cm / known)
        return None


def _read_table(path: Path) -> dict[Path, float]:
    if not path.is_file():
        return {}
    found = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                text = (row.get("px_per_cm") or "").strip()
                if text:
                    found[(path.parent / (row.get("file") or "")).resolve()] = float(text)
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}", "a table with the columns file and px_per_cm") from error
    if any(not value > 0 for value in found.values()):
        raise UsageError(f"{path} holds a px_per_cm that is not above 0", "leave the field empty where it is unknown")
    return found
