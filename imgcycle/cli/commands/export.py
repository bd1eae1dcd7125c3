"""`imgcycle export`: a style as an ONNX file or as a folder that runs without imgcycle."""

from __future__ import annotations

from dataclasses import dataclass

from imgcycle.cli.options import from_fields
from imgcycle.config.export import ExportRequest
from imgcycle.config.fields import LOOK, REPORT, option
from imgcycle.config.json import JsonConfig
from imgcycle.config.program import Direction


@dataclass(frozen=True, kw_only=True)
class ExportChoices(JsonConfig):
    """Direction of a style, and verbosity."""

    direction: Direction = option("A2B", "Direction of a run folder or of a weights file with two.", panel=LOOK)
    quiet: bool = option(False, "Errors only.", panel=REPORT, names=("-q", "--quiet"))
    json_lines: bool = option(False, "JSON lines on stdout.", panel=REPORT, names=("--json",))
    debug: bool = option(False, "Show tracebacks.", panel=REPORT)


@from_fields
def export(request: ExportRequest, choices: ExportChoices) -> None:
    """Write a style as ONNX, for other programs and for browsers, and check that it gives the same pictures."""
    from imgcycle.cli.interrupts import graceful_exit
    from imgcycle.cli.render.console import emit_json, say
    from imgcycle.jobs.export.run import export_style
    from imgcycle.media.paths import shown
    from imgcycle.weights.find import find_style

    with graceful_exit():
        made = export_style(find_style(request.style, choices.direction), request.output, request.overwrite)
    if choices.json_lines:
        files = [str(path) for path in made.files]
        emit_json({"schema": 1, "files": files, "bytes": made.bytes, "levels_apart": made.apart, "sizes": made.sizes})
    elif not choices.quiet:
        for note in made.notes:
            say(note)
        say(
            f"{shown(made.files[0])}: {made.bytes:,} bytes; at most {made.apart:.3f} of a level from the net on "
            f"{len(made.sizes)} sizes"
        )
