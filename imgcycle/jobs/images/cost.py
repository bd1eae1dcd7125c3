"""Memory of an image, and the plan for its conversion.

Everything is computed from headers, nets and options, before a pixel is decoded, so that the same image is always
processed the same way and impossible ones are known at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from imgcycle.engine.strips.plan import StripPlan
from imgcycle.engine.strokes import bytes_in_hand
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, UsageError, reported
from imgcycle.jobs.budget import MemoryBudget, fixed_bytes, reduction_bytes
from imgcycle.jobs.recipe import ResolvedOptions
from imgcycle.jobs.tasks import Task
from imgcycle.media import formats
from imgcycle.media.formats import Format
from imgcycle.media.headers import ImageHeader
from imgcycle.media.image import row_reader
from imgcycle.media.image.read import measure, measure_file
from imgcycle.media.image.row_writer import ROWS, WRITABLE
from imgcycle.media.inputs import ALPHA
from imgcycle.media.paths import kind_of, shown

_MEBI = 2**20
_FEWER = "; row by row, with pip install 'imgcycle[huge]', less might"
_RAW = 40
"""Bytes for developing a RAW file, for each of its own."""


@dataclass(frozen=True)
class ImageCost:
    """Bytes an image takes while it is read, while the net runs, and while it is written; without the net's planes."""

    reading: int
    held: int
    writing: int


_READING = {"JPEG": 0, "MPO": 0, "PNG": 4, "TIFF": 4}
_READING_DEEP = {"PNG": 1, "TIFF": 6}
_COEFFICIENTS = 6
"""Bytes a pixel that a progressive JPEG's decoder keeps without chroma subsampling."""
_OTHERS = 10
"""Bytes a pixel that decoders take beside the array they fill: Pillow keeps four, some keep the image twice."""
_CANVAS = 12
"""Samples a pixel of an animation's canvas, of its saved copy, and of the previous frame."""
_SEQUENCES = {"WEBP": 24, "AVIF": 60}
"""Bytes a pixel that encoders of animations take beyond those of stills, reference frames included."""
_ENCODER = {"JPEG": 3, "PNG": 3, "TIFF": 0}
"""Samples a pixel that encoders need in another layout."""
_FILE = {"JPEG": 1, "PNG": 2.5, "TIFF": 2.5, "AVIF": 1, "WEBP": 2}
"""Bytes a pixel of an encoded 8-bit photograph with much fine detail."""
_VIPS = 12 * _MEBI
"""Bytes that libvips takes once it is loaded."""
_BANDS = 12
"""Bands of rows alive in a writer and at input and output of the net."""
_MASK = 32
"""Bytes a pixel for reading a mask, whose grey is summed in 64 bits."""
_BLENDING = 12
"""Bytes a pixel for downscaling colours by their opacity, one channel after the other, in floats."""
_HOLES = 40
"""Bytes a pixel for filling transparent areas, in floats of the full size."""


def image_cost(facts: ImageHeader, file_size: int, options: ResolvedOptions, target: str) -> ImageCost:
    """Memory of decoders, arrays and the encoder of the `target` format for an image of this header.

    Measured on images of 100 megapixels.
    """
    pixels = facts.width * facts.height
    source = max(facts.pixels, pixels)
    decoded = source // facts.draft**2
    wide = 2 if facts.deep else 1
    coefficients = _COEFFICIENTS if facts.progressive else 0
    channels = 4 if facts.alpha else 3
    decoder = (_READING_DEEP if facts.deep else _READING).get(facts.format, _OTHERS)
    if facts.stored:
        # The samples beside a strip of them, which may be all, then beside the converted pixels.
        decoder = max(2 * facts.stored, facts.stored + channels * wide) - channels * wide
    turned = channels * wide if facts.turned else 0
    made = 2 if options.compare else 1
    kept = channels * wide + (3 * wide if facts.alpha or options.compare or options.mask else 0)
    # Of an animation one frame at a time is decoded, beside the canvas and the frame written last.
    moving = _CANVAS * wide + _OTHERS if facts.frames > 1 else 0
    encoder = (_ENCODER.get(target, _OTHERS) + 2 * _FILE.get(target, 2.5)) * wide
    encoder += _SEQUENCES.get(target, 0) if facts.frames > 1 else 0
    reading = decoded * (channels * wide + decoder + turned) + source * coefficients
    if source > pixels:
        reading += pixels * channels * wide + (decoded * _BLENDING if facts.alpha else 0)
    held = pixels * kept + source * moving
    making = pixels * ((made - 1) * 2 * channels * wide + made * encoder)
    return ImageCost(
        round(reading + pixels * (_HOLES if facts.alpha else 0) + file_size),
        held + (file_size if facts.frames > 1 else 0),
        round(held + max(making, source * _mask_bytes(options))),
    )


def _mask_bytes(options: ResolvedOptions) -> int:
    """Bytes a pixel for reading a mask that lies in a file."""
    return 0 if options.mask in (None, ALPHA) else _MASK


def row_cost(facts: ImageHeader, task: Task) -> ImageCost | None:
    """Memory of the same image processed row by row; None if it cannot be read or written that way.

    Measured on images of 100 megapixels.
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
    reader = row_reader.open_rows(Path(task.input), task.options.max_pixels, None, task.options.max_side)
    if reader is None:
        return None
    options = task.options
    bands = _VIPS + facts.width * ROWS * 3 * (2 if facts.deep else 1) * _BANDS
    share = options.strokes_share(facts.height, facts.width)
    followed = options.strength != 1 or options.recolours or bool(reader.outline.metadata.icc) or share > 0
    followed = followed or options.mask is not None
    masks = max(facts.pixels, facts.width * facts.height) * _mask_bytes(options)
    passes = 2 if followed and not reader.spooled else 1
    return ImageCost(bands + reader.memory, bands + passes * reader.memory + masks, bands + reader.memory + masks)


@dataclass(frozen=True)
class ImagePlan:
    """Plan for one image, printed and carried out.

    Peak bytes (`size`) and those of them that are not the net's planes (`held`); the image's height, width and depth;
    the plans of the net and of the second one for fine strokes, if used; whether rows are streamed from file to file,
    and whether it is an animation with an animated result. `net` is None if no header states the image's size, until it
    is decoded (`settled`).
    """

    size: int
    held: int = 0
    height: int = 0
    width: int = 0
    deep: bool = False
    net: StripPlan | None = None
    strokes: StripPlan | None = None
    by_rows: bool = False
    moves: bool = False

    @property
    def nets(self) -> list[StripPlan]:
        """Plans of the nets that are run, one after another."""
        return [plan for plan in (self.net, self.strokes) if plan is not None]

    def __str__(self) -> str:
        how = "its size is known once it is decoded" if self.net is None else str(self.net)
        how += "" if self.strokes is None else f" Then strokes, {self.strokes}"
        return f"row by row, {how}" if self.by_rows else how


def plan_bytes(data: bytes, task: Task, translator: Translator, memory: MemoryBudget) -> ImagePlan:
    """Plan for an image in memory, from its header.

    InputError without a header; UsageError if a promised limit is too small, with the least that would do.
    """
    if _is_raw(task):
        return ImagePlan(_RAW * len(data))
    facts = measure(data, task.options.max_pixels, task.options.max_side)
    return _planned(facts, len(data), task, translator, memory, lambda: None)


def plan_file(task: Task, translator: Translator, memory: MemoryBudget) -> ImagePlan:
    """Plan for a task's file, streamed row by row if it would not fit otherwise.

    In memory an image is decoded once and a JPEG gets optimised Huffman tables, so everything that fits `memory` is
    done that way; row by row is the way of the others, where pyvips is available and can read them.
    """
    path = Path(task.input)
    with reported(InputError):
        size = path.stat().st_size
    if _is_raw(task):
        return ImagePlan(_RAW * size)
    facts = measure_file(path, task.options.max_pixels, task.options.max_side)
    return _planned(facts, size, task, translator, memory, lambda: row_cost(facts, task))


def settled(
    plan: ImagePlan,
    height: int,
    width: int,
    deep: bool,
    held: int,
    options: ResolvedOptions,
    translator: Translator,
    memory: MemoryBudget,
) -> ImagePlan:
    """The plan itself if the decoded image is as its header stated; else with new net plans for the decoded one, of
    which `held` bytes are in memory.
    """
    if plan.net is not None and (plan.height, plan.width, plan.deep) == (height, width, deep):
        return plan
    net = options.net(translator, deep)
    first, fine = plan_nets(height, width, held, options, net, memory)
    return replace(plan, held=held, height=height, width=width, deep=deep, net=first, strokes=fine)


def plan_nets(
    height: int, width: int, held: int, options: ResolvedOptions, translator: Translator, memory: MemoryBudget
) -> tuple[StripPlan, StripPlan | None]:
    """Plans of the net for an image of this size of which `held` bytes are in memory, and of the second one for
    strokes if used; UsageError if a promised limit is too small.
    """
    shape = options.work_shape(height, width)
    held += reduction_bytes(shape, height, width) + fixed_bytes(translator)

    def allowed(least: int) -> int:
        return memory.total if memory.promised else max(memory.total, least)

    first = translator.plan(*shape, allowed(held + translator.least_memory(*shape)), held=held)
    fine = translator.strokes
    if fine is None or not options.strokes_share(height, width):
        return first, None
    held += bytes_in_hand(width)
    return first, fine.plan(height, width, allowed(held + fine.least_memory(height, width)), held=held)


def _is_raw(task: Task) -> bool:
    return kind_of(Path(task.input)) == "raw" and task.options.raw != "none"


def _planned(
    facts: ImageHeader,
    file_size: int,
    task: Task,
    translator: Translator,
    memory: MemoryBudget,
    otherwise: Callable[[], ImageCost | None],
) -> ImagePlan:
    """Plan from header properties; `otherwise` returns the cost row by row, if the image does not fit whole."""
    options, (height, width) = task.options, (facts.height, facts.width)
    net = options.net(translator, facts.deep)
    shape = options.work_shape(height, width)
    small = reduction_bytes(shape, height, width)
    strokes = net.strokes if options.strokes_share(height, width) else None

    def least_of(need: ImageCost) -> int:
        at_net = need.held + net.least_memory(*shape)
        if strokes is not None:
            at_net = max(at_net, need.held + bytes_in_hand(width) + strokes.least_memory(height, width))
        return fixed_bytes(net) + max(need.reading, small + max(need.writing, at_net))

    target = _target(facts, task)
    need = image_cost(facts, file_size, options, target.name)
    least, by_rows = least_of(need), False
    if least > memory.total and (other := otherwise()) is not None and least_of(other) < least:
        need, least, by_rows = other, least_of(other), True
    if memory.promised and least > memory.total:
        raise TooSmall(facts, least, memory.total, "" if by_rows or row_reader.is_available() else _FEWER)
    first, fine = plan_nets(height, width, need.held, options, net, memory)
    peak = first.peak_bytes if fine is None else max(first.peak_bytes, fine.peak_bytes + bytes_in_hand(width))
    size = max(need.reading, small + max(need.writing, need.held + peak))
    moves = facts.frames > 1 and target.animated
    return ImagePlan(size, need.held, height, width, facts.deep, first, fine, by_rows, moves)


def _target(facts: ImageHeader, task: Task) -> Format:
    return formats.written_as(formats.by_suffix(task.output) or formats.by_name(facts.format))


def check_memory(tasks: Iterable[Task], translator: Translator, memory: MemoryBudget) -> None:
    """Raise UsageError if a promised limit is too small for every image, with the least for the largest.

    As soon as it suffices for one, no more headers are read: images that do not fit fail by themselves, without
    stopping the others.
    """
    if not memory.promised:
        return
    worst: TooSmall | None = None
    for task in tasks:
        try:
            plan_file(task, translator, memory)
            return
        except TooSmall as error:
            worst = error.at(shown(task.input)) if worst is None or error.least > worst.least else worst
        except InputError:  # its row will say so
            continue
    if worst is not None:
        raise worst


class TooSmall(UsageError):
    """The promised memory is too small for an image; `least` is what would do."""

    def __init__(self, facts: ImageHeader, least: int, total: int, beside: str = "") -> None:
        self.least = -(-least // _MEBI)
        super().__init__(
            f"{facts.width} × {facts.height} pixels need more than the {total // _MEBI} MiB allowed",
            f"--memory {self.least}M is the least that would do{beside}",
        )
