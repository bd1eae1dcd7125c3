"""Learning rates, against the reference's own numbers."""

from __future__ import annotations

import pytest

from imgcycle.errors import UsageError
from imgcycle.training.timing.schedule import Schedule
from tests.methods.toys import tiny_config


def test_linear_over_epochs_is_the_reference_formula() -> None:
    schedule = Schedule(tiny_config(), steps_per_epoch=10)
    assert schedule.total == 2000
    by_epoch = [schedule.factor(10 * e) for e in (0, 99, 100, 199)]
    assert by_epoch == pytest.approx([1.0, 1.0, 0.990099, 0.009901], abs=1e-6)
    assert schedule.factor(1009) == schedule.factor(1000)


def test_linear_over_steps_is_constant_for_half() -> None:
    schedule = Schedule(tiny_config(steps=10), steps_per_epoch=3)
    assert [schedule.factor(s) for s in range(10)] == pytest.approx([1] * 5 + [5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])


def test_generators_warm_up_over_the_first_steps_alone() -> None:
    schedule = Schedule(tiny_config(steps=10, warmup=4), 1)
    assert [schedule.warmup_factor(s) for s in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert [schedule.factor(s) for s in range(4)] == [1, 1, 1, 1], "and the discriminators do not"
    assert Schedule(tiny_config(steps=10), 1).warmup_factor(0) == 1
    with pytest.raises(UsageError, match="warm-up of 10 steps in a run of 10"):
        tiny_config(steps=10, warmup=10)


def test_cosine_and_step() -> None:
    cosine = Schedule(tiny_config(schedule="cosine", steps=100), 1)
    assert [cosine.factor(s) for s in (0, 50, 100)] == pytest.approx([1, 0.5, 0])
    step = Schedule(tiny_config(schedule="step"), 1)
    assert [step.factor(e) for e in (0, 49, 50, 199)] == pytest.approx([1, 1, 0.1, 0.001])


def test_plateau_waits_five_epochs_and_keeps_its_state() -> None:
    schedule = Schedule(tiny_config(schedule="plateau"), 1)
    schedule.epoch_ended(1.0)
    for _ in range(5):
        schedule.epoch_ended(1.0)
    assert schedule.factor(0) == 1.0
    other = Schedule(tiny_config(schedule="plateau"), 1)
    other.load_state(schedule.state())
    other.epoch_ended(1.0)
    assert other.factor(0) == pytest.approx(0.2)
    other.epoch_ended(0.5)
    assert other.bad_epochs == 0


def test_units_rates_are_constant_or_halved_every_hundred_thousand_steps() -> None:
    constant = Schedule(tiny_config(schedule="constant", steps=10), 3)
    assert {constant.factor(s) for s in range(10)} == {1.0}
    halving = Schedule(tiny_config(schedule="halving"), 5)
    assert [halving.factor(s) for s in (0, 99_999, 100_000, 250_000)] == [1, 1, 0.5, 0.25]
