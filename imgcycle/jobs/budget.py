"""What a conversion may take of the machine's memory: a promise about the process as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from imgcycle.device import BASE_BYTES, default_memory, parse_size
from imgcycle.engine.translator import Translator

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
        return max(0, self.total - fixed_bytes(translator))


def fixed_bytes(translator: Translator) -> int:
    """What the process takes whatever it converts: the interpreter, the libraries and the net's weights."""
    return BASE_BYTES + translator.base_bytes + translator.weight_bytes


def reduction_bytes(shape: tuple[int, int], height: int, width: int) -> int:
    """What the reduction of a picture to `shape` takes, where there is one."""
    return 0 if shape == (height, width) else shape[0] * shape[1] * _WORK
