"""List of training runs as a table or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from imgcycle.cli.render.console import duration

if TYPE_CHECKING:
    from imgcycle.training.storage.history import RunHistory


def facts_of_run(history: RunHistory) -> dict[str, Any]:
    """Facts of a run for JSON: `age` in seconds since the last write, `steps` null if unknown."""
    page = history.root / "index.html"
    return {
        "run": str(history.root),
        "method": history.config.get("method"),
        "state": history.state(),
        "step": history.logged,
        "saved": history.saved,
        "steps": history.steps,
        "age": round(history.age(), 1),
        "best": history.best(),
        "page": str(page) if page.is_file() else None,
    }


def table_of_runs(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each run, in columns."""
    rows = [tuple(_cells(facts)) for facts in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cells(facts: dict[str, Any]) -> Iterator[str]:
    steps = facts["steps"]
    yield facts["run"]
    yield str(facts["method"])
    yield facts["state"]
    yield f"step {facts['step']:,}" + (f" of {steps:,} ({100 * facts['step'] / steps:.0f} %)" if steps else "")
    yield f"{duration(facts['age'])} ago"
    yield ", ".join(f"KID {name} {value:.1f}" for name, value in facts["best"].items())
