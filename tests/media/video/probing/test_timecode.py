"""The camera's clock, counted on."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcycle.media.video.probing.clip import Stream
from imgcycle.media.video.probing.timecode import timecode_after, timecode_of
from tests.media.video.probing.test_clip import made_up

NTSC = Fraction(30_000, 1001)


@pytest.mark.parametrize(
    ("code", "frames", "rate", "wanted"),
    [
        ("01:00:00:00", 26, Fraction(25), "01:00:01:01"),
        ("00:00:59;29", 1, NTSC, "00:01:00;02"),
        ("00:01:00;02", 1798, NTSC, "00:02:00;02"),
        ("00:09:59;29", 1, NTSC, "00:10:00;00"),
        ("00:00:59;59", 1, 2 * NTSC, "00:01:00;04"),
        ("00:00:59:29", 1, NTSC, "00:01:00:00"),
        ("23:59:59:23", 1, Fraction(24_000, 1001), "00:00:00:00"),
        ("00:00:00:000", 101, Fraction(100), "00:00:01:001"),
        ("00:00:00;00", 17_982 * 6 * 24, NTSC, "00:00:00;00"),
        ("reel 7", 5, Fraction(25), "reel 7"),
    ],
)
def test_the_code_of_a_later_frame(code: str, frames: int, rate: Fraction, wanted: str) -> None:
    assert timecode_after(code, frames, rate) == wanted


@given(st.integers(0, 3_000_000), st.integers(0, 200_000))
def test_two_steps_are_one(first: int, second: int) -> None:
    there = timecode_after(timecode_after("00:00:00;00", first, NTSC), second, NTSC)
    assert there == timecode_after("00:00:00;00", first + second, NTSC)


def test_where_a_clip_keeps_its_code() -> None:
    clip = made_up([0, 3000])
    assert timecode_of(clip) == ""
    assert timecode_of(replace(clip, metadata={"timecode": "1"})) == "1"
    track = Stream(1, "data", "none", tag="tmcd", metadata={"timecode": "2"})
    assert timecode_of(replace(clip, streams=(clip.video, track), metadata={"timecode": "1"})) == "2"
    assert timecode_of(replace(clip, video=replace(clip.video, metadata={"TIMECODE": " 3"}))) == "3"
