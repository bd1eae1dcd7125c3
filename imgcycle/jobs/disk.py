"""Free disk space, checked before the work rather than halfway."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from imgcycle.errors import InputError, OutputError
from imgcycle.jobs.tasks import ClipTask, Task
from imgcycle.media import formats, paths
from imgcycle.media.image import write
from imgcycle.media.image.read import measure_file
from imgcycle.media.remote import is_remote

_GROWTH = 1.5
"""Results are larger than sources that were compressed harder."""


class DiskNeed(Protocol):
    """A plan of pictures or of clips."""

    @property
    def to_convert(self) -> Sequence[Task | ClipTask]:
        """Tasks to convert."""
        ...


def check_disk(plan: DiskNeed) -> None:
    """Raise OutputError if the results will surely not fit the disk; estimated from inputs, formats and quality."""
    needed: dict[Path, int] = {}
    for task in plan.to_convert:
        if is_remote(task.root):  # which does not become full
            continue
        with contextlib.suppress(OSError):  # its row will say so
            root = existing(Path(task.root))
            needed[root] = needed.get(root, 0) + expected_size(task)
    for root, size in needed.items():
        try:
            free = shutil.disk_usage(root).free
        except OSError:  # a system that does not tell
            continue
        if size > free:
            raise OutputError(
                f"about {_amount(size)} will be written to {paths.shown(root)}, where {_amount(free)} are free",
                "free some, or choose another -o",
            )


def expected_size(task: Task | ClipTask) -> int:
    """Approximate size of a result in bytes; OSError if its input is missing."""
    source = Path(task.input)
    size = round(source.stat().st_size * _GROWTH)
    if isinstance(task, ClipTask):
        return size * (2 if task.options.comparison == "side" else 1)
    parts = 2 if task.options.compare else 1
    before, after = formats.by_suffix(source), formats.by_suffix(task.output)
    alike = before is not None and (before is after or (before.lossless and after is not None and after.lossless))
    usual = after is None or not after.writable or (alike and (after.lossless or task.options.quality is None))
    if usual and task.options.max_side is None:
        return size * parts
    try:
        facts = measure_file(source, task.options.max_pixels, task.options.max_side)
    except InputError:  # which comes to nothing, or is a RAW file
        return size * parts
    if usual or after is None:
        return round(size * parts * facts.width * facts.height / max(1, facts.pixels))
    pixels = facts.width * facts.height * (facts.frames if after.animated else 1)
    return write.typical_size(pixels, after, task.options.quality, facts.deep) * parts


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 10**9 else f"{size / 1e6:.1f} MB"


def existing(path: Path) -> Path:
    """The folder itself, or its nearest existing parent."""
    while not os.path.isdir(path) and path != path.parent:  # noqa: PTH112 - False for a closed one
        path = path.parent
    return path
