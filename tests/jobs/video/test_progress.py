from __future__ import annotations

from imgcycle.jobs.events import Estimate, Event, FrameProgress
from imgcycle.jobs.video.progress import VideoProgress


class Course:
    """A clip of which each frame takes `seconds`, `net` of them in the net."""

    def __init__(self, frames: int, done: int, seconds: float, net: float, lines: int, work: int | str = 512) -> None:
        self.now = 100.0
        self.said: list[Event] = []
        pace = VideoProgress("a.mp4", frames, done, self.said.append, work, lines, clock=lambda: self.now)
        spent = 0.0
        pace.net_seconds = lambda: spent
        for written in range(1, frames - done + 1):
            self.now += seconds
            spent += net
            pace.count(written)

    @property
    def timed(self) -> list[Estimate]:
        return [event for event in self.said if isinstance(event, Estimate)]

    @property
    def filmed(self) -> list[FrameProgress]:
        return [event for event in self.said if isinstance(event, FrameProgress)]


def test_three_frames_are_timed_and_what_would_help_is_reckoned() -> None:
    course = Course(1004, 0, 1.0, 0.8, 1440)
    (timed,) = course.timed
    assert timed.frames_per_second == 1.0
    assert timed.seconds == 1000
    # The net's share falls with the square of the work size, the rest with that of the height.
    assert dict(timed.savings).keys() == {"--work-size 256"}
    assert abs(dict(timed.savings)["--work-size 256"] - (0.8 / 4 + 0.2) * 1000) < 1
    both = Course(1004, 0, 1.0, 0.5, 1440).timed[0].savings
    assert [(option, round(seconds)) for option, seconds in both] == [
        ("--work-size 256", 625),
        ("--max-height 720", 625),
    ]
    assert Course(1004, 0, 1.0, 1.0, 1440, 256).timed[0].savings == ()
    assert Course(30, 0, 1.0, 0.8, 1440).timed[0].savings == ()


def test_short_work_is_not_estimated() -> None:
    assert not Course(12, 0, 0.1, 0.1, 1440).timed
    assert not Course(3, 0, 60, 60, 1440).timed


def test_resumed_work_counts_on_and_times_only_itself() -> None:
    course = Course(1000, 600, 0.5, 0.1, 360)
    assert course.filmed[0] == FrameProgress("a.mp4", 600, 1000)
    last = course.filmed[-1]
    assert (last.frame, last.frames) == (1000, 1000)
    assert abs(last.per_second - 2) < 0.05
    assert last.seconds_left == 0
    middle = next(event for event in course.filmed if event.frame == 800)
    assert middle.seconds_left is not None
    assert abs(middle.seconds_left - 100) < 2
    (timed,) = course.timed
    assert abs(timed.seconds - 396 * 0.5) < 1


def test_events_are_few() -> None:
    course = Course(1000, 0, 0.01, 0.01, 360)
    assert len(course.filmed) < 60
    assert course.filmed[-1].frame == 1000
