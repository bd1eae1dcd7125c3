"""Memory limit of a conversion, for the process as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from imgcycle.device import BASE_BYTES, default_memory, parse_size

if TYPE_CHECKING:
    from imgcycle.engine.translator import Translator

_WORK = 64
"""Bytes a pixel of the downscaled image on its way to the net and back."""


@dataclass(frozen=True)
class MemoryBudget:
    """Bytes that the process may use, everything included.

    `promised` is True if a user asked for the limit: then an image that exceeds it is refused. Otherwise the limit is a
    guide for planning, and an image that needs more gets it.
    """

    total: int
    promised: bool = False

    @classmethod
    def default(cls) -> Self:
        """A quarter of the installed memory."""
        return cls(default_memory())

    @classmethod
    def asked(cls, text: str | None) -> Self:
        """Budget of `--memory`, like 512M or 4G: promised; the default for None. UsageError for an invalid size."""
        return cls.default() if text is None else cls(parse_size(text), promised=True)

    def for_pictures(self, translator: Translator) -> int:
        """Bytes left by the interpreter, the libraries and the net."""
        return max(0, self.total - fixed_bytes(translator))


def fixed_bytes(translator: Translator) -> int:
    """Bytes that the process uses whatever it converts: interpreter, libraries and weights."""
    return BASE_BYTES + translator.base_bytes + translator.weight_bytes


def reduction_bytes(shape: tuple[int, int], height: int, width: int) -> int:
    """Bytes for downscaling an image to `shape`; 0 if it has that shape."""
    return 0 if shape == (height, width) else shape[0] * shape[1] * _WORK
