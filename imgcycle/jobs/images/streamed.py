"""Conversion of images larger than memory: row by row from file to file, with the same result.

At full size the net's passes read the file repeatedly, and the last one writes. With a downscaled image, one pass over
the file makes it, and another upscales the change band by band while it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from imgcycle.engine import resample
from imgcycle.engine.strips.plan import StripPlan
from imgcycle.engine.strips.run import Listener, in_turn
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, reported
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.images.colour_rows import ColourManagedRows, ReducedRows
from imgcycle.jobs.images.cost import ImagePlan, settled
from imgcycle.jobs.images.image import facts_of, target_format, times_of
from imgcycle.jobs.ledger import file_digest
from imgcycle.jobs.recipe import ResolvedOptions, result_recipe
from imgcycle.jobs.strokes import stroke_rows
from imgcycle.jobs.tasks import Task
from imgcycle.media.image.masks import mask_of_file
from imgcycle.media.image.pixels import Floats, Pixels
from imgcycle.media.image.reduction import Reduction
from imgcycle.media.image.row_reader import RowReader, open_rows
from imgcycle.media.image.row_writer import ScanlineWriter
from imgcycle.media.image.write import losses
from imgcycle.media.inputs import ALPHA


class StreamedImage:
    """One task's image, streamed: downscaled at construction, then translated, then written.

    InputError if the file changed since planning, or is damaged; OutputError if there is no disk space for the result,
    or in `folder` for temporary files. `close` discards everything that is not finished.
    """

    def __init__(self, task: Task, plan: ImagePlan, folder: Path | None = None) -> None:
        self.task, self.plan, self._folder = task, plan, folder
        self._recipe: dict[str, Any] = {}
        source = Path(task.input)
        self.source = facts_of(source)
        reader = open_rows(source, task.options.max_pixels, folder, task.options.max_side)
        if reader is None:
            raise InputError("the file was changed in the meantime")
        self._reader = reader
        target = target_format(task.output, reader.outline.format)
        self.notes: tuple[str, ...] = (*reader.outline.notes, *losses(reader.outline, target, task.options.strip))
        self._writer: ScanlineWriter | None = None
        self._result: Floats | None = None
        try:
            self.digest = _digest(source)
            shape = task.options.work_shape(reader.height, reader.width)
            self._small = None if shape == (reader.height, reader.width) else self._reduced(shape)
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the result."""
        return self._reader.outline.size

    def translate(self, translator: Translator, memory: MemoryBudget, listener: Listener | None = None) -> None:
        """Run the net as planned; `listener` is called with the share that is done."""
        options, outline = self.task.options, self._reader.outline
        size, deep = (outline.height, outline.width), outline.pixels.dtype == np.uint16
        self._recipe = result_recipe(options, translator, deep, self.digest)
        if options.strength == 0:
            return
        self.plan = plan = settled(self.plan, *size, deep, self.plan.held, options, translator, memory)
        assert plan.net is not None
        net = options.net(translator, deep)
        icc, hears = outline.metadata.icc, in_turn(listener, plan.nets)
        if self._small is None:
            self._writer = self._opened()
            ends = ColourManagedRows(_FileRows(self._reader, self._put, options), icc, options)
            net.translate_rows(ends, ends, plan.net, hears[0], self._folder)
            self._reader.begin()
            return
        small = ReducedRows(self._small)
        ends = ColourManagedRows(small, icc, options)
        net.translate_rows(ends, ends, plan.net, hears[0], self._folder)
        self._result = small.out
        if plan.strokes is not None:
            self._add_strokes(net, plan.strokes, hears[1])

    def _add_strokes(self, translator: Translator, plan: StripPlan, listener: Listener | None) -> None:
        """Write the result with the strokes of the style's second net."""
        assert translator.strokes is not None
        assert self._small is not None
        assert self._result is not None
        reader, outline, options = self._reader, self._reader.outline, self.task.options
        self._writer = self._opened()
        rows = stroke_rows(
            (reader.height, reader.width), outline.pixels.dtype, self._small, self._result, options,
            read=reader.rows, reread=reader.rows_behind, write=self._put,
        )  # fmt: skip
        ends = ColourManagedRows(rows, outline.metadata.icc, options)
        translator.strokes.translate_rows(ends, ends, plan, listener, self._folder)
        reader.begin()

    def write(self) -> str:
        """Finish the result, with its source's times; return its SHA-256."""
        if self._writer is None:
            self._writer = self._opened()
            for top, rows in self._restored():
                self._put(top, rows)
        self._writer.finish()
        return file_digest(self._writer.path)

    def _put(self, top: int, rows: Pixels) -> None:
        """Write rows of the result, outside of a mask as they were."""
        assert self._writer is not None
        name = self.task.options.mask
        # By rows go only pictures without transparency: all of them is opaque, and painted.
        if name is not None and name != ALPHA and self.task.options.strength > 0:
            mask = mask_of_file(name, self._reader.height, self._reader.width)
            mask.lay(self._reader.rows_behind(top, top + len(rows)), rows, top)
        self._writer.write(top, rows)

    def close(self) -> None:
        """Close all files."""
        self._reader.close()
        if self._writer is not None:
            self._writer.close()

    def _opened(self) -> ScanlineWriter:
        options, outline = self.task.options, self._reader.outline
        target = target_format(self.task.output, outline.format)
        times = times_of(self.source)
        return ScanlineWriter(
            Path(self.task.output), outline, target, options.quality, self._recipe, options.strip, times
        )

    def _bands(self) -> Iterator[tuple[int, Pixels]]:
        """Yield the image's rows in bands."""
        for top in range(0, self._reader.height, resample.BAND):
            yield top, self._reader.rows(top, min(top + resample.BAND, self._reader.height))
        self._reader.begin()

    def _reduced(self, shape: tuple[int, int]) -> Floats:
        whole = Reduction(self._reader.height, self._reader.width, shape, self._reader.outline.pixels.dtype)
        return resample.to_float01(np.concatenate([whole.add(rows) for _, rows in self._bands()]))

    def _restored(self) -> Iterator[tuple[int, Pixels]]:
        """Yield bands of the result."""
        if self._small is None or self._result is None:
            yield from self._bands()
            return
        options, reader = self.task.options, self._reader
        about = (self._small, self._result, options.detail, options.strength)
        whole = resample.Restoration(reader.height, reader.width, reader.outline.pixels.dtype, *about)
        for top, rows in self._bands():
            out = np.empty_like(rows)
            whole.rows(top, rows, out)
            yield top, out


class _FileRows:
    """Rows from a reader to where they are put."""

    def __init__(self, reader: RowReader, put: Callable[[int, Pixels], None], options: ResolvedOptions) -> None:
        self._reader, self._put, self._strength = reader, put, options.strength
        self.height, self.width = reader.height, reader.width
        self._last: tuple[int, int, Pixels] | None = None

    def ahead(self, top: int, bottom: int) -> Floats:
        return resample.to_float01(self._reader.rows(top, bottom))

    def behind(self, top: int, bottom: int) -> Floats:
        return resample.to_float01(self._pixels_behind(top, bottom))

    def put(self, top: int, result: Floats) -> None:
        out = np.zeros(result.shape, self._reader.outline.pixels.dtype)
        # At full strength nothing of the photograph is left, so it is not read once more.
        own = out if self._strength == 1 else self._pixels_behind(top, top + len(result))
        resample.blended(own, result, self._strength, out)
        self._put(top, out)

    def _pixels_behind(self, top: int, bottom: int) -> Pixels:
        # Colour management and strength may both need the same rows.
        if self._last is None or self._last[:2] != (top, bottom):
            self._last = top, bottom, self._reader.rows_behind(top, bottom)
        return self._last[2]


def _digest(path: Path) -> str:
    with reported(InputError):
        return file_digest(path)
