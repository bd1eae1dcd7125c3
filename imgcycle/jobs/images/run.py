"""Conversion of one image: a file (`convert_image`), or its bytes (`convert_bytes`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from imgcycle.config import ConvertOptions
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, UsageError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.images import image, pipeline
from imgcycle.jobs.images.animated import converted_animation
from imgcycle.jobs.images.cost import plan_bytes, plan_file
from imgcycle.jobs.recipe import resolve, result_recipe, with_mask
from imgcycle.jobs.tasks import Row, Task
from imgcycle.jobs.translators import translator_for
from imgcycle.media import formats
from imgcycle.media.animation.frames import Animation
from imgcycle.media.formats import Format
from imgcycle.media.inputs import Source
from imgcycle.media.outputs import WRITTEN, check_suffix
from imgcycle.media.paths import same_file


def convert_image(
    input: str | Path,
    output: str | Path,
    style: Translator | str,
    options: ConvertOptions | None = None,
    memory: MemoryBudget | None = None,
    *,
    progress: Callable[[float], None] | None = None,
) -> Row:
    """Convert one picture file to another, at its own size, with its metadata as far as still true.

    Parameters
    ----------
    input
        A picture file.
    output
        The result; its suffix chooses the format. One that exists is replaced, unless it is the input.
    style
        What `load_translator` gave, or the name of a style, a weights file or a run folder.
    options
        How it is converted (`ConvertOptions`).
    memory
        What the process may take; by default a quarter of the installed memory, as a guide.
    progress
        Hears the share of the net's work that is done, 0 to 1.

    Returns
    -------
    Row
        Size of the result, seconds, and what of the input it does not hold.

    Raises
    ------
    UsageError
        When the output is the input or has a suffix of no format that is written, and when `memory` is too small.
    InputError, OutputError
        When the picture cannot be read, or the result cannot be written; then no output was written.

    Examples
    --------
    >>> from imgcycle import ConvertOptions, convert_image
    >>> row = convert_image("a.jpg", "a-monet.jpg", "monet", ConvertOptions(strength=0.7))
    """
    source, target = Path(input), Path(output)
    translator = translator_for(style)
    if same_file(source, target):
        raise UsageError(f"{target} is itself the input and is never written over")
    check_suffix(target)
    if target.suffix and formats.by_suffix(target) is None:
        raise UsageError(
            f"{target}: {target.suffix} is no suffix of an image format", f"end the name in one of {WRITTEN}"
        )
    resolved, missing = with_mask(resolve(options or ConvertOptions(), translator.style), Source(str(source)))
    if missing:
        raise InputError(missing)
    task = Task(str(source), str(target), str(target.parent), resolved)
    started = time.perf_counter()
    memory = memory or MemoryBudget.default()
    read = pipeline.open_picture(task, plan_file(task, translator, memory))
    try:
        read.translate(translator, memory, progress)
        written = pipeline.write_picture(task, read, translator.style)
    finally:
        read.close()
    if progress is not None:
        progress(1.0)
    return replace(written.row, seconds=round(time.perf_counter() - started, 4))


def convert_bytes(
    data: bytes,
    translator: Translator,
    options: ConvertOptions,
    format: str | Format = "same",
    memory: MemoryBudget | None = None,
    on_note: Callable[[str], None] | None = None,
) -> bytes:
    """Convert the bytes of one image file to those of another format, by name or as in `formats.CHOICES`.

    `on_note` is called with one line for each thing in the input that the result does not hold.
    """
    memory = memory or MemoryBudget.default()
    wanted = formats.CHOICES.get(format) if isinstance(format, str) else format
    suffix = "" if wanted is None else wanted.suffixes[0]
    resolved = resolve(options, translator.style)
    plan = plan_bytes(data, Task("", f"result{suffix}", "", resolved), translator, memory)
    found = image.decoded(data, "", resolved)
    target = wanted or formats.written_as(found.format)
    if isinstance(found, Animation) and target.animated:
        made, notes = converted_animation(found, data, translator, resolved, target, memory, plan)
    else:
        ready = image.prepared(found, data, resolved)
        plan = image.plan_for_frame(ready.frame, plan, resolved, translator, memory)
        result = image.translate_frame(ready.frame, resolved, translator, plan)
        recipe = result_recipe(resolved, translator, plan.deep, ready.digest)
        made = image.encode_result(ready, result, resolved, recipe, target)
        notes = ready.notes(target, resolved.strip)
    for note in notes:
        if on_note is not None:
            on_note(note)
    return made
