"""What can be asked of a clip."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imgcycle.media.video.probing.clip import Clip, Colour, Stream


def made_up(pts: list[int], *, origin: Fraction = Fraction(0), streams: tuple[Stream, ...] = ()) -> Clip:
    """A clip of 64×36 in 90,000 ticks a second, never opened."""
    film = Stream(0, "video", "h264", default=True)
    ticks = np.array(pts, np.int64)
    return Clip(
        path=Path("clip.mp4"),
        container="mov,mp4,m4a,3gp,3g2,mj2",
        streams=(film, *streams),
        video=film,
        width=64,
        height=36,
        coded_size=(64, 36),
        rotation=0,
        sar=Fraction(1),
        pixel_format="yuv420p",
        depth=8,
        chroma="420",
        has_alpha=False,
        interlaced=False,
        colour=Colour("bt709", "tv", "bt709", "bt709"),
        time_base=Fraction(1, 90_000),
        origin=origin,
        pts=ticks,
        durations=np.append(np.diff(ticks), 3000),
        keyframes=ticks[:1],
        seekable=True,
        frame_rate=Fraction(30),
        chapters=(),
        metadata={},
    )


def test_times_count_from_the_files_start() -> None:
    clip = made_up([132_000, 135_000, 138_000], origin=Fraction(14, 10))
    assert [clip.time(n) for n in range(3)] == [Fraction(n, 30) + Fraction(1, 15) for n in range(3)]
    assert (clip.start, clip.end, clip.duration) == (Fraction(1, 15), Fraction(1, 6), Fraction(1, 10))


@given(
    st.lists(st.integers(1, 9000), min_size=1, max_size=30),
    st.fractions(-1, 4, max_denominator=1000),
    st.fractions(-1, 4, max_denominator=1000),
    st.fractions(-2, 2, max_denominator=1000),
)
def test_a_span_holds_the_frames_that_appear_in_it(
    steps: list[int], start: Fraction, end: Fraction, origin: Fraction
) -> None:
    clip = made_up([int(tick) for tick in np.cumsum(steps)], origin=origin)
    wanted = [n for n in range(clip.frames) if start <= clip.time(n) < end]
    assert list(clip.span(start, end)) == wanted
    assert list(clip.span(None, None)) == list(range(clip.frames))
