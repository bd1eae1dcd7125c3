"""Settings that several commands share: style, device, threads, output of messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from imgcycle.config.fields import LOOK, MACHINE, REPORT, WHERE, option
from imgcycle.config.json import JsonConfig

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Backend = Literal["torch", "openvino", "onnx"]
ValueRange = Literal["-1..1", "0..1", "0..255"]
Direction = Literal["A2B", "B2A"]
DEVICES = "auto|cpu|cuda[:n]|xpu[:n]|mps"


@dataclass(frozen=True, kw_only=True)
class StyleChoice(JsonConfig):
    """A style by name or file, and the direction of a two-way model."""

    style: str = option(
        "",
        "A style's name, a weights file (.onnx too), a run folder of train, or several: monet:0.6,vangogh:0.4.",
        names=("--to", "--style"),
        metavar="STYLE",
        required=True,
    )
    direction: Direction = option("A2B", "Direction of a run folder or of a weights file with two.", panel=LOOK)
    range: ValueRange | None = option(
        None, "Values that an ONNX net takes and gives.", panel=LOOK, shown="as its file tells"
    )


@dataclass(frozen=True, kw_only=True)
class StylesChoice(StyleChoice):
    """One or several styles, or all installed ones."""

    style: str = option(
        "",
        "A style's name, a weights file (.onnx too), a run folder of train, several (monet:0.6,vangogh:0.4), or"
        " all: every style that is here.",
        names=("--to", "--style"),
        metavar="STYLE",
        required=True,
    )


@dataclass(frozen=True, kw_only=True)
class ProgramOptions(JsonConfig):
    """Settings read before a command begins: options from the settings file, and the process's priority."""

    use: str | None = option(
        None, "A preset of the settings file; options given here win.", metavar="PRESET", word=True
    )
    background: bool = option(
        False, "Lowest priority: work only while no other program needs the machine.", panel=MACHINE
    )


@dataclass(frozen=True, kw_only=True)
class RecallOptions(ProgramOptions):
    """The same, and options that stand in a result."""

    like: str | None = option(
        None, "The style and the options that a result was made with; options given here win.", metavar="RESULT"
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions(JsonConfig):
    """Dry run, and whether a failure stops the work."""

    dry_run: bool = option(False, "Print the plan and touch nothing.", panel=WHERE)
    fail_fast: bool = option(False, "Stop at the first failure.", panel=REPORT)


@dataclass(frozen=True, kw_only=True)
class DeviceOptions(JsonConfig):
    """Where to compute."""

    device: str = option("auto", "Where to compute.", panel=MACHINE, metavar=DEVICES, word=True, recorded="never")


@dataclass(frozen=True, kw_only=True)
class ThreadOptions(JsonConfig):
    """Threads that read images, and further ones that write them, beside the one that runs the net."""

    jobs: int = option(
        2,
        "Threads that read pictures, and as many that write them.",
        panel=MACHINE,
        names=("-j", "--jobs"),
        low=1,
        high=64,
    )


@dataclass(frozen=True, kw_only=True)
class MachineOptions(DeviceOptions):
    """Device, precision, backend and memory limit."""

    precision: Precision = option(
        "auto", "Compute type; auto goes by the hardware, and is fp32 in a cluster.", panel=MACHINE
    )
    backend: Backend = option(
        "torch",
        "What computes: OpenVINO (extra: openvino) or onnxruntime (extra: onnx), in fp32; OpenVINO also with "
        "--precision bf16.",
        panel=MACHINE,
    )
    memory: str | None = option(
        None,
        "The most that the process may take, everything included, like 1500M or 4G.",
        panel=MACHINE,
        metavar="SIZE",
        shown="a quarter of the installed memory, as a guide",
        word=True,
    )


@dataclass(frozen=True, kw_only=True)
class WorkerOptions(JsonConfig):
    """Number of workers, and whether they are processes here or in a cluster."""

    workers: int | Literal["auto"] | None = option(
        None,
        "Processes that share the work, each with its own device or its share of the cores; auto is one a GPU, or as"
        " many as cores and memory allow. --memory is that of each. Several devices (cuda:0,cuda:1) get one each. Fewer"
        " clips than workers: long ones are made in ranges.",
        panel=MACHINE,
        metavar="N|auto",
        low=1,
        high=4096,
        word=True,
    )
    cluster: str | None = option(
        None,
        "Workers on the machines of a Ray cluster, which see the same folders (extra: ray): as many as --workers says,"
        " or one a GPU, else one a core.",
        panel=MACHINE,
        metavar="auto|HOST:PORT|ray://HOST:PORT",
        word=True,
    )


@dataclass(frozen=True, kw_only=True)
class ReportOptions(JsonConfig):
    """Verbosity, and output for people or programs. `debug` is read before any command is."""

    quiet: bool = option(False, "Errors only.", panel=REPORT, names=("-q", "--quiet"))
    verbose: bool = option(False, "Say more.", panel=REPORT, names=("-v", "--verbose"))
    json_lines: bool = option(False, "JSON lines on stdout.", panel=REPORT, names=("--json",))
    debug: bool = option(False, "Show tracebacks.", panel=REPORT)
