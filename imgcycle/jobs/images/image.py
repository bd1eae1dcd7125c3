"""Steps of a still's conversion: read and downscale, translate, restore and encode, each a function.

The first and the last run in threads while the net works on another image; only the second needs the net.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from imgcycle.engine import resample
from imgcycle.engine.strips.plan import StripPlan
from imgcycle.engine.strips.run import Listener, in_turn
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, OutputError, reported
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.images.colour_rows import ColourManagedRows, PixelRows, ReducedRows
from imgcycle.jobs.images.cost import ImagePlan, settled
from imgcycle.jobs.recipe import ResolvedOptions, result_recipe
from imgcycle.jobs.strokes import held_rows
from imgcycle.jobs.tasks import Task
from imgcycle.media import formats
from imgcycle.media.animation.frames import Animation, read_picture
from imgcycle.media.files import atomic_write, read_file
from imgcycle.media.formats import Format
from imgcycle.media.image.masks import mask_for
from imgcycle.media.image.pixels import Floats, Pixels, side_by_side, without_holes
from imgcycle.media.image.reduction import reduced
from imgcycle.media.image.still import Still
from imgcycle.media.image.write import encode_still, losses
from imgcycle.media.paths import kind_of

Result = Floats | Pixels
"""Result of the net: floats in [0, 1] at the downscaled size, or finished pixels if it ran at full size."""


@dataclass(eq=False)
class Frame:
    """One still ready for the net.

    `pixels` are the still's with transparent areas filled; `small` is the downscaled image, (h, w, 3) in [0, 1], in the
    image's own colour space, or None if the net sees every pixel. `reusable` is True if the pixels may be overwritten.
    """

    still: Still
    pixels: Pixels
    small: Floats | None
    reusable: bool = True

    @property
    def bytes(self) -> int:
        """Size in memory in bytes."""
        arrays = {id(a): a for a in (self.still.pixels, self.still.alpha, self.pixels) if a is not None}
        return sum(a.nbytes for a in arrays.values())

    def output(self, options: ResolvedOptions) -> Pixels:
        """Array for the result's pixels: the source's, unless they are still needed."""
        needed = (
            options.compare
            or options.mask is not None
            or (self.still.alpha is not None and self.pixels is self.still.pixels)
        )
        free = self.reusable and self.pixels.flags.writeable and not needed
        return self.pixels if free else np.empty_like(self.pixels)


@dataclass(eq=False)
class Prepared:
    """A still ready for the net, its file's digest, and the number of frames in the file."""

    frame: Frame
    digest: str
    frames: int = 1

    @property
    def format(self) -> Format:
        """Format of the file."""
        return self.frame.still.format

    def notes(self, target: Format, strip: str = "none") -> tuple[str, ...]:
        """One line for each thing in the file that a result in this format does not hold."""
        single = (f"the first of {self.frames} frames was taken: {target.name} has no others",)
        still = self.frame.still
        return (*still.notes, *losses(still, target, strip), *(single if self.frames > 1 else ()))

    def size(self, options: ResolvedOptions) -> tuple[int, int]:
        """Width and height of the result."""
        return result_size(self.frame.still.size, options)


def result_size(size: tuple[int, int], options: ResolvedOptions) -> tuple[int, int]:
    """Width and height of the result for an image of that size."""
    return (2 * size[0], size[1]) if options.compare else size


def facts_of(path: Path) -> os.stat_result:
    """File status; InputError if the file is missing."""
    with reported(InputError):
        return path.stat()


def times_of(source: os.stat_result) -> tuple[int, int]:
    """Times of last access and modification, in nanoseconds."""
    return source.st_atime_ns, source.st_mtime_ns


def load_bytes(path: Path) -> bytes:
    """Bytes of a file; InputError if it cannot be read."""
    with reported(InputError):
        return read_file(path)


def decoded(data: bytes, name: str, options: ResolvedOptions) -> Still | Animation:
    """Decode a file's bytes; `name` distinguishes RAW files from TIFF, which they resemble."""
    if kind_of(Path(name)) == "raw" and options.raw != "none":
        from imgcycle.media.codecs.raw import read_raw

        return read_raw(data, options.raw, options.max_pixels).limited(options.max_side)
    return read_picture(data, options.max_pixels, options.max_side)


def prepared(picture: Still | Animation, data: bytes, options: ResolvedOptions) -> Prepared:
    """Fill transparent areas and downscale to the work size; of an animation, the first frame."""
    frames = 1
    if isinstance(picture, Animation):
        frames = len(picture.delays)
        picture = next(picture.frames())
    return Prepared(_frame(picture, options), hashlib.sha256(data).hexdigest(), frames)


def _frame(still: Still, options: ResolvedOptions) -> Frame:
    pixels = still.pixels if still.alpha is None else without_holes(still.pixels, still.alpha)
    shape = options.work_shape(pixels.shape[0], pixels.shape[1])
    if shape == pixels.shape[:2]:
        return Frame(still, pixels, None)
    return Frame(still, pixels, resample.to_float01(reduced(pixels, shape)))


def translate_frame(
    frame: Frame,
    options: ResolvedOptions,
    translator: Translator,
    plan: ImagePlan,
    listener: Listener | None = None,
    folder: Path | None = None,
) -> Result:
    """Run the net on a still as planned; the result is in the image's own colour space, see `Result`.

    `listener` is called with the share of the work done, 0 to 1. Temporary files for images larger than memory are in
    `folder`. The prepared frame is consumed: results may overwrite its pixels.
    """
    if options.strength == 0:
        return frame.pixels if frame.small is None else frame.small
    assert plan.net is not None
    rows = ReducedRows(frame.small) if frame.small is not None else _pixel_rows(frame, options)
    ends = ColourManagedRows(rows, frame.still.metadata.icc, options)
    net = options.net(translator, plan.deep)
    hears = in_turn(listener, plan.nets)
    net.translate_rows(ends, ends, plan.net, hears[0], folder)
    if plan.strokes is None:
        return rows.out
    return _stroked(frame, cast(Floats, rows.out), options, net, plan.strokes, hears[1], folder)


def _stroked(
    frame: Frame,
    result: Floats,
    options: ResolvedOptions,
    translator: Translator,
    plan: StripPlan,
    listener: Listener | None,
    folder: Path | None,
) -> Pixels:
    """Finished pixels with the strokes that the style's second net draws over the first one's result."""
    assert translator.strokes is not None
    assert frame.small is not None
    out = frame.output(options)
    rows = held_rows(frame.pixels, out, frame.small, result, options)
    ends = ColourManagedRows(rows, frame.still.metadata.icc, options)
    translator.strokes.translate_rows(ends, ends, plan, listener, folder)
    return out


def _pixel_rows(frame: Frame, options: ResolvedOptions) -> PixelRows:
    return PixelRows(frame.pixels, frame.output(options), options.strength)


def plan_for_frame(
    frame: Frame, plan: ImagePlan, options: ResolvedOptions, translator: Translator, memory: MemoryBudget
) -> ImagePlan:
    """The plan adapted to the decoded image."""
    height, width = frame.pixels.shape[:2]
    return settled(plan, height, width, frame.pixels.dtype == np.uint16, frame.bytes, options, translator, memory)


def encode_result(
    prepared: Prepared, result: Result, options: ResolvedOptions, recipe: dict[str, Any], target: Format
) -> bytes:
    """Upscale the result and encode it, with the recipe in the metadata."""
    still = _restored(prepared.frame, result, options)
    return encode_still(still, target, options.quality, recipe, options.strip)


def converted(
    still: Still,
    options: ResolvedOptions,
    translator: Translator,
    memory: MemoryBudget,
    plan: ImagePlan | None = None,
    listener: Listener | None = None,
    folder: Path | None = None,
) -> Still:
    """All steps from a still to its result at full size; `listener` and `folder` as for `translate_frame`."""
    frame = _frame(still, options)
    plan = plan_for_frame(frame, plan or ImagePlan(0), options, translator, memory)
    return _restored(frame, translate_frame(frame, options, translator, plan, listener, folder), options)


def _restored(frame: Frame, result: Result, options: ResolvedOptions) -> Still:
    still = frame.still
    if options.strength > 0:
        if frame.small is None or result.dtype != np.float32:
            pixels = cast(Pixels, result)
        else:
            out = frame.output(options)
            about = (options.detail, options.strength)
            pixels = resample.restored(frame.pixels, frame.small, cast(Floats, result), *about, out)
        if still.alpha is not None:
            # Invisible pixels stay as they were.
            hidden = still.alpha == 0
            pixels[hidden] = still.pixels[hidden]
        if options.mask is not None:
            mask_for(still, options.mask).lay(still.pixels, pixels)
        still = still.with_pixels(pixels)
    return _beside(frame.still, still) if options.compare else still


def _beside(before: Still, after: Still) -> Still:
    alpha = None if before.alpha is None else side_by_side(before.alpha, before.alpha)
    return replace(after, pixels=side_by_side(before.pixels, after.pixels), alpha=alpha)


class LoadedImage:
    """One task's still, held in memory: read at construction, then translated, then written.

    InputError and OutputError as in `read_still` and `encode_still`. Temporary files are in `folder`.
    """

    def __init__(self, task: Task, plan: ImagePlan, folder: Path | None = None) -> None:
        self.task, self.plan, self._folder = task, plan, folder
        self.source = facts_of(Path(task.input))
        data = load_bytes(Path(task.input))
        self._prepared = prepared(decoded(data, task.input, task.options), data, task.options)
        self._result: Result | None = None
        self._recipe: dict[str, Any] = {}
        self.digest, self.size = self._prepared.digest, self._prepared.size(task.options)
        target = target_format(task.output, self._prepared.format)
        self.notes: tuple[str, ...] = self._prepared.notes(target, task.options.strip)

    def translate(self, translator: Translator, memory: MemoryBudget, listener: Listener | None = None) -> None:
        """Run the net as planned; `listener` is called with the share that is done."""
        frame, options = self._prepared.frame, self.task.options
        self.plan = plan_for_frame(frame, self.plan, options, translator, memory)
        self._recipe = result_recipe(options, translator, self.plan.deep, self.digest)
        self._result = translate_frame(frame, options, translator, self.plan, listener, self._folder)

    def write(self) -> str:
        """Finish the result, with its source's times; return its SHA-256."""
        assert self._result is not None
        target = target_format(self.task.output, self._prepared.format)
        data = encode_result(self._prepared, self._result, self.task.options, self._recipe, target)
        path = Path(self.task.output)
        with reported(OutputError, "cannot be written"), atomic_write(path, times=times_of(self.source)) as file:
            file.write(data)
        return hashlib.sha256(data).hexdigest()

    def close(self) -> None:
        """Nothing to close."""


def target_format(name: str, source: Format) -> Format:
    """Output format: that of the name, else the source's, else the nearest that can be written."""
    return formats.written_as(formats.by_suffix(name) or source)
