"""Report of a folder check: lines of text, or one JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgcycle.training.check.report import CheckReport, FolderFacts, Kind

MOST = 8
"""Images listed of each kind; all of them with --json, and in a cleaned copy's list."""


def tell_check(report: CheckReport, missing: str, *, json_lines: bool) -> None:
    """Print the findings to stdout; `missing` is the reason why outliers were not searched for."""
    from imgcycle.cli.render.console import emit, emit_json

    if json_lines:
        emit_json({"schema": 1, **facts_of_check(report)})
        return
    for line in check_in_lines(report, missing):
        emit(line)


def facts_of_check(report: CheckReport) -> dict[str, Any]:
    """All findings, for JSON."""
    remarks = [
        {"path": str(remark.path), "domain": remark.domain, "kind": remark.kind, "text": remark.text}
        for remark in report.remarks
    ]
    return {
        "a": _facts(report.a),
        "b": _facts(report.b),
        "steps_per_epoch": report.steps_per_epoch,
        "told_apart": report.told_apart,
        "remarks": remarks,
        "advice": list(report.advice),
    }


def check_in_lines(report: CheckReport, missing: str = "") -> Iterator[str]:
    """Yield all findings as lines, the first few of each kind."""
    from imgcycle.training.check.report import KINDS

    for letter, facts in (("A", report.a), ("B", report.b)):
        least, median, most = facts.shorter
        grey = f", {100 * facts.grey:.0f} % without colour" if facts.grey >= 0.01 else ""
        sides = f"shorter sides {least} to {most} px, half below {median}" if least != most else f"{most} px"
        yield f"{letter}  {facts.root}: {facts.pictures:,} pictures, {facts.bytes / 1e6:,.1f} MB, {sides}{grey}"
    if report.told_apart is not None:
        yield f"told apart by a classifier: {100 * report.told_apart:.1f} % (50 % is chance)"
    for kind, words in KINDS.items():
        yield from _remarks(report, kind, words)
    if not report.remarks:
        yield "nothing to remark: every picture can be learnt from, and none is there twice"
    if missing:
        yield f"not looked for: pictures that do not belong; {missing}"
    yield ""
    yield from report.advice


def _remarks(report: CheckReport, kind: Kind, words: str) -> Iterator[str]:
    found = [remark for remark in report.remarks if remark.kind == kind]
    if not found:
        return
    yield f"{words}: {len(found):,}"
    for remark in found[:MOST]:
        root = report.a.root if remark.domain == "A" else report.b.root
        name = remark.path.relative_to(root) if remark.path.is_relative_to(root) else remark.path
        yield f"  {remark.domain}  {name}: {remark.text}"
    if len(found) > MOST:
        yield f"  and {len(found) - MOST:,} more"


def _facts(facts: FolderFacts) -> dict[str, Any]:
    shorter = dict(zip(("least", "median", "most"), facts.shorter, strict=True))
    return {
        "folder": str(facts.root),
        "pictures": facts.pictures,
        "bytes": facts.bytes,
        "shorter": shorter,
        "grey": round(facts.grey, 3),
    }
