"""Frame delays and numbers of plays, rounded to what each format can store."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

_INSTANT = Fraction(1, 100)
"""Viewers replace delays up to this many seconds by `_COMMON`, in every format."""
_COMMON = Fraction(1, 10)
_SHORT = 0xFFFF
_PNG_PLAYS = 2**31 - 1


def shown_time(delay: Fraction) -> Fraction:
    """Seconds that viewers show a frame of `delay` seconds: delays that are too short count as a tenth."""
    return _COMMON if delay <= _INSTANT else delay


@dataclass(frozen=True)
class Grid:
    """The delays a format can store: multiples of `unit` seconds, at most `most` of them."""

    unit: Fraction
    most: int
    words: str

    @property
    def least(self) -> int:
        """Smallest number of units that viewers do not replace as too short."""
        return int(_INSTANT / self.unit) + 1


GIF_GRID = Grid(Fraction(1, 100), _SHORT, "hundredths of a second")
WEBP_GRID = Grid(Fraction(1, 1000), 2**24 - 1, "thousandths of a second")
AVIF_GRID = Grid(Fraction(1, 1000), 2**31 - 1, "thousandths of a second")


class Ticks:
    """Delays in units of a grid, one after another: exact where possible, otherwise rounded with the error carried
    over.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid, self._owed = grid, Fraction(0)
        self.exact = True
        """True while all delays could be stored exactly."""

    def of(self, delay: Fraction) -> int:
        """Units for the next frame's delay (seconds)."""
        wanted = delay / self._grid.unit
        if wanted.denominator == 1 and wanted <= self._grid.most:
            return int(wanted)
        self.exact = False
        # A frame that was long enough to be shown as written must not become one that viewers slow down tenfold.
        least = 0 if delay <= _INSTANT else self._grid.least
        units = min(max(round(wanted + self._owed), least), self._grid.most)
        self._owed += wanted - units
        return units

    @property
    def note(self) -> str | None:
        """One line on delays that were rounded; None if none were."""
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
    """Value of GIF's loop extension for a number of plays (0: for ever); None where there must be no extension."""
    return None if plays == 1 else 0 if plays == 0 else min(plays - 1, _SHORT)


def webp_loop(plays: int) -> int:
    """Value of WebP's loop count field for a number of plays (0: for ever)."""
    return min(plays, _SHORT)


def png_loop(plays: int) -> int:
    """Value of APNG's num_plays field for a number of plays (0: for ever)."""
    return min(plays, _PNG_PLAYS)
