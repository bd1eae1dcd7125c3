from __future__ import annotations

from pathlib import Path

import pytest

from imgcycle.config import VideoOptions
from imgcycle.jobs.recipe import ResolvedOptions
from imgcycle.jobs.tasks import ClipTask
from imgcycle.jobs.video.ranges.places import SegmentRule, range_starts
from imgcycle.jobs.video.sources import open_source
from tests.jobs.films import scenes

FRAMES = ResolvedOptions(work_size=32, detail=0.5)


def ending(rule: SegmentRule, numbers: range, cuts: set[int]) -> list[int]:
    """First frames of the segments after the first one."""
    found = []
    for n in numbers:
        if rule.ends_before(n in cuts):
            found.append(n)
        if rule.ends_after(n):
            found.append(n + 1)
    return found


def test_a_segment_ends_every_ten_frames_and_at_the_first_cut_in_them() -> None:
    cuts = {0, 3, 5, 20, 24, 39}

    def tens(n: int) -> bool:
        return n % 10 == 9

    assert ending(SegmentRule(tens), range(40), cuts) == [10, 20, 30, 40]
    whole = ending(SegmentRule(tens, None, cuts=True), range(40), cuts)
    assert whole == [3, 10, 20, 24, 30, 39, 40]
    for first in whole:  # whoever begins with any of them ends segments where the whole does
        assert ending(SegmentRule(tens, first - 1, cuts=True), range(first, 40), cuts) == [
            n for n in whole if n > first
        ]


def clip_task(clip: Path, smooth: str = "light", **more: str) -> ClipTask:
    options = VideoOptions(smooth=smooth, **more)  # type: ignore[arg-type]
    return ClipTask(str(clip), str(clip.parent / "out.mp4"), str(clip.parent), options, frames=FRAMES)


def starts(task: ClipTask, count: int) -> list[int]:
    return range_starts(task, open_source(task), count)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenes(tmp_path_factory.mktemp("clip") / "a.mp4", [7, 1, 5, 13, 24])  # cuts at 14, 16, 26 and 52, of 100


def test_ranges_begin_at_cuts_that_end_a_segment(clip: Path) -> None:
    # The cut at 16 is the second within five seconds, and ends none.
    assert starts(clip_task(clip), 2) == [0, 52]
    assert starts(clip_task(clip), 4) == [0, 26, 52]
    assert starts(clip_task(clip), 9) == [0, 26, 52]
    assert starts(clip_task(clip), 1) == [0]


def test_without_smoothing_they_begin_wherever_a_segment_does(clip: Path) -> None:
    assert starts(clip_task(clip, "off"), 4) == [0, 30, 50, 80]
    assert starts(clip_task(clip, "off", start="20"), 2) == [40, 70]
    assert starts(clip_task(clip, "off", end="19"), 2) == [0]
