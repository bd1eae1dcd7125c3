"""Conversion of animations, frame by frame."""

from __future__ import annotations

import contextlib
import hashlib
import io
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from imgcycle.engine.strips.run import Listener, part_of
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, OutputError, reported
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.images.cost import ImagePlan
from imgcycle.jobs.images.image import (
    converted,
    decoded,
    facts_of,
    load_bytes,
    result_size,
    target_format,
    times_of,
)
from imgcycle.jobs.ledger import file_digest
from imgcycle.jobs.recipe import ResolvedOptions, result_recipe
from imgcycle.jobs.tasks import Task
from imgcycle.media import formats
from imgcycle.media.animation.frames import Animation
from imgcycle.media.animation.writer import AnimationWriter
from imgcycle.media.files import atomic_write
from imgcycle.media.formats import Format


class MovingPicture:
    """One task's animation; its header is read at construction, and one frame at a time is in memory.

    InputError as in `read_picture` and for a damaged frame, OutputError as in `AnimationWriter`. Temporary files are in
    `folder`. `close` discards everything that is not finished.
    """

    def __init__(self, task: Task, plan: ImagePlan, folder: Path | None = None) -> None:
        self.task, self.plan, self._folder = task, plan, folder
        self.source = facts_of(Path(task.input))
        data = load_bytes(Path(task.input))
        found = decoded(data, task.input, task.options)
        if not isinstance(found, Animation):
            raise InputError("the file was changed in the meantime")
        self._animation = found
        self.digest = hashlib.sha256(data).hexdigest()
        self.size = result_size(found.size, task.options)
        self.notes: tuple[str, ...] = ()
        self._stack = ExitStack()

    def translate(self, translator: Translator, memory: MemoryBudget, listener: Listener | None = None) -> None:
        """Run the net; `listener` is called with the share that is done."""
        options, path = self.task.options, Path(self.task.output)
        target = target_format(self.task.output, self._animation.format)
        recipe = result_recipe(options, translator, self._animation.deep, self.digest)
        with reported(OutputError, "cannot be written"):
            file = self._stack.enter_context(atomic_write(path, times=times_of(self.source)))
        writer = _writer(file, self._animation, target, options, recipe, translator, memory, self.plan)
        _carry(self._animation, writer, options, translator, memory, self.plan, listener, self._folder)
        self.notes = writer.notes

    def write(self) -> str:
        """Finish the result, with its source's times; return its SHA-256."""
        self._stack.close()
        return file_digest(Path(self.task.output))

    def close(self) -> None:
        """Discard what is not finished."""
        # Leaving with an error makes the temporary file vanish; after `write` nothing is left to leave.
        with contextlib.suppress(OSError):
            self._stack.__exit__(_Discarded, _Discarded(), None)


class _Discarded(Exception):
    """Raised and caught inside this module only."""


def converted_animation(
    animation: Animation,
    data: bytes,
    translator: Translator,
    options: ResolvedOptions,
    target: Format,
    memory: MemoryBudget,
    plan: ImagePlan,
) -> tuple[bytes, tuple[str, ...]]:
    """Bytes of the converted animation, and lines on what the format could not hold; `data` are its file's."""
    recipe = result_recipe(options, translator, animation.deep, hashlib.sha256(data).hexdigest())
    out = io.BytesIO()
    writer = _writer(out, animation, target, options, recipe, translator, memory, plan)
    _carry(animation, writer, options, translator, memory, plan)
    return out.getvalue(), writer.notes


def _writer(
    file: IO[bytes],
    animation: Animation,
    target: Format,
    options: ResolvedOptions,
    recipe: dict[str, object],
    translator: Translator,
    memory: MemoryBudget,
    plan: ImagePlan,
) -> AnimationWriter:
    cover = None
    if animation.cover is not None and target is formats.PNG:
        cover = converted(animation.cover, options, translator, memory, plan)
    return AnimationWriter(file, animation, target, options.quality, recipe, options.strip, cover)


def _carry(
    animation: Animation,
    writer: AnimationWriter,
    options: ResolvedOptions,
    translator: Translator,
    memory: MemoryBudget,
    plan: ImagePlan,
    listener: Listener | None = None,
    folder: Path | None = None,
) -> None:
    """Translate every frame and add it to the writer."""
    count = len(animation.delays)
    for number, (still, delay) in enumerate(zip(animation.frames(), animation.delays, strict=True)):
        hear = part_of(listener, number, 1, count)
        writer.add(converted(still, options, translator, memory, plan, hear, folder), delay)
    writer.finish()
