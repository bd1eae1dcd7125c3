"""How many steps fit into minutes."""

from __future__ import annotations

from imgcycle.training.timing.length import SPARE, steps_in


def test_steps_in_minutes() -> None:
    assert steps_in(10, [1.0], [5]) == int(600 * (1 - SPARE))
    assert steps_in(10, [1.0, 3.0], [1, 1]) == int(300 * (1 - SPARE))
    assert steps_in(10, [1.0, 3.0], [9, 1]) == int(500 * (1 - SPARE))
    assert steps_in(0.001, [1.0, 3.0], [9, 1]) == 2, "one for every stage"
