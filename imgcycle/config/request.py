"""Settings that `convert` and `video` share: which inputs, and where results go."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from imgcycle.config.fields import WHERE, WHICH, option
from imgcycle.config.json import JsonConfig

STREAM = "-"
"""In place of a file: stdin as an input, stdout as the output."""
OnClash = Literal["rename", "refuse"]


@dataclass(frozen=True)
class BatchRequest(JsonConfig):
    """Inputs and outputs as the user gave them.

    `update` replaces our own results made with other settings, `overwrite` replaces anything that is not an input.
    `shard` takes a part of the inputs.
    """

    inputs: tuple[str, ...] = ()
    output: str | None = None
    _: KW_ONLY
    name: str | None = option(
        None, "Pattern of output names, of {dir}, {stem}, {style} and {ext}.", panel=WHERE, metavar="TEMPLATE"
    )
    on_clash: OnClash = option("rename", "What to do when two results would have the same name.", panel=WHERE)
    update: bool = option(False, "Redo results that imgcycle made with other options or weights.", panel=WHERE)
    overwrite: bool = option(False, "Replace whatever is there (never an input).", panel=WHERE)
    recursive: bool = option(True, "Walk subfolders.", panel=WHICH, names=("--recursive/--no-recursive", "-r/ "))
    shard: str | None = option(
        None,
        "Only the K-th of N parts: for N processes or machines that write to one output folder.",
        panel=WHICH,
        metavar="K/N",
        word=True,
    )
