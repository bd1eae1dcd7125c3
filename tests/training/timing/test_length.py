"""How many steps fit into minutes, by a clock that the test sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
import torch

from imgcycle.config import Stage
from imgcycle.training.distributed import World
from imgcycle.training.timing import length
from imgcycle.training.timing.length import LEAST_STEPS, MOST_STEPS, SPARE, measured_length, steps_in, usual_seconds
from tests.training.toys import toy_config


class Steps:
    """Steps that take the seconds they are told, one after the other, and the clock that shows it."""

    def __init__(self, seconds: Iterable[float]) -> None:
        self._seconds: Iterator[float] = iter(seconds)
        self.now = 100.0
        self.count = 0

    def step(self) -> None:
        self.now += next(self._seconds)
        self.count += 1

    def usual(self, allowed: float) -> float:
        return usual_seconds(self.step, allowed, clock=lambda: self.now)


def test_steps_in_minutes() -> None:
    assert steps_in(10, [1.0], [5]) == int(600 * (1 - SPARE))
    assert steps_in(10, [1.0, 3.0], [1, 1]) == int(300 * (1 - SPARE))
    assert steps_in(10, [1.0, 3.0], [9, 1]) == int(500 * (1 - SPARE))
    assert steps_in(0.001, [1.0, 3.0], [9, 1]) == 2, "one for every stage"


def test_neither_the_first_step_nor_a_busy_moment_counts() -> None:
    steps = Steps([5.0, 0.5, 2.0, 2.0, 0.5, 2.0, *repeat(0.5, 20)])
    assert steps.usual(15.0) == 0.5
    assert steps.now >= 115.0, "what is allowed is used"
    assert steps.count == 12


@pytest.mark.parametrize(
    ("seconds", "timed", "why"),
    [
        (0.001, MOST_STEPS, "many short steps tell no more"),
        (0.5, 19, "as many as are allowed"),
        (5.0, LEAST_STEPS, "a few are timed although they take longer"),
        (40.0, 1, "but not for minutes"),
    ],
)
def test_as_many_steps_as_fit(seconds: float, timed: int, why: str) -> None:
    steps = Steps(repeat(seconds))
    assert steps.usual(10.0) == pytest.approx(seconds)
    assert steps.count == 1 + timed, why


def test_the_first_of_several_processes_decides_when_it_is_enough() -> None:
    steps = Steps(repeat(1.0))
    told = iter([False] * 5 + [True])
    assert usual_seconds(steps.step, 1.0, lambda _: next(told), lambda: steps.now) == 1.0
    assert steps.count == 7


@pytest.mark.parametrize(("minutes", "allowed"), [(1.0, 0.6), (1000.0, 8.0)])
def test_the_timing_is_a_small_part_of_the_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: float, allowed: float
) -> None:
    given: list[float] = []

    def seconds(*arguments: Any) -> float:
        given.append(arguments[-1])
        return 1.0 if arguments[0].name == "short" else 4.0

    monkeypatch.setattr(length, "_seconds_a_step", seconds)
    config = toy_config(tmp_path, steps=None, minutes=minutes, stages=(Stage(2, "short"), Stage(1, "long")))
    found = measured_length(config, lambda _: None, torch.device("cpu"), torch.float32, World())  # type: ignore[arg-type, return-value]
    assert given == pytest.approx([allowed, allowed])
    mean = (667 * 1.0 + 333 * 4.0) / 1000
    assert found == int(minutes * 60 * (1 - SPARE) / mean)
