from __future__ import annotations

import os

from imgcycle.media.paths import shown


def test_shown_stays_on_one_line() -> None:
    assert shown("a\nb") == "a\\nb"
    assert "\n" not in shown(os.fsdecode(b"\xff\n"))
    assert shown("grün ok.jpg") == "grün ok.jpg"
