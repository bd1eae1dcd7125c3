"""What a conversion may take of the machine's memory, and what one picture takes of that.

A promise about the process as a whole: everything here is judged from headers, nets and options, before a pixel is
decoded, so that the same picture is always done the same way and what cannot be done is known at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from imgcycle.config import ConvertOptions
from imgcycle.device import BASE_BYTES, default_memory
from imgcycle.engine import fullsize
from imgcycle.engine.plan import StripPlan
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, UsageError
from imgcycle.jobs.tasks import Task
from imgcycle.media import formats
from imgcycle.media.paths import kind_of, shown
from imgcycle.media.stills import Facts, measure, measure_file

_MEBI = 2**20
_WORK = 64
"""Bytes a pixel of the reduced picture takes on its way to the net and back."""


@dataclass(frozen=True)
class Memory:
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

    def for_pictures(self, translator: Translator) -> int:
        """What the interpreter, the libraries and the net leave."""
        return max(0, self.total - _always(translator))


@dataclass(frozen=True)
class Need:
    """Bytes a picture takes while it is read, while the net works, and while it is written; the net's planes apart."""

    reading: int
    held: int
    writing: int


def _always(translator: Translator) -> int:
    return BASE_BYTES + translator.weight_bytes


_READING = {"JPEG": 0, "MPO": 0, "PNG": 4, "TIFF": 4}
_READING_DEEP = {"PNG": 1, "TIFF": 6}
_OTHERS = 10
"""Bytes a pixel that decoders take beside the array they fill: Pillow keeps four, some keep the picture twice."""
_ENCODER = {"JPEG": 3, "PNG": 3, "TIFF": 0}
"""Samples a pixel that encoders want laid out anew."""
_FILE = {"JPEG": 1, "PNG": 2.5, "TIFF": 2.5, "AVIF": 1, "WEBP": 2}
"""Bytes a pixel, of 8-bit samples, of a photograph with much fine detail."""
_HOLES = 40
"""Bytes a pixel for filling what is transparent, through floats of the full size."""


def need_of(facts: Facts, file_size: int, options: ConvertOptions, target: str) -> Need:
    """What decoders, arrays and the encoder of the `target` format take for a picture of this header.

    Measured on pictures of 100 megapixels.
    """
    pixels = facts.width * facts.height * facts.frames
    wide = 2 if facts.deep else 1
    channels = 4 if facts.alpha else 3
    decoder = (_READING_DEEP if facts.deep else _READING).get(facts.format, _OTHERS)
    turned = channels * wide if facts.turned else 0
    made = 2 if options.compare else 1
    kept = channels * wide + (3 * wide if facts.alpha or options.compare else 0)
    encoder = (_ENCODER.get(target, _OTHERS) + 2 * _FILE.get(target, 2.5)) * wide
    return Need(
        pixels * (channels * wide + decoder + turned + (_HOLES if facts.alpha else 0)) + file_size,
        pixels * kept,
        round(pixels * (kept + (made - 1) * 2 * channels * wide + made * encoder)),
    )


def fitted(
    height: int, width: int, held: int, options: ConvertOptions, translator: Translator, memory: Memory
) -> StripPlan:
    """How the net does a picture of this size of which `held` bytes are in memory; UsageError when a promise is too
    small for it."""
    shape = _shape(height, width, options, translator)
    if shape != (height, width):
        held += shape[0] * shape[1] * _WORK
    held += _always(translator)
    total = memory.total if memory.promised else max(memory.total, held + translator.least_memory(*shape))
    return translator.plan(*shape, total, held=held)


def planned(data: bytes, task: Task, translator: Translator, memory: Memory) -> tuple[int, StripPlan | None]:
    """Bytes that a file's picture takes at its worst moment, and the net's plan for it (None when no header tells).

    InputError when it has no header; UsageError when a promised limit is too small, with the least that would do.
    """
    if kind_of(Path(task.input)) == "raw" and task.options.raw != "none":
        return 40 * len(data), None
    return _planned(measure(data, task.options.max_pixels), len(data), task, translator, memory)


def _planned(facts: Facts, file_size: int, task: Task, translator: Translator, memory: Memory) -> tuple[int, StripPlan]:
    options = task.options
    suffix = formats.by_suffix(task.output)
    target = suffix.name if suffix else facts.format
    net = translator.exact() if facts.deep else translator
    need = need_of(facts, file_size, options, target)
    at_ends = max(need.reading, need.writing)
    if memory.promised:
        least = _always(translator) + max(
            at_ends, need.held + net.least_memory(*_shape(facts.height, facts.width, options, net))
        )
        if least > memory.total:
            raise TooSmall(facts, least, memory.total)
    plan = fitted(facts.height, facts.width, need.held, options, net, memory)
    return max(at_ends, need.held + plan.peak_bytes), plan


def _shape(height: int, width: int, options: ConvertOptions, translator: Translator) -> tuple[int, int]:
    work_size = translator.style.work_size if options.work_size == "auto" else options.work_size
    return fullsize.work_shape(height, width, work_size)


def check_memory(tasks: Iterable[Task], translator: Translator, memory: Memory) -> None:
    """Raise UsageError when a promised limit is too small for any of the pictures, with the least for the worst."""
    if not memory.promised:
        return
    worst: TooSmall | None = None
    for task in tasks:
        try:
            planned_file(task, translator, memory)
        except TooSmall as error:
            worst = error if worst is None or error.least > worst.least else worst
        except InputError:  # its row will say so
            continue
    if worst is not None:
        raise worst


def planned_file(task: Task, translator: Translator, memory: Memory) -> StripPlan:
    """The net's plan for a task, from the header of its file; InputError when that tells nothing."""
    path = Path(task.input)
    facts = measure_file(path, task.options.max_pixels)
    try:
        return _planned(facts, path.stat().st_size, task, translator, memory)[1]
    except TooSmall as error:
        error.message = f"{shown(task.input)}: {error.message}"
        raise


class TooSmall(UsageError):
    """The memory promised is too small for a picture; `least` is what would do."""

    def __init__(self, facts: Facts, least: int, total: int) -> None:
        self.least = -(-least // _MEBI)
        super().__init__(
            f"{facts.width} × {facts.height} pixels need more than the {total // _MEBI} MiB allowed",
            f"--memory {self.least}M is the least that would do",
        )
