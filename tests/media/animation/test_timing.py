from __future__ import annotations

from fractions import Fraction

import pytest

from imgcycle.media.animation import timing
from imgcycle.media.animation.timing import GIF_GRID, WEBP_GRID, Grid, Ticks


def ticks(grid: Grid, *delays: Fraction) -> tuple[list[int], bool]:
    found = Ticks(grid)
    return [found.of(delay) for delay in delays], found.exact


def test_delays_that_fit_are_kept() -> None:
    exact = [Fraction(n, 100) for n in (0, 1, 2, 3, 10, 65535)]
    assert ticks(GIF_GRID, *exact) == ([0, 1, 2, 3, 10, 65535], True)
    assert ticks(WEBP_GRID, Fraction(0), Fraction(1, 1000), Fraction(1, 8)) == ([0, 1, 125], True)


def test_others_are_rounded_so_that_the_whole_stays_as_long() -> None:
    units, exact = ticks(WEBP_GRID, *[Fraction(1, 24)] * 24)
    assert (sum(units), set(units), exact) == (1000, {41, 42}, False)
    units, exact = ticks(GIF_GRID, *[Fraction(1, 24)] * 24)
    assert (sum(units), set(units), exact) == (100, {4, 5}, False)
    # One that fits is as it was, whatever is still owed.
    assert ticks(GIF_GRID, Fraction(1, 24), Fraction(1, 10), Fraction(1, 24))[0] == [4, 10, 4]


def test_a_short_frame_does_not_become_one_that_viewers_show_for_a_tenth() -> None:
    units, exact = ticks(GIF_GRID, *[Fraction(1, 60)] * 60)
    assert (set(units), exact) == ({2}, False)
    assert set(ticks(WEBP_GRID, *[Fraction(21, 2000)] * 5)[0]) == {11}
    # What is shown for a tenth anyway may stay as short as it is.
    assert ticks(GIF_GRID, Fraction(1, 240))[0] == [0]


def test_delays_beyond_the_grid_are_as_long_as_it_goes() -> None:
    assert ticks(GIF_GRID, Fraction(700)) == ([65535], False)
    assert ticks(WEBP_GRID, Fraction(65535)) == ([2**24 - 1], False)


@pytest.mark.parametrize(
    ("delay", "written"),
    [
        (Fraction(0), (0, 1)),
        (Fraction(1, 24), (1, 24)),
        (Fraction(1001, 30000), (1001, 30000)),
        (Fraction(65535), (65535, 1)),
        (Fraction(16777215, 1000), None),
        (Fraction(1, 1_000_000), None),
        (Fraction(123457, 1000), None),
    ],
)
def test_fractions_for_png(delay: Fraction, written: tuple[int, int] | None) -> None:
    length, parts = timing.png_delay(delay)
    assert 0 <= length < 65536
    assert 0 < parts < 65536
    if written:
        assert (length, parts) == written
    assert abs(Fraction(length, parts) - delay) <= max(delay / 10000, Fraction(1, 65535))


@pytest.mark.parametrize("plays", [0, 1, 2, 3, 65535, 65536])
def test_plays_in_each_formats_counting(plays: int) -> None:
    loop = timing.gif_loop(plays)
    assert loop is None if plays == 1 else loop == (plays - 1 if plays else 0)
    assert timing.webp_loop(plays) == min(plays, 65535)
    assert timing.png_loop(plays) == plays


def test_time_as_viewers_take_it() -> None:
    assert [timing.shown_time(Fraction(n, 1000)) for n in (0, 10, 11, 20)] == [
        Fraction(1, 10),
        Fraction(1, 10),
        Fraction(11, 1000),
        Fraction(1, 50),
    ]
