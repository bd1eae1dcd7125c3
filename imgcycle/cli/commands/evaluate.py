"""`imgcycle evaluate`: options turned into a request, events shown, a table or JSON lines at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from imgcycle.cli.options import from_fields
from imgcycle.config.evaluation import CLIP_SIZE, EvaluateRequest
from imgcycle.config.fields import CLIPS, LABELS, option, spelling
from imgcycle.config.json import JsonConfig
from imgcycle.config.program import ProgramOptions, ReportOptions

if TYPE_CHECKING:
    from imgcycle.jobs.evaluation.types import EvaluationEvent

_OF_SETS = ("inputs", "back", "inception", "sample")


@dataclass(frozen=True, kw_only=True)
class OtherMeasures(JsonConfig):
    """Measurements in place of two sets of images."""

    labels: bool = option(False, "OUTPUTS and REFERENCE are label pictures: score them.", panel=LABELS)
    palette: Path | None = option(None, "Colours of the classes: lines of `128 64 128 road`, or JSON.", panel=LABELS)
    flicker: str | None = option(None, "A converted clip: how much it flickers.", panel=CLIPS, metavar="CLIP")
    source: str | None = option(None, "The clip it was made from.", panel=CLIPS, metavar="CLIP")


@from_fields
def evaluate(program: ProgramOptions, request: EvaluateRequest, other: OtherMeasures, report: ReportOptions) -> None:
    """Measure results: distance to real pictures, content kept of the inputs, beside simple baselines."""
    del program  # heeded before a command begins
    from imgcycle.cli.interrupts import graceful_exit
    from imgcycle.cli.render.evaluate import show
    from imgcycle.errors import Interrupted

    _check(request, other)
    with graceful_exit(lambda: Interrupted("interrupted")):
        events = _events(request, other)
        code = show(events, quiet=report.quiet, verbose=report.verbose, json_lines=report.json_lines)
    if code:
        raise typer.Exit(code)


def _check(request: EvaluateRequest, other: OtherMeasures) -> None:
    """BadParameter for options that exclude each other."""
    labels, flicker = other.labels, other.flicker is not None
    if labels and other.palette is None:
        raise typer.BadParameter("--labels needs the colours of the classes", param_hint="--palette")
    if other.palette is not None and not labels:
        raise typer.BadParameter("belongs to --labels", param_hint="--palette")
    if flicker != (other.source is not None):
        raise typer.BadParameter("a clip's flicker is measured beside its source", param_hint="--flicker, --source")
    if flicker and (request.outputs or labels):
        raise typer.BadParameter("takes one clip, and no folders", param_hint="--flicker")
    idle = [spelling(name) for name in _OF_SETS if getattr(request, name) is not None]
    if idle and (labels or flicker):
        raise typer.BadParameter("belongs to results and their reference", param_hint=", ".join(idle))
    if not flicker and not (request.outputs and request.reference):
        raise typer.BadParameter("two folders are compared", param_hint="OUTPUTS REFERENCE")


def _events(request: EvaluateRequest, other: OtherMeasures) -> Iterator[EvaluationEvent]:
    if other.flicker is not None and other.source is not None:
        from imgcycle.jobs.evaluation.flicker import evaluate_flicker

        return evaluate_flicker(other.flicker, other.source, request.size or CLIP_SIZE)
    if other.labels:
        from imgcycle.jobs.evaluation.labels import evaluate_labels

        return evaluate_labels(request.outputs, request.reference, str(other.palette), request.jobs)
    from imgcycle.jobs.evaluation.run import evaluate as evaluate_sets

    return evaluate_sets(request)
