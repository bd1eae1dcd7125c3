"""Messages of an evaluation while it runs, then tables or JSON lines."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from imgcycle.cli.render.console import SCHEMA, duration, emit, emit_json, say
from imgcycle.cli.render.reporter import Bar, reporting

if TYPE_CHECKING:
    from imgcycle.jobs.evaluation.types import Distance, EvaluationEvent, FlickerReport, LabelReport, Report, SetRow


def show(events: Iterable[EvaluationEvent], *, quiet: bool, verbose: bool, json_lines: bool) -> int:
    """Report every event; returns the exit code."""
    from imgcycle.jobs.evaluation import types as e
    from imgcycle.jobs.events import Note
    from imgcycle.media.paths import shown

    code, began = 0, time.monotonic()
    # On a terminal JSON lines on stdout would collide with the bar.
    with reporting(quiet=quiet, verbose=verbose, json_lines=json_lines) as out:
        for event in events:
            match event:
                case e.Measured(done, total):
                    out.aside({"position": done, "total": total})
                    out.bar(Bar("measuring", done, total, f"{done}/{total}"))
                    if done < total:
                        left = duration((time.monotonic() - began) * (total - done) / done)
                        out.line(f"{done} of {total}, about {left} to go", often=True)
                case e.LeftOut():
                    out.data({"input": event.path, "status": "failed", "error": event.reason})
                    out.say(f"{shown(event.path)}: {event.reason}", always=True)
                case Note():
                    out.say(event.text)
                case e.Evaluated():
                    report, code = event.report, event.report.exit_code
    match report:
        case e.Report():
            _show_sets(report, json_lines, quiet)
        case e.LabelReport():
            _show_labels(report, json_lines, quiet)
        case e.FlickerReport():
            _show_flicker(report, json_lines)
    return code


def _show_sets(report: Report, json_lines: bool, quiet: bool) -> None:
    if json_lines:
        for values in _json_rows(report):
            emit_json({"schema": SCHEMA, **values})
        return
    for table in _tables(report):
        for text in aligned(table):
            emit(text)
        emit("")
    if report.cycle is not None:
        there = report.cycle
        emit(
            f"cycle PSNR {there.psnr:.1f} dB, 10th percentile {there.psnr_p10:.1f} "
            f"(the outputs themselves: {there.psnr_outputs:.1f})\n"
        )
    for text in report.protocol:
        emit(text)
    if not quiet:
        left_out = f", {report.left_out} left out" if report.left_out else ""
        counted = f"{report.pictures} outputs, {report.reference} pictures of the reference{left_out}"
        say(f"{counted}, in {duration(report.seconds)}")


def _tables(report: Report) -> Iterator[list[list[str]]]:
    """Yield a table of distances for each net, and one of content preservation."""
    for net in report.nets:
        inception = net.startswith("Inception")
        heads = [net, "n", "KID ×1000", "90 % interval", "of unconverted", "90 %", "FID" if inception else "Fréchet"]
        yield [
            [*heads, *(["IS"] if inception else [])],
            *(
                [row.name, str(row.pictures), *_distance(row.distances[net]), *_score(row.distances[net], inception)]
                for row in report.rows
            ),
        ]
    kept = [(row, row.kept) for row in report.rows if row.kept is not None]
    if kept:
        yield [
            ["kept of the inputs", "edges", "10th pct", "structure", "luma r", "least", "> 0.6", "> 0.3"],
            *(
                [
                    row.name,
                    *(f"{v:.2f}" for v in (k.edges, k.edges_p10, k.structure, k.luma, k.luma_least)),
                    *(f"{100 * v:.0f} %" for v in (k.luma_above_06, k.luma_above_03)),
                ]
                for row, k in kept
            ),
        ]


def _distance(d: Distance) -> list[str]:
    ratio = ["", ""]
    if d.ratio is not None:
        ratio = [f"{d.ratio:.2f}", f"{d.ratio_low:.2f} to {d.ratio_high:.2f}"]
    return [f"{d.kid:.1f}", f"{d.kid_low:.1f} to {d.kid_high:.1f}", *ratio, f"{d.frechet:.1f}"]


def _score(d: Distance, inception: bool) -> list[str]:
    if not inception:
        return []
    return ["" if d.inception_score is None else f"{d.inception_score:.2f}"]


def _json_rows(report: Report) -> Iterator[dict[str, Any]]:
    for row in report.rows:
        yield {
            "set": row.name,
            "pictures": row.pictures,
            "strength": row.strength,
            **_json_distances(row),
            "kept": None if row.kept is None else _rounded(row.kept.to_dict()),
        }
    cycle = None if report.cycle is None else _rounded(report.cycle.to_dict())
    facts = report.to_dict()
    summary = {key: facts[key] for key in ("pictures", "reference", "left_out", "seconds", "nets", "protocol")}
    yield {"summary": {**summary, "cycle_psnr": cycle}}


def _json_distances(row: SetRow) -> dict[str, Any]:
    """Distances by net under the usual names: only Inception's Fréchet distance is FID."""
    found = {}
    for net, distance in row.distances.items():
        values = _rounded(distance.to_dict())
        values = {f"{key}_x1000" if key.startswith("kid") else key: value for key, value in values.items()}
        if net.startswith("Inception"):
            values["fid"] = values.pop("frechet")
        else:
            del values["inception_score"]
        found["inception" if net.startswith("Inception") else "vgg19"] = values
    return found


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()}


def _show_labels(report: LabelReport, json_lines: bool, quiet: bool) -> None:
    if json_lines:
        for name, accuracy, iou in zip(report.classes, report.accuracies, report.ious, strict=True):
            emit_json({"schema": SCHEMA, **_rounded({"class": name, "accuracy": accuracy, "iou": iou})})
        facts = _rounded(report.to_dict())
        emit_json({"schema": SCHEMA, "summary": {k: v for k, v in facts.items() if k not in _PER_CLASS}})
        return
    lazy = (report.commonest_per_pixel, report.commonest_per_class, report.commonest_class_iou)
    found = (report.per_pixel, report.per_class, report.class_iou)
    table = [["", "per-pixel", "per-class", "class IoU"]]
    for name, figures in ((f"{report.commonest!r} everywhere", lazy), ("predictions", found)):
        table.append([name, *(f"{value:.3f}" for value in figures)])
    classes = [["class", "accuracy", "IoU"]]
    for name, *shares in zip(report.classes, report.accuracies, report.ious, strict=True):
        classes.append([name, *("" if share is None else f"{share:.3f}" for share in shares)])
    for text in (*aligned(table), "", *aligned(classes), "", *report.protocol):
        emit(text)
    if not quiet:
        left_out = f", {report.left_out} left out" if report.left_out else ""
        say(f"pictures scored: {report.pictures}{left_out}")


def _show_flicker(report: FlickerReport, json_lines: bool) -> None:
    floor = report.rows[0].e_warp
    table = [["", "E_warp ×10⁶", "of the source", "sharpness"]]
    for row in report.rows:
        ratio = None if row.e_warp is None or not floor else row.e_warp / floor
        if json_lines:
            values = {"e_warp": row.e_warp, "of_source": ratio, "sharpness": row.sharpness}
            rounded = {key: value and float(f"{value:.4g}") for key, value in values.items()}
            emit_json({"schema": SCHEMA, "set": row.name, "frames": row.frames, **rounded})
        error = "" if row.e_warp is None else f"{1e6 * row.e_warp:.1f}"
        table.append([row.name, error, "" if ratio is None else f"{ratio:.2f}", f"{row.sharpness:.2f}"])
    if json_lines:
        emit_json({"schema": SCHEMA, "summary": {"frames": report.frames, "protocol": report.protocol}})
        return
    for text in (*aligned(table), "", *report.protocol):
        emit(text)


_PER_CLASS = ("classes", "accuracies", "ious")


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows as aligned lines: the first column left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join([first.ljust(widths[0]), *cells]).rstrip()
