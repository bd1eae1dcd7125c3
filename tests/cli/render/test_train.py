"""What a training run says of itself: how long it takes, that it lives, that it heard Ctrl-C."""

from __future__ import annotations

from typing import Any

import pytest

from imgcycle.cli.render.reporter import Bar, Reporter
from imgcycle.cli.render.train import RunTeller, training_line
from imgcycle.training import events


class Witness(Reporter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, Any]] = []

    def say(self, text: str, style: str = "", *, always: bool = False) -> None:
        del style, always
        self.told.append(("say", text))

    def line(self, text: str, *, often: bool = False) -> None:
        self.told.append(("often" if often else "line", text))

    def bar(self, bar: Bar) -> None:
        self.told.append(("bar", bar))

    def data(self, values: Any) -> None:
        self.told.append(("data", values))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            events.Timed(4, 273_604, 200, 3.5),
            "200 epochs are 273,604 steps, about 11 days here; --minutes 60 would be 1,028 steps",
        ),
        (events.Timed(4, 1004, None, 0.5), "1,004 steps, about 8 min 20 s here"),
        (
            events.Timed(0, 14_400, None, 0.5),
            "14,400 steps, about 2 h 0 min here; --minutes 60 would be 7,200 steps",
        ),
        (events.StageBegan(600, 2000, "calm", 2, 3, 400), "stage 2 of 3, calm: 400 steps from step 600 on"),
        (events.Stepped(7, 20, 61.0, None), "step 7/20  1 min 1 s"),
        (events.Stepped(7, 20, 61.0, 130.0), "step 7/20  1 min 1 s  2 min 10 s left"),
    ],
)
def test_in_words(event: events.Event, said: str) -> None:
    assert training_line(event) == said


def test_a_count_moves_the_bar_and_is_a_plain_line_now_and_then_but_no_data() -> None:
    witness = Witness()
    RunTeller(witness)(events.Stepped(7, 20, 61.0, 130.0))
    kinds = [kind for kind, _ in witness.told]
    assert kinds == ["bar", "often"]
    bar = witness.told[0][1]
    assert (bar.done, bar.total, bar.said) == (7, 20, "7/20 · 2 min 10 s left")
    assert callable(bar.left), "the clock is asked whenever it is drawn"


def test_a_wish_to_stop_is_answered_at_once() -> None:
    witness = Witness()
    RunTeller(witness)(events.Stopping(3))
    assert witness.told[-1][0] == "say"
    assert witness.told[-1][1].startswith("stopping after this step, saving …")
