"""Numbered pictures taken as one: what the ledger notes of them, and whether they are still what it noted."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from imgcycle.jobs.ledger import file_digest
from imgcycle.media.video.sequences import is_pattern, picture_numbers, picture_path


@dataclass(frozen=True)
class InputFingerprint:
    """A file's size in bytes, its time in nanoseconds, its SHA-256.

    Of numbered pictures: the sum of their sizes, the latest time, and the SHA-256 of all names, sizes and times.
    """

    size: int
    time: int
    digest: str


def is_sequence(path: Path | str) -> bool:
    """Whether a name stands for numbered pictures; a file that is really called `%d.mp4` is a file."""
    return is_pattern(path) and not os.path.lexists(path)


def facts_of(path: Path, digest: str | None = None) -> InputFingerprint:
    """What is there under a file's name or a sequence's; `digest` when a file's is known. OSError passes through."""
    if not is_sequence(path):
        found = path.stat()
        return InputFingerprint(found.st_size, found.st_mtime_ns, digest or file_digest(path))
    pictures = [picture_path(path, number) for number in picture_numbers(path)]
    facts = [(picture.name, (s := picture.stat()).st_size, s.st_mtime_ns) for picture in pictures]
    text = repr(facts).encode("utf-8", "surrogateescape")
    size, time = sum(fact[1] for fact in facts), max((fact[2] for fact in facts), default=0)
    return InputFingerprint(size, time, hashlib.sha256(text).hexdigest())
