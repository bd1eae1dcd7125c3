from __future__ import annotations

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from imgcycle.report import lettering
from imgcycle.report.lettering import Ink, draw_text, face_for, fitted, spelled, wrapped

FACE = face_for("", 17)


@given(st.text("abcdefgh ._-", min_size=1, max_size=60), st.integers(60, 400))
def test_what_is_cut_fits_and_keeps_both_ends(text: str, room: int) -> None:
    found = fitted(text, FACE, room)
    assert FACE.getlength(found) <= room
    if found != text:
        start, end = found.split("…")
        assert text.startswith(start)
        assert text.endswith(end)
        assert 0 <= len(start) - len(end) <= 1


@given(st.text("abc def", max_size=200), st.integers(120, 400))
def test_lines_hold_every_word_and_fit(text: str, room: int) -> None:
    lines = wrapped(text, FACE, room)
    assert " ".join(lines).split() == text.split()
    assert all(FACE.getlength(line) <= room for line in lines if " " in line)


def test_letters_that_no_face_has_are_spelled(monkeypatch: object) -> None:
    assert isinstance(FACE, ImageFont.FreeTypeFont)
    assert spelled("plain.jpg", FACE) == "plain.jpg"
    assert spelled("grün.jpg", FACE) == "grun.jpg"
    assert spelled("東.jpg", FACE) == "?.jpg"
    assert face_for("plain.jpg", 17) is FACE
    assert lettering._face("no such face.ttf", 17) is None


def test_no_character_is_beyond_a_line() -> None:
    """A style has the name of its file, and a card anyone's words."""
    draw = ImageDraw.Draw(Image.new("RGB", (200, 40)))
    for odd in "\n\r\x00\x1c\x85\u2028\u2029\u202e\ud800":
        assert spelled(f"we{odd}ird", FACE) == "we?ird"
        assert face_for(f"we{odd}ird", 17) is FACE
        draw_text(draw, (0, 0), f"we{odd}ird", Ink((0, 0, 0), 17), 100)


def test_a_long_text_is_measured_a_few_times() -> None:
    class Counted:
        measured = 0

        def getlength(self, text: str) -> float:
            self.measured += 1
            return 10.0 * len(text)

    face = Counted()
    assert fitted("ab" * 2000, cast(Any, face), 105) == "ababa…abab"
    assert face.measured < 20
