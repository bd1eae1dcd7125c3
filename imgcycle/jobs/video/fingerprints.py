"""Fingerprints of files and image sequences, for the ledger."""

from __future__ import annotations

import hashlib
from pathlib import Path

from imgcycle.jobs.ledger import Fingerprint, file_digest
from imgcycle.jobs.video.kinds import is_sequence
from imgcycle.media.video.sequences import picture_numbers, picture_path


def fingerprint(path: Path, digest: str | None = None) -> Fingerprint:
    """Fingerprint of a file or a sequence; `digest` if a file's is known. OSError passes through."""
    if not is_sequence(path):
        return Fingerprint.of(path.stat(), digest or file_digest(path))
    pictures = [picture_path(path, number) for number in picture_numbers(path)]
    facts = [(picture.name, (s := picture.stat()).st_size, s.st_mtime_ns) for picture in pictures]
    text = repr(facts).encode("utf-8", "surrogateescape")
    size, time = sum(fact[1] for fact in facts), max((fact[2] for fact in facts), default=0)
    return Fingerprint(size, time, hashlib.sha256(text).hexdigest())
