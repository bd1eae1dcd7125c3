"""The page of a run that never was, its pictures of one colour each."""

from __future__ import annotations

from imgcycle.report.chart import Curve
from imgcycle.report.page import PagePicture
from imgcycle.report.run_page import Finding, RunView, TimedPicture
from tests.report.pages import ODD, plain

MOMENTS = (0, 500, 1000)


def shade(value: int) -> PagePicture:
    return PagePicture.of(plain(value))


def run_view(state: str = "stopped", name: str = ODD[0]) -> RunView:
    """Two pictures along three moments, the second there from the second one on; values tell what is shown."""
    translated = ("Translated", (shade(100), shade(150), shade(200)))
    back = ("Brought back", (shade(110), shade(160), shade(210)))
    late = ("Translated", (None, shade(155), shade(205)))
    return RunView(
        title=name,
        state=state,  # type: ignore[arg-type]
        step=1000,
        steps=4000,
        lines=(f"cut; {name}",),
        moments=MOMENTS,
        pictures=(
            (f"a → {name}", (TimedPicture(name, shade(10), (translated, back)),)),
            ("b → a", (TimedPicture("late", shade(20), (late,), (("Wanted", shade(30)),)),)),
        ),
        curves=(("Generators", (Curve("gan_A2B", (500, 1000), (3.0, 2.0), noisy=False),)), ("Empty", ())),
        findings=(Finding(800, f"{name} is losing its colours", "a lower --lr"),),
        changed=(("a", name),),
        settings=(("a", name), ("steps", "4000")),
        commands=(("Go on", f"imgcycle train -o '{name}' --resume"),),
    )
