from __future__ import annotations

import io
import json
import time

import pytest
from rich.console import Console

from imgcycle.cli.render.reporter import Bar, BarReporter, JsonReporter, PlainReporter, Reporter, reporting


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def tell(out: Reporter) -> None:
    out.data({"input": "a"})
    out.aside({"position": 1})
    out.line("1 of 9")
    out.bar(Bar("measuring", 1, 9, "1/9"))
    out.say("a remark")
    out.say("a failure", "red", always=True)


def test_json_lines_are_data_and_with_verbose_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    tell(JsonReporter())
    said = capsys.readouterr()
    assert (json.loads(said.out), said.err) == ({"schema": 1, "input": "a"}, "")
    tell(JsonReporter(verbose=True))
    said = capsys.readouterr()
    assert (json.loads(said.out), json.loads(said.err)) == (
        {"schema": 1, "input": "a"},
        {"schema": 1, "progress": {"position": 1}},
    )


def test_lines_are_for_people_and_quiet_leaves_failures(capsys: pytest.CaptureFixture[str]) -> None:
    tell(PlainReporter())
    assert capsys.readouterr() == ("", "1 of 9\na remark\na failure\n")
    tell(PlainReporter(quiet=True))
    assert capsys.readouterr() == ("", "a failure\n")


@pytest.mark.parametrize(("kind", "seconds"), [(PlainReporter, 10.0), (JsonReporter, 1.0)])
def test_what_comes_often_is_said_now_and_then(
    kind: type[Reporter], seconds: float, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    out = kind(verbose=True)
    for step in range(40):
        clock[0] = 100 + step * seconds / 10
        out.line(str(step), often=True)
        out.aside({"step": step}, often=True)
    said = capsys.readouterr().err.splitlines()
    assert [line[-2:].strip() for line in said] == ["10", "20", "30"] or [
        json.loads(line)["progress"]["step"] for line in said
    ] == [10, 20, 30]


def test_bars_come_and_go_with_figures_below() -> None:
    bars = BarReporter()
    bars.bar(Bar("x [y]", 3, 9, "3/9 [z]", left="2 min left", figures={"cycle_A": 1.25}))
    file = io.StringIO()
    Console(file=file, width=120).print(bars.progress.get_renderable())
    for part in ("x [y]", "3/9 [z]", "2 min left", "cycle_A", "1.250"):
        assert part in file.getvalue()
    bars.bar(Bar("x [y]", 4, 9, visible=False))
    assert [(task.completed, task.visible) for task in bars.progress.tasks] == [(4, False)]
    bars.no_bar("x [y]")
    bars.no_bar("nobody")
    assert bars.progress.tasks == []


@pytest.mark.parametrize(
    ("options", "terminal", "kind"),
    [
        ({}, True, BarReporter),
        ({"quiet": True}, True, PlainReporter),
        ({}, False, PlainReporter),
        ({"json_lines": True}, True, JsonReporter),
    ],
)
def test_the_way_fits_the_options_and_the_terminal(
    options: dict[str, bool], terminal: bool, kind: type[Reporter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgcycle.cli.render.reporter.on_terminal", lambda: terminal)
    with reporting(**options) as reporter:
        assert type(reporter) is kind
