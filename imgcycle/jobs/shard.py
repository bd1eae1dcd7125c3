"""`--shard K/N`: one process's part of a work that several do, on one machine or many, with no word between them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from imgcycle.config import JsonConfig
from imgcycle.errors import UsageError
from imgcycle.media.inputs import Source
from imgcycle.media.outputs import Assignment


@dataclass(frozen=True)
class Shard(JsonConfig):
    """The `number`-th of `count` parts, counted from 1.

    Which part an input belongs to follows from its name inside the folder that was named, and from nothing else: not
    from what lies beside it, from the machine, or from the order of the walk. UsageError for a part there is not.
    """

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise UsageError(f"there is no shard {self.number} of {self.count}", "--shard K/N, K from 1 to N")

    @classmethod
    def parse(cls, text: str | None) -> Shard:
        """`3/16`, or the whole; UsageError for anything else."""
        if text is None:
            return cls()
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
        if match is None:
            raise UsageError(f"--shard {text!r} is no part of a whole", "write it as K/N, like 3/16")
        return cls(int(match[1]), int(match[2]))

    def holds(self, source: Source) -> bool:
        """True if an input belongs to this part."""
        name = PurePath(source.place).as_posix().encode("utf-8", "surrogateescape")
        return int.from_bytes(hashlib.sha256(name).digest()[:8], "big") % self.count == self.number - 1

    def of(self, assigned: Sequence[Assignment]) -> list[Assignment]:
        """Those of this part."""
        return [each for each in assigned if self.count == 1 or self.holds(each.source)]

    def note(self, held: int, total: int) -> list[str]:
        """A line on how large the part is; none where it is the whole."""
        if self.count == 1:
            return []
        return [f"shard {self.number}/{self.count}: {held} of {total} inputs"]
