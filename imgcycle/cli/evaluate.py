"""`imgcycle evaluate`: options turned into a request, events shown, a table or JSON lines at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgcycle.cli import options as o

if TYPE_CHECKING:
    from imgcycle.jobs.evaluation.types import EvaluationEvent

BESIDE, LABELS, CLIPS = "What is looked at beside them", "Label pictures", "Clips"


def _option(*names: str, help: str, panel: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


def evaluate(
    outputs: Annotated[
        str | None, typer.Argument(metavar="OUTPUTS", help="Results: a folder, or a glob in quotes.")
    ] = None,
    reference: Annotated[
        str | None, typer.Argument(metavar="REFERENCE", help="Real pictures of what they should look like.")
    ] = None,
    inputs: Annotated[
        str | None,
        _option(
            "--inputs",
            metavar="INPUTS",
            help="What the results were made from: adds baselines and what was kept of the scene.",
            panel=BESIDE,
        ),
    ] = None,
    back: Annotated[
        str | None,
        _option("--back", metavar="BACK", help="The results converted back: adds the cycle's PSNR.", panel=BESIDE),
    ] = None,
    inception: Annotated[
        Path | None,
        _option(
            "--inception",
            metavar="FILE",
            help="Inception-v3 (pt_inception-2015-12-05-6726825d.pth): adds FID, KID and IS on its features.",
            panel=BESIDE,
        ),
    ] = None,
    sample: Annotated[
        int | None,
        _option("--sample", help="Only N pictures of each folder, spread over all.", panel=BESIDE, min=2, metavar="N"),
    ] = None,
    size: Annotated[
        int | None,
        _option(
            "--size",
            help="Side of the square that is looked at; of clips √(width × height).  [256, clips 512]",
            panel=BESIDE,
            min=32,
            metavar="N",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, _option("--seed", help="Of bootstrap and baselines.", panel=BESIDE, metavar="N", min=0)] = 0,
    labels: Annotated[
        bool, _option("--labels", help="OUTPUTS and REFERENCE are label pictures: score them.", panel=LABELS)
    ] = False,
    palette: Annotated[
        Path | None,
        _option(
            "--palette",
            metavar="FILE",
            help="Colours of the classes: lines of `128 64 128 road`, or JSON.",
            panel=LABELS,
        ),
    ] = None,
    flicker: Annotated[
        str | None,
        _option("--flicker", metavar="CLIP", help="A converted clip: how much it flickers.", panel=CLIPS),
    ] = None,
    source: Annotated[
        str | None, _option("--source", metavar="CLIP", help="The clip it was made from.", panel=CLIPS)
    ] = None,
    device: o.DeviceOption = "auto",
    jobs: Annotated[int, _option("-j", "--jobs", help="Threads that read.", panel=o.MACHINE, min=1, max=64)] = 2,
    quiet: o.QuietOption = False,
    verbose: o.VerboseOption = False,
    json_lines: o.JsonOption = False,
    debug: o.DebugOption = False,
) -> None:
    """Measure results: how near they are to the real thing, what they kept, beside what takes no learning."""
    del debug  # read before any command is, for it also lets libraries speak
    from imgcycle.cli.interrupts import graceful_exit
    from imgcycle.cli.render.evaluate import show
    from imgcycle.errors import Interrupted

    if labels and palette is None:
        raise typer.BadParameter("--labels needs the colours of the classes", param_hint="--palette")
    if palette is not None and not labels:
        raise typer.BadParameter("belongs to --labels", param_hint="--palette")
    if (flicker is None) != (source is None):
        raise typer.BadParameter("a clip's flicker is measured beside its source", param_hint="--flicker, --source")
    if flicker is not None and (outputs is not None or labels):
        raise typer.BadParameter("takes one clip, and no folders", param_hint="--flicker")
    beside = {"--inputs": inputs, "--back": back, "--inception": inception, "--sample": sample}
    idle = [name for name, value in beside.items() if value is not None]
    if idle and (labels or flicker is not None):
        raise typer.BadParameter("belongs to results and their reference", param_hint=", ".join(idle))
    with graceful_exit(lambda: Interrupted("interrupted")):
        events: Iterator[EvaluationEvent]
        if flicker is not None and source is not None:
            from imgcycle.jobs.evaluation.flicker import evaluate_flicker

            events = evaluate_flicker(flicker, source, size or 512)
        elif outputs is None or reference is None:
            raise typer.BadParameter("two folders are compared", param_hint="OUTPUTS REFERENCE")
        elif labels:
            from imgcycle.jobs.evaluation.labels import evaluate_labels

            events = evaluate_labels(outputs, reference, str(palette), jobs)
        else:
            from imgcycle.jobs.evaluation.run import evaluate
            from imgcycle.jobs.evaluation.types import EvaluateRequest

            weights = None if inception is None else str(inception)
            events = evaluate(
                EvaluateRequest(outputs, reference, inputs, back, size or 256, weights, sample, seed, device, jobs)
            )
        code = show(events, quiet=quiet, verbose=verbose, json_lines=json_lines)
    if code:
        raise typer.Exit(code)
