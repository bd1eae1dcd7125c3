"""Conversion of whole folders of images from Python, as by `imgcycle convert`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from imgcycle.config import ConvertOptions, ConvertRequest
from imgcycle.engine.translator import Translator
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.events import Event, RowFinished, heard
from imgcycle.jobs.images.plan import plan
from imgcycle.jobs.images.run import convert_all
from imgcycle.jobs.tasks import Row
from imgcycle.jobs.translators import translator_for

Name = str | os.PathLike[str]


def convert_images(
    inputs: Name | Iterable[Name],
    output: Name | None,
    style: Translator | str,
    options: ConvertOptions | None = None,
    *,
    request: ConvertRequest | None = None,
    jobs: int = 2,
    fail_fast: bool = False,
    memory: MemoryBudget | None = None,
    progress: Callable[[float], None] | None = None,
    listener: Callable[[Event], None] | None = None,
) -> list[Row]:
    """Convert whole folders of pictures: every one, at its own size, into a tree like the one it came from.

    Parameters
    ----------
    inputs
        A file, a folder or a glob, or several of them. Results of imgcycle among them are left out.
    output
        The folder for the results, or a file for a single input; None is `photos-monet/` beside `photos/`.
    style
        What `load_translator` gave, or the name of a style, a weights file or a run folder.
    options
        How the pictures are converted (`ConvertOptions`).
    request
        What else there is to say of inputs and outputs: `recursive`, `update`, `overwrite`, `format`, `name`, `sample`,
        `limit` of a `ConvertRequest`, whose own inputs, output and options are not used.
    jobs
        Threads that read, and as many that write.
    fail_fast
        End with the first failure.
    memory
        What the process may take; by default a quarter of the installed memory, as a guide.
    progress
        Hears the share of all the work that is done, 0 to 1.
    listener
        Hears every event (`imgcycle.jobs.events`), in order.

    Returns
    -------
    list[Row]
        What became of each input, in order: `status` is `done`, `skipped` (done before), `kept` (another file is in
        its place) or `failed`, with the reason in `error`. One bad file does not keep the others from being made.

    Raises
    ------
    UsageError
        When the plan cannot be carried out: an output that is an input, two inputs for one output.
    UnknownStyle, WeightsError
        For a style that is not there, or is damaged.
    OutputError
        When the disk is too small for the results.

    Examples
    --------
    >>> from imgcycle import convert_images
    >>> rows = convert_images("photos/", "painted/", "monet", progress=lambda share: print(f"{share:.0%}"))
    >>> failed = [row.input for row in rows if row.status == "failed"]
    """
    translator = translator_for(style)
    given = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    wanted = replace(
        request or ConvertRequest(()),
        inputs=tuple(os.fspath(name) for name in given),
        output=None if output is None else _folder(os.fspath(output), given),
        options=options or ConvertOptions(),
    )
    hear = heard(listener, progress)
    rows = []
    for event in convert_all(plan(wanted, translator.style), translator, jobs, fail_fast, memory, hear):
        hear(event)
        if isinstance(event, RowFinished):
            rows.append(event.row)
    return rows


def _folder(output: str, inputs: list[Name]) -> str:
    """Output for several inputs, or for a folder: a folder even without a trailing slash."""
    single = len(inputs) == 1 and Path(inputs[0]).is_file()
    return output if single or output.endswith(("/", os.sep)) else output + os.sep
