"""Settings of exports: the style, and the output."""

from __future__ import annotations

from dataclasses import dataclass

from imgcycle.config.fields import WHERE, argument, option
from imgcycle.config.json import JsonConfig


@dataclass(frozen=True)
class ExportRequest(JsonConfig):
    """What is written as ONNX: a style, and the file or folder it becomes."""

    style: str = argument(
        "", "A style's name, a weights file, or a run folder of train.", metavar="STYLE", required=True
    )
    output: str = option(
        "",
        "A file.onnx, or a folder (with a slash at its end), which gets a script and a page as well.",
        panel=WHERE,
        names=("-o", "--output"),
        metavar="FILE.onnx|FOLDER/",
        required=True,
    )
    overwrite: bool = option(False, "Replace what is there.", panel=WHERE)
