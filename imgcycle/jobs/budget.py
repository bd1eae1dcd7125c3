"""What a conversion may take of the machine's memory, and what one picture takes of that.

A promise about the process as a whole: everything here is judged from headers, nets and options, before a pixel is
decoded, so that the same picture is always done the same way and what cannot be done is known at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch

from imgcycle.config import ConvertOptions
from imgcycle.device import BASE_BYTES, default_memory, parse_size
from imgcycle.engine import resample
from imgcycle.engine.strips.plan import StripPlan
from imgcycle.engine.strokes import bytes_in_hand
from imgcycle.engine.translator import Style, Translator
from imgcycle.errors import InputError, UsageError
from imgcycle.jobs.strokes import frame_plan, strokes_share
from imgcycle.jobs.tasks import Task
from imgcycle.media import formats
from imgcycle.media.formats import Format
from imgcycle.media.image import row_reader
from imgcycle.media.image.read import ImageHeader, measure, measure_file
from imgcycle.media.image.row_writer import ROWS, WRITABLE
from imgcycle.media.paths import kind_of, shown
from imgcycle.media.video.ffmpeg import frames_ahead

_MEBI = 2**20
_FEWER = "; row by row, with pip install 'imgcycle[huge]', less might"
_RAW = 40
"""Bytes that developing a RAW file takes for each of its own."""
_IN_HAND = 12
"""Frames of a clip between the two queues."""
_SEEN = 600
"""Bytes that a pixel of the reduced frames takes in these: themselves, their motion, what is remembered."""
_FRESH = 40
"""Bytes that a pixel of a reduced frame takes while it is in the net or waits for its turn after it."""
_LANES = 8
"""Frames in the net at once at most: one thread before it and one after it feed no more."""
_WORK = 64
"""Bytes that a pixel of the reduced picture takes on its way to the net and back."""


@dataclass(frozen=True)
class MemoryBudget:
    """Bytes that the process may take, everything included.

    `promised` tells that a user asked for the limit: then what does not fit is refused. Else it is a measure to plan
    by, and a picture that needs more gets what it needs.
    """

    total: int
    promised: bool = False

    @classmethod
    def default(cls) -> Self:
        """A quarter of the installed memory."""
        return cls(default_memory())

    @classmethod
    def asked(cls, text: str | None) -> Self:
        """What `--memory` says, like 512M or 4G: a promise; without it the default. UsageError for what is no size."""
        return cls.default() if text is None else cls(parse_size(text), promised=True)

    def for_pictures(self, translator: Translator) -> int:
        """What the interpreter, the libraries and the net leave."""
        return max(0, self.total - _always(translator))


@dataclass(frozen=True)
class ImageCost:
    """Bytes a picture takes while it is read, while the net works, and while it is written; the net's planes apart."""

    reading: int
    held: int
    writing: int


def _always(translator: Translator) -> int:
    return BASE_BYTES + translator.base_bytes + translator.weight_bytes


_READING = {"JPEG": 0, "MPO": 0, "PNG": 4, "TIFF": 4}
_READING_DEEP = {"PNG": 1, "TIFF": 6}
_COEFFICIENTS = 6
"""Bytes a pixel that a progressive JPEG's decoder keeps, where chroma is as fine as luma."""
_OTHERS = 10
"""Bytes a pixel that decoders take beside the array they fill: Pillow keeps four, some keep the picture twice."""
_CANVAS = 12
"""Samples a pixel of an animation's canvas, of what is kept of it, and of the frame before."""
_SEQUENCES = {"WEBP": 24, "AVIF": 60}
"""Bytes a pixel that encoders take for frames beyond what they take for stills, those they look back at among them."""
_ENCODER = {"JPEG": 3, "PNG": 3, "TIFF": 0}
"""Samples a pixel that encoders want laid out anew."""
_FILE = {"JPEG": 1, "PNG": 2.5, "TIFF": 2.5, "AVIF": 1, "WEBP": 2}
"""Bytes a pixel, of 8-bit samples, of a photograph with much fine detail."""
_VIPS = 12 * _MEBI
"""What libvips takes once it is there."""
_BANDS = 12
"""Bands of rows alive in a writer and at the ends of the net."""
_HOLES = 40
"""Bytes a pixel for filling what is transparent, through floats of the full size."""


def image_cost(facts: ImageHeader, file_size: int, options: ConvertOptions, target: str) -> ImageCost:
    """What decoders, arrays and the encoder of the `target` format take for a picture of this header.

    Measured on pictures of 100 megapixels.
    """
    pixels = facts.width * facts.height
    wide = 2 if facts.deep else 1
    coefficients = _COEFFICIENTS if facts.progressive else 0
    channels = 4 if facts.alpha else 3
    decoder = (_READING_DEEP if facts.deep else _READING).get(facts.format, _OTHERS)
    if facts.stored:
        # The samples beside a strip of them, which may be all, then beside what is made of them.
        decoder = max(2 * facts.stored, facts.stored + channels * wide) - channels * wide
    turned = channels * wide if facts.turned else 0
    made = 2 if options.compare else 1
    kept = channels * wide + (3 * wide if facts.alpha or options.compare else 0)
    # Of an animation one frame at a time is there, beside the canvas and what was written last.
    kept += _CANVAS * wide + _OTHERS if facts.frames > 1 else 0
    encoder = (_ENCODER.get(target, _OTHERS) + 2 * _FILE.get(target, 2.5)) * wide
    encoder += _SEQUENCES.get(target, 0) if facts.frames > 1 else 0
    return ImageCost(
        pixels * (channels * wide + decoder + coefficients + turned + (_HOLES if facts.alpha else 0)) + file_size,
        pixels * kept + (file_size if facts.frames > 1 else 0),
        round(pixels * (kept + (made - 1) * 2 * channels * wide + made * encoder)),
    )


def row_cost(facts: ImageHeader, task: Task, style: Style) -> ImageCost | None:
    """What the same picture takes row by row; None where it cannot be read or written so.

    Measured on pictures of 100 megapixels.
    """
    target = _target(facts, task)
    if (
        task.options.compare
        or facts.alpha
        or facts.frames > 1
        or target not in WRITABLE
        or not row_reader.is_available()
    ):
        return None
    reader = row_reader.open_rows(Path(task.input), task.options.max_pixels)
    if reader is None:
        return None
    options = task.options
    bands = _VIPS + facts.width * ROWS * 3 * (2 if facts.deep else 1) * _BANDS
    share = strokes_share(facts.height, facts.width, options, style)
    followed = options.strength < 1 or options.keep_colour or bool(reader.outline.metadata.icc) or share > 0
    passes = 2 if followed and not reader.spooled else 1
    return ImageCost(bands + reader.memory, bands + passes * reader.memory, bands + reader.memory)


def plan_strips(
    height: int, width: int, held: int, options: ConvertOptions, translator: Translator, memory: MemoryBudget
) -> StripPlan:
    """How the net does a picture of this size of which `held` bytes are in memory; UsageError when a promise is too
    small for it."""
    shape = work_shape(height, width, options, translator.style)
    held += _small_bytes(shape, height, width) + _always(translator)
    total = memory.total if memory.promised else max(memory.total, held + translator.least_memory(*shape))
    return translator.plan(*shape, total, held=held)


def plan_stroke_strips(
    height: int, width: int, held: int, options: ConvertOptions, translator: Translator, memory: MemoryBudget
) -> StripPlan:
    """The same for the style's second net, which draws strokes at full size."""
    fine = translator.strokes
    assert fine is not None
    shape = work_shape(height, width, options, translator.style)
    held += _small_bytes(shape, height, width) + _always(translator) + bytes_in_hand(width)
    total = memory.total if memory.promised else max(memory.total, held + fine.least_memory(height, width))
    return fine.plan(height, width, total, held=held)


@dataclass(frozen=True)
class ImagePlan:
    """How a picture is done: the bytes it takes at its worst moment, those of them that are no planes of the net, its
    plan (None when no header tells), that of the net for fine strokes where it draws some,
    whether it goes row by row from file to file, never in memory as a whole, and whether it moves and its result
    can."""

    size: int
    held: int = 0
    net: StripPlan | None = None
    by_rows: bool = False
    moves: bool = False
    strokes: StripPlan | None = None

    def __str__(self) -> str:
        how = "its size is known once it is decoded" if self.net is None else str(self.net)
        how += "" if self.strokes is None else f" Then strokes, {self.strokes}"
        return f"row by row, {how}" if self.by_rows else how


def plan_bytes(data: bytes, task: Task, translator: Translator, memory: MemoryBudget) -> ImagePlan:
    """How a picture is done that is in memory already, judged from its header.

    InputError when it has none; UsageError when a promised limit is too small, with the least that would do.
    """
    if _is_raw(task):
        return ImagePlan(_RAW * len(data))
    return _course(measure(data, task.options.max_pixels), len(data), task, translator, memory, lambda: None)


def plan_file(task: Task, translator: Translator, memory: MemoryBudget) -> ImagePlan:
    """The same of a task's file, which goes row by row where it would not fit otherwise.

    Held in memory a picture is decoded once and a JPEG's codes are made to measure, so that is the way of all that
    fit `memory`; row by row is the way of the others, where pyvips is there and knows how to read them.
    """
    path = Path(task.input)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(error.strerror or str(error)) from error
    if _is_raw(task):
        return ImagePlan(_RAW * size)
    facts = measure_file(path, task.options.max_pixels)
    return _course(facts, size, task, translator, memory, lambda: row_cost(facts, task, translator.style))


def _is_raw(task: Task) -> bool:
    return kind_of(Path(task.input)) == "raw" and task.options.raw != "none"


def _course(
    facts: ImageHeader,
    file_size: int,
    task: Task,
    translator: Translator,
    memory: MemoryBudget,
    otherwise: Callable[[], ImageCost | None],
) -> ImagePlan:
    options = task.options
    net = translator.exact() if facts.deep else translator
    shape = work_shape(facts.height, facts.width, options, net.style)
    small = _small_bytes(shape, facts.height, facts.width)

    strokes = net.strokes if strokes_share(facts.height, facts.width, options, net.style) else None

    def least_of(need: ImageCost) -> int:
        at_net = need.held + net.least_memory(*shape)
        if strokes is not None:
            fine = bytes_in_hand(facts.width) + strokes.least_memory(facts.height, facts.width)
            at_net = max(at_net, need.held + fine)
        return _always(net) + max(need.reading, small + max(need.writing, at_net))

    target = _target(facts, task)
    need = image_cost(facts, file_size, options, target.name)
    least, by_rows = least_of(need), False
    if least > memory.total and (other := otherwise()) is not None and least_of(other) < least:
        need, least, by_rows = other, least_of(other), True
    if memory.promised and least > memory.total:
        raise TooSmall(facts, least, memory.total, "" if by_rows or row_reader.is_available() else _FEWER)
    plan = plan_strips(facts.height, facts.width, need.held, options, net, memory)
    peak, fine = plan.peak_bytes, None
    if strokes is not None:
        fine = plan_stroke_strips(facts.height, facts.width, need.held, options, net, memory)
        peak = max(peak, fine.peak_bytes + bytes_in_hand(facts.width))
    size = max(need.reading, small + max(need.writing, need.held + peak))
    return ImagePlan(size, need.held, plan, by_rows, facts.frames > 1 and target.animated, fine)


def work_shape(height: int, width: int, options: ConvertOptions, style: Style) -> tuple[int, int]:
    """The (height, width) at which the net sees a picture."""
    work_size = style.work_size if options.work_size == "auto" else options.work_size
    return resample.work_shape(height, width, work_size)


def _small_bytes(shape: tuple[int, int], height: int, width: int) -> int:
    """What the reduction to `shape` takes, where there is one."""
    return 0 if shape == (height, width) else shape[0] * shape[1] * _WORK


def _target(facts: ImageHeader, task: Task) -> Format:
    return formats.written_as(formats.by_suffix(task.output) or formats.by_name(facts.format))


@dataclass(frozen=True)
class VideoLimits:
    """What clips may take: memory (default a quarter of what is installed), and frames in the net at once."""

    memory: MemoryBudget | None = None
    frames: int | None = None


DEFAULT_LIMITS = VideoLimits()
"""What there is."""


@dataclass(frozen=True)
class FrameCost:
    """Bytes that the process takes for a clip at most: with one frame in the net, and for each one more."""

    least: int
    lane: int

    def lanes(self, translator: Translator, room: VideoLimits) -> int:
        """How many frames are in the net at once: as many as asked for, else one to a core, as far as memory goes."""
        if not translator.concurrent:
            return 1
        wanted = room.frames or min(_LANES, torch.get_num_threads())
        memory = room.memory or MemoryBudget.default()
        return max(1, min(wanted, 1 + (memory.total - self.least) // self.lane))


def frame_cost(height: int, width: int, deep: bool, options: ConvertOptions, translator: Translator) -> FrameCost:
    """What frames of this size take: the net, and every frame on its way."""
    shape = work_shape(height, width, options, translator.style)
    frame = 3 * width * height * (2 if deep else 1)
    queued = 2 * frames_ahead(frame)
    net = translator.plan(*shape, 2**62, mode="whole").whole_bytes
    # The change is enlarged by columns first: floats of the full width and the work size's height.
    columns = 0 if shape == (height, width) else 12 * width * shape[0]
    small = shape[0] * shape[1]
    fine = 0
    if translator.strokes is not None and strokes_share(height, width, options, translator.style):
        fine = frame_plan(height, width, translator.strokes).peak_bytes + bytes_in_hand(width)
    least = _always(translator) + net + fine + (queued + _IN_HAND) * frame + _SEEN * small + columns
    return FrameCost(least, net + fine + frame + _FRESH * small)


def check_memory(tasks: Iterable[Task], translator: Translator, memory: MemoryBudget) -> None:
    """Raise UsageError when a promised limit is too small for every picture there is, with the least for the worst.

    Where it does for one, headers are read no further: what does not fit fails by itself, and vetoes nothing.
    """
    if not memory.promised:
        return
    worst: TooSmall | None = None
    for task in tasks:
        try:
            plan_file(task, translator, memory)
            return
        except TooSmall as error:
            error.message = f"{shown(task.input)}: {error.message}"
            worst = error if worst is None or error.least > worst.least else worst
        except InputError:  # its row will say so
            continue
    if worst is not None:
        raise worst


class TooSmall(UsageError):
    """The memory promised is too small for a picture; `least` is what would do."""

    def __init__(self, facts: ImageHeader, least: int, total: int, beside: str = "") -> None:
        self.least = -(-least // _MEBI)
        super().__init__(
            f"{facts.width} × {facts.height} pixels need more than the {total // _MEBI} MiB allowed",
            f"--memory {self.least}M is the least that would do{beside}",
        )
