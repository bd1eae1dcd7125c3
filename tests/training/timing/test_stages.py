"""Stages share a run's steps, each with its own settings and its own length."""

from __future__ import annotations

import itertools

import pytest

from imgcycle.config import Stage, TrainConfig
from imgcycle.errors import UsageError
from imgcycle.training.timing.stages import plan_stages, stage_at
from tests.methods.toys import tiny_config


def test_shares_are_of_the_steps_and_need_not_add_up_to_one() -> None:
    config = tiny_config(steps=100, stages=(Stage(1), Stage(2, warmup_share=0.5), Stage(1, "last")))
    planned = plan_stages(config, 7)
    assert [(s.start, s.end, s.config.steps, s.config.warmup) for s in planned] == [
        (0, 25, 25, 0), (25, 75, 50, 25), (75, 100, 25, 0),
    ]  # fmt: skip
    assert [s.name for s in planned] == ["stage 1", "stage 2", "last"]
    assert [stage_at(planned, step).index for step in (0, 24, 25, 74, 75, 99, 100)] == [0, 0, 1, 1, 2, 2, 2]


def test_a_run_without_stages_is_one_and_its_config_untouched() -> None:
    config = tiny_config(epochs=2, epochs_decay=1)
    (only,) = plan_stages(config, 5)
    assert (only.start, only.end) == (0, 15)
    assert only.config is config


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 17])
def test_few_steps_leave_stages_out_and_lose_none(steps: int) -> None:
    planned = plan_stages(tiny_config(steps=steps, stages=tuple(Stage(s) for s in (0.6, 0.25, 0.15))), 1)
    assert planned[0].start == 0
    assert planned[-1].end == steps
    assert all(one.end == other.start for one, other in itertools.pairwise(planned))
    assert all(s.end > s.start for s in planned)
    assert [s.index for s in planned] == list(range(len(planned)))


def test_what_a_stage_sets_holds_for_it_alone() -> None:
    config = tiny_config(steps=10, lr=1e-4, stages=(Stage(1), Stage(1, lr=2e-4, discriminator_layers=1, crop=16)))
    one, other = plan_stages(config, 1)
    assert (one.config.lr, one.config.crop, one.config.discriminator.layers) == (1e-4, 32, 2)
    assert (other.config.lr, other.config.crop, other.config.discriminator.layers) == (2e-4, 16, 1)


def test_what_contradicts_itself_is_said_with_the_stage() -> None:
    with pytest.raises(UsageError, match="above 0"):
        Stage(0)
    with pytest.raises(UsageError, match="warmup_share is 2"):
        Stage(1, warmup_share=2)
    with pytest.raises(UsageError, match="a stage's crop above the size"):
        tiny_config(stages=(Stage(1, crop=64),))
    config = tiny_config(method="unit", steps=4, stages=(Stage(1, "calm", lambda_grid=1.0),))
    with pytest.raises(UsageError, match="calm: unit has no grid term"):
        plan_stages(config, 1)
    with pytest.raises(UsageError, match="no setting 'colour'"):
        TrainConfig.from_dict({"a": "a", "b": "b", "stages": [{"share": 1, "colour": 2}]})
