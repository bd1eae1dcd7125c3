"""Options that several commands share, each declared once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

WHERE, LOOK, MACHINE, SAYING = "Where to", "How it looks", "Machine", "What is said"


class DirectionName(StrEnum):
    """The two ways through a run folder or a two-way file."""

    A2B = "A2B"
    B2A = "B2A"


class ClashName(StrEnum):
    """What to do with two inputs that would land on one output."""

    rename = "rename"
    refuse = "refuse"


class FormatName(StrEnum):
    """Output formats."""

    same = "same"
    png = "png"
    jpg = "jpg"
    webp = "webp"
    tiff = "tiff"
    avif = "avif"


class StripName(StrEnum):
    """Which metadata go."""

    none = "none"
    all = "all"
    gps = "gps"


class RawName(StrEnum):
    """What a RAW file stands for."""

    none = "none"
    preview = "preview"
    develop = "develop"


class PrecisionName(StrEnum):
    """Compute types."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


class SmoothName(StrEnum):
    """How calm a clip is made."""

    off = "off"
    light = "light"
    strong = "strong"


class CodecName(StrEnum):
    """What coding frames get."""

    h264 = "h264"
    hevc = "hevc"
    av1 = "av1"
    ffv1 = "ffv1"


class BackendName(StrEnum):
    """What computes."""

    torch = "torch"
    openvino = "openvino"


StyleOption = Annotated[
    str,
    typer.Option(
        "--to",
        "--style",
        metavar="STYLE",
        help="A style's name, a weights file, or a run folder of train.",
        show_default=False,
    ),
]
DirectionOption = Annotated[
    DirectionName,
    typer.Option("--direction", help="Which way through a run folder or a two-way file.", rich_help_panel=LOOK),
]
WorkSizeOption = Annotated[
    str,
    typer.Option(
        "--work-size",
        metavar="N|full|auto",
        help="√(width × height) at which the style is applied; auto is the style's own, full every pixel.",
        rich_help_panel=LOOK,
    ),
]
DetailOption = Annotated[
    float | None,
    typer.Option(
        "--detail",
        metavar="0..1",
        help="Share of the photograph's fine detail in the result.  [default: the style's own]",
        show_default=False,
        rich_help_panel=LOOK,
    ),
]
StrokesOption = Annotated[
    float | None,
    typer.Option(
        "--strokes",
        metavar="0..1",
        help="Share of the style's fine strokes at full size.  [default: the style's own]",
        show_default=False,
        rich_help_panel=LOOK,
    ),
]
StrengthOption = Annotated[
    float,
    typer.Option("--strength", metavar="0..1", help="0 gives the input back, 1 the style.", rich_help_panel=LOOK),
]
KeepColourOption = Annotated[
    bool,
    typer.Option("--keep-colour", "--keep-color", help="Keep the photograph's colours.", rich_help_panel=LOOK),
]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="auto|cpu|cuda[:n]|mps", help="Where to compute.", rich_help_panel=MACHINE)
]
PrecisionOption = Annotated[
    PrecisionName, typer.Option("--precision", help="Compute type; auto goes by the hardware.", rich_help_panel=MACHINE)
]
BackendOption = Annotated[
    BackendName,
    typer.Option(
        "--backend",
        help="What computes: OpenVINO is for CPUs without bf16, in fp32 (extra: openvino).",
        rich_help_panel=MACHINE,
    ),
]
MemoryOption = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="The most that the process may take, everything included, like 1500M or 4G."
        "  [default: a quarter of the installed memory, as a guide]",
        show_default=False,
        rich_help_panel=MACHINE,
    ),
]
JobsOption = Annotated[
    int,
    typer.Option(
        "-j", "--jobs", min=1, max=64, help="Threads that read, and as many that write.", rich_help_panel=MACHINE
    ),
]
UpdateOption = Annotated[
    bool, typer.Option("--update", help="Redo results of imgcycle made otherwise.", rich_help_panel=WHERE)
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace whatever is there (never an input).", rich_help_panel=WHERE)
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan and touch nothing.", rich_help_panel=WHERE)
]
FailFastOption = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.", rich_help_panel=SAYING)]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.", rich_help_panel=SAYING)]
VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="Say more.", rich_help_panel=SAYING)]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks.", rich_help_panel=SAYING)]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines on stdout.", rich_help_panel=SAYING)]


def parse_work_size(text: str) -> int | str:
    """A number of pixels, `full` or `auto`; BadParameter else."""
    if text in ("full", "auto"):
        return text
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither a number nor full nor auto", param_hint="--work-size") from None


WORDS = frozenset(
    {
        *("work_size", "size", "device", "memory", "fps", "start", "end", "preview", "preset"),
        *("diff_augment", "licence", "mirror"),
    }
)
"""Parameters of text that name no file; all others are looked over before a command begins."""


def check_paths(parameters: Iterable[Any], values: Mapping[str, Any], typed: Iterable[str]) -> None:
    """UsageError for a name of a file, in any option or input of a command, that nothing here can have.

    Those are addresses, names that are too long, and places where nobody may look. `typed` is the command line: a
    Path has lost one slash of an address's two.
    """
    from imgcycle.media.paths import check_name

    parts = [part for word in typed for part in (word, word.partition("=")[2], word[2:]) if "://" in part]
    as_typed = {os.fspath(Path(part)): part for part in parts}
    for parameter in parameters:
        given = values.get(parameter.name)
        for value in given if isinstance(given, list | tuple) else [given]:
            if isinstance(value, str | os.PathLike) and parameter.name not in WORDS:
                is_option = parameter.param_type_name == "option"
                what = max(parameter.opts, key=len) if is_option else parameter.metavar or parameter.name.upper()
                text = os.fspath(value)
                check_name(as_typed.get(text, text), what.strip("[]."))


def completed(words: Sequence[str]) -> list[str]:
    """The command line with the value that a bare `--strip` leaves out: all."""
    found = list(words)
    end = found.index("--") if "--" in found else len(found)
    for n in range(end):
        after = found[n + 1] if n + 1 < end else ""
        if found[n] == "--strip" and after not in tuple(StripName):
            found[n] = "--strip=all"
    return found
