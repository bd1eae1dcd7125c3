"""Charts: every value where it belongs, whatever the values are."""

from __future__ import annotations

import html
import json
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcycle.report.chart import Curve, chart, figure


def points(text: str) -> list[Any]:
    found = re.search(r"data-points='(.*?)'", text)
    assert found is not None
    return list(json.loads(html.unescape(found[1])))


def test_the_line_goes_through_the_values() -> None:
    text = chart(Curve("loss <b>", (0, 50, 100), (2.0, 1.0, 3.0), noisy=False), 200)
    found = points(text)
    assert [(step, said) for _, _, step, said in found] == [(0, "2"), (50, "1"), (100, "3")]
    (x0, y0, *_), (x1, y1, *_), (x2, y2, *_) = found
    assert (x1 - x0, x2 - x0) == pytest.approx(((320 - 52) / 4, (320 - 52) / 2), abs=0.1)
    assert y0 - y2 == pytest.approx(y1 - y0, abs=0.2)
    assert y2 < y0 < y1
    assert f"M{x0:g},{y0:g}L{x1:g},{y1:g}L{x2:g},{y2:g}" in text
    assert "loss &lt;b&gt;: 2 at step 0, 3 at step 100" in text
    assert "<b>" not in text
    assert 'class="raw"' not in text


def test_a_noisy_curve_has_a_calm_line_and_a_long_one_few_points() -> None:
    noisy = tuple(10.0 + (-1) ** n for n in range(5000))
    text = chart(Curve("loss", tuple(range(50, 250050, 50)), noisy), 250000)
    found = points(text)
    assert len(found) <= 240
    assert found[-1][2] == 250000
    assert 'class="raw"' in text
    assert all(9.9 < float(said) < 10.1 for *_, said in found[20:])


def test_a_spike_does_not_flatten_the_rest() -> None:
    values = (1e6, *(float(n % 10) for n in range(199)))
    found = points(chart(Curve("loss", tuple(range(200)), values, noisy=False), 199))
    assert max(y for _, y, *_ in found[1:]) - min(y for _, y, *_ in found[1:]) > 80


def test_references_are_drawn_and_belong_to_what_is_shown() -> None:
    text = chart(Curve("kid", (1, 2), (5.0, 4.0), (("unconverted", 20.0), ("start & on", 19.9)), noisy=False), 2)
    lines = [float(y) for y in re.findall(r'class="reference" [^>]*y1="([\d.]+)"', text)]
    assert len(lines) == 2
    assert lines[0] < lines[1] < points(text)[0][1]
    labels = re.findall(r'y="([\d.]+)" text-anchor="end">([a-z &;]+) [\d.]+</text>', text)
    assert [label for _, label in labels] == ["unconverted", "start &amp; on"]
    assert float(labels[1][0]) - float(labels[0][0]) >= 11


def test_without_a_number_there_is_no_chart() -> None:
    assert chart(Curve("loss", (), ()), 100) == ""
    assert chart(Curve("loss", (1, 2), (math.nan, math.inf)), 100) == ""


@given(st.lists(st.floats(allow_nan=True, width=32), min_size=1, max_size=40))
def test_any_values_stay_on_the_chart(values: list[float]) -> None:
    text = chart(Curve("loss", tuple(range(len(values))), tuple(values)), len(values))
    if text:
        assert "nan" not in text
        assert "inf" not in text
        assert all(0 <= x <= 320 and 0 <= y <= 132 for x, y, *_ in points(text))


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (0.6112, "0.611"), (-3.14159, "-3.14"), (2e-4, "2.0e-4"), (1234.5, "1,234"), (2.5e7, "2.5e7")],
)
def test_figures_are_short(value: float, said: str) -> None:
    assert figure(value) == said
