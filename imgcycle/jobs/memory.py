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


def need_of(facts: Facts, file_size: int, options: ConvertOptions) -> Need:
    """What decoders, arrays and encoders take for a picture of this header, measured on 100 megapixels."""
    pixels = facts.width * facts.height * facts.frames
    wide = 2 if facts.deep else 1
    # Pillow keeps four bytes a pixel beside the array; deep PNGs are decoded twice, once to see whether they are whole.
    decoder = {"JPEG": 0, "MPO": 0, "TIFF": 4 + 3 * (wide - 1)}.get(facts.format, 4 + 9 * (wide - 1))
    turned = 3 * wide if facts.turned else 0
    # Holes are filled through floats of the full size.
    holes = 40 if facts.alpha else 0
    kept = (3 + (4 if facts.alpha else 0) + (3 if options.compare else 0)) * wide
    # The channels in the encoder's order, the file, and the file once more with its metadata.
    encoder = (3 + 3 + (1 if facts.alpha else 0)) * wide * (2 if options.compare else 1)
    encoder += 0 if facts.format in ("JPEG", "PNG", "TIFF", "MPO") else 8
    return Need(
        pixels * (3 * wide + decoder + turned + holes) + file_size,
        pixels * kept,
        pixels * (kept + encoder) + 2 * file_size,
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


def planned(
    data: bytes, name: str, options: ConvertOptions, translator: Translator, memory: Memory
) -> tuple[int, StripPlan | None]:
    """Bytes that a file's picture takes at its worst moment, and the net's plan for it (None when no header tells).

    InputError when it has no header; UsageError when a promised limit is too small, with the least that would do.
    """
    if kind_of(Path(name)) == "raw" and options.raw != "none":
        return 40 * len(data), None
    facts = measure(data, options.max_pixels)
    return planned_for(facts, len(data), options, translator, memory)


def planned_for(
    facts: Facts, file_size: int, options: ConvertOptions, translator: Translator, memory: Memory
) -> tuple[int, StripPlan]:
    """The same from a header that was read already."""
    net = translator.exact() if facts.deep else translator
    need = need_of(facts, file_size, options)
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
        return planned_for(facts, path.stat().st_size, task.options, translator, memory)[1]
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
