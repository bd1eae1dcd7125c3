"""`imgcycle doctor`: one screen on what there is here to work with."""

from __future__ import annotations

from typing import Any

import typer

from imgcycle.cli.options import from_fields
from imgcycle.config.program import MachineOptions, ReportOptions

_BYTES = ("installed", "used_by_default", "free")


@from_fields
def doctor(machine: MachineOptions, report: ReportOptions) -> None:
    """Show what imgcycle works with here: versions, devices, ffmpeg, extras, folders, speed of each style."""
    from imgcycle.cli.interrupts import graceful_exit
    from imgcycle.cli.render.console import emit, emit_json
    from imgcycle.errors import Interrupted
    from imgcycle.jobs.doctor import examine
    from imgcycle.media.paths import shown

    problems = 0
    with graceful_exit(lambda: Interrupted("interrupted")):
        for subject, facts in examine(machine):
            problems += "problem" in facts
            if report.json_lines:
                emit_json({"schema": 1, "subject": subject, **facts})
                continue
            if report.quiet and "problem" not in facts:
                continue
            problem = f"  PROBLEM: {shown(str(facts['problem']))}" if "problem" in facts else ""
            emit(f"{subject:<14} {shown(_line(subject, facts))}{problem}")
    if problems:
        raise typer.Exit(1)


def _line(subject: str, facts: dict[str, Any]) -> str:
    """The facts of a subject as a person reads them, on one line."""
    if subject == "compute":
        cards = ", ".join(facts["graphics_cards"]) or "none"
        where = f"{facts['device']} in {facts['precision']} ({facts['why']})"
        return (
            f"{where}, {facts['threads']} threads on {facts['cores']} cores ({facts['cpu']}); graphics cards: {cards}"
        )
    if subject.startswith("style "):
        return f"{facts['seconds'] * 1000:.0f} ms for {facts['side']}² pixels" if "seconds" in facts else ""
    if subject == "extras":
        return ", ".join(f"{name} {'installed' if here else '–'}" for name, here in facts.items())
    return ", ".join(
        f"{name.replace('_', ' ')} {_value(name, value)}" for name, value in facts.items() if name != "problem"
    )


def _value(name: str, value: Any) -> str:
    if value is not None and (name.rpartition("_")[2] in _BYTES or name in _BYTES):
        return f"{value / 2**30:.1f} GiB"
    if isinstance(value, list):
        return " or ".join(map(str, value)) or "–"
    return "–" if value is None else str(value)
