"""How long frames are shown and how often an animation plays, in what each format can write."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

_INSTANT = Fraction(1, 100)
"""Viewers show delays up to this many seconds as `_COMMON`, in every format."""
_COMMON = Fraction(1, 10)
_SHORT = 0xFFFF
_PNG_PLAYS = 2**31 - 1


def shown_time(delay: Fraction) -> Fraction:
    """The seconds that viewers show a frame whose file says `delay`: too short ones count as a tenth."""
    return _COMMON if delay <= _INSTANT else delay


@dataclass(frozen=True)
class Grid:
    """The delays a format can write: multiples of `unit` seconds up to `most` of them."""

    unit: Fraction
    most: int
    words: str

    @property
    def least(self) -> int:
        """The fewest units that viewers do not take for too short."""
        return int(_INSTANT / self.unit) + 1


GIF_GRID = Grid(Fraction(1, 100), _SHORT, "hundredths of a second")
WEBP_GRID = Grid(Fraction(1, 1000), 2**24 - 1, "thousandths of a second")
AVIF_GRID = Grid(Fraction(1, 1000), 2**31 - 1, "thousandths of a second")


class Ticks:
    """Delays in units of a grid, one after another: exact where they can be, else so that the sum stays right."""

    def __init__(self, grid: Grid) -> None:
        self._grid, self._owed = grid, Fraction(0)
        self.exact = True
        """Whether all delays so far could be written as they are."""

    def of(self, delay: Fraction) -> int:
        """The units that the next frame is shown."""
        wanted = delay / self._grid.unit
        if wanted.denominator == 1 and wanted <= self._grid.most:
            return int(wanted)
        self.exact = False
        # A frame that was long enough to be seen must not become one that viewers show ten times as long.
        least = 0 if delay <= _INSTANT else self._grid.least
        units = min(max(round(wanted + self._owed), least), self._grid.most)
        self._owed += wanted - units
        return units

    @property
    def note(self) -> str | None:
        """A line on what could not be written; None where nothing is lost."""
        return None if self.exact else f"delays are rounded to {self._grid.words}, which is what the format holds"


def png_delay(delay: Fraction) -> tuple[int, int]:
    """Numerator and denominator of an APNG delay: exact where both fit 16 bits, else the nearest that do."""
    if delay.numerator <= _SHORT and delay.denominator <= _SHORT:
        return delay.numerator, delay.denominator
    if delay >= _SHORT:
        return _SHORT, 1
    near = delay.limit_denominator(min(_SHORT, max(1, int(_SHORT / delay))) if delay > 1 else _SHORT)
    return (near.numerator, near.denominator) if near.numerator <= _SHORT else (_SHORT, near.denominator)


def gif_loop(plays: int) -> int | None:
    """What GIF's loop extension says of so many plays: repetitions, 0 for ever; None where there must be none."""
    return None if plays == 1 else 0 if plays == 0 else min(plays - 1, _SHORT)


def webp_loop(plays: int) -> int:
    """What WebP's header says of so many plays: their number, 0 for ever."""
    return min(plays, _SHORT)


def png_loop(plays: int) -> int:
    """What APNG's header says of so many plays: their number, 0 for ever."""
    return min(plays, _PNG_PLAYS)
