"""What a run shows by the clock."""

from __future__ import annotations

from imgcycle.training.timing.display_clock import FIRST_SAMPLES, SECONDS, DisplayClock


class Clock:
    """Seconds that pass when they are told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_each_kind_is_due_after_its_seconds_and_then_anew() -> None:
    clock = Clock()
    shown = DisplayClock(clock)
    assert not any(map(shown.due, SECONDS))
    clock.now += SECONDS["count"]
    assert shown.due("count")
    assert not shown.due("count")
    clock.now += SECONDS["losses"] - 1
    shown.done("losses")
    clock.now += 2
    assert not shown.due("losses"), "shown for another reason"


def test_the_first_samples_come_within_a_minute_and_later_ones_seldom() -> None:
    clock = Clock()
    shown = DisplayClock(clock)
    clock.now += FIRST_SAMPLES
    assert FIRST_SAMPLES < 60
    assert shown.due("samples")
    clock.now += SECONDS["samples"] - 1
    assert not shown.due("samples")
    clock.now += 1
    assert shown.due("samples")


def test_three_steps_are_timed_after_the_first_and_told_once() -> None:
    clock = Clock()
    shown = DisplayClock(clock)
    told = []
    for seconds in (9.0, 1.0, 2.0, 3.0, 50.0, 50.0):
        clock.now += seconds
        told.append(shown.timed())
    assert told == [None, None, None, 2.0, None, None]
