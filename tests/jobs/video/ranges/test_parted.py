from __future__ import annotations

from pathlib import Path

import pytest

from imgcycle.config import ClipRequest, VideoOptions
from imgcycle.engine.translator import Translator
from imgcycle.jobs.events import Event, FrameProgress
from imgcycle.jobs.tasks import ClipRange, ClipTask, TaskResult
from imgcycle.jobs.video.checkpoint import segment_folder
from imgcycle.jobs.video.plan import plan_clips
from imgcycle.jobs.video.ranges.parted import PartedClips
from imgcycle.jobs.video.run import run_clip_task
from tests.jobs.films import scenes, tiny_translator

LENGTHS = (12, 8, 10)
"""Seconds of scenes, two frames each: cuts at 24, and at 40, where a segment ends anyway."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenes(tmp_path_factory.mktemp("clip") / "a.mp4", LENGTHS)


@pytest.fixture(scope="module")
def translator() -> Translator:
    return tiny_translator()


def task_for(clip: Path, output: Path, translator: Translator, **options: str) -> ClipTask:
    request = ClipRequest((str(clip),), str(output), options=VideoOptions(**options))  # type: ignore[arg-type]
    (task,) = plan_clips(request, translator.style).tasks
    return task


def carried_out(task: ClipTask, translator: Translator, heard: list[Event] | None = None) -> TaskResult:
    return run_clip_task(task, translator, lambda event: None if heard is None else heard.append(event))


@pytest.fixture(scope="module")
def whole(clip: Path, translator: Translator, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    output = tmp_path_factory.mktemp("whole") / "out.mp4"
    assert carried_out(task_for(clip, output, translator), translator).row.status == "done"
    return output.read_bytes()


def test_ranges_in_whatever_order_make_the_bytes_of_one_run(
    clip: Path, translator: Translator, whole: bytes, tmp_path: Path
) -> None:
    task = task_for(clip, tmp_path / "out.mp4", translator)
    parted = PartedClips.of([task], 3)
    assert parted.ranges == {0: range(1, 4)}
    ranges = [each for each in parted.tasks if isinstance(each, ClipRange)]
    assert [(each.first, each.stop) for each in ranges] == [(0, 24), (24, 40), (40, 60)]
    for each in reversed(ranges):
        result = carried_out(each, translator)
        assert (result.row.status, result.record) == ("done", None)
        assert not (tmp_path / "out.mp4").exists()
    heard: list[Event] = []
    row = carried_out(task, translator, heard).row
    assert row.error is None
    assert (row.status, row.frames) == ("done", 60)  # type: ignore[attr-defined]
    assert next(event for event in heard if isinstance(event, FrameProgress)).stage == "putting together"
    assert (tmp_path / "out.mp4").read_bytes() == whole


@pytest.mark.parametrize("smooth", ["light", "off"])
def test_one_run_goes_on_with_what_ranges_left(
    clip: Path, translator: Translator, whole: bytes, smooth: str, tmp_path: Path
) -> None:
    if smooth == "off":
        assert carried_out(task_for(clip, tmp_path / "one.mp4", translator, smooth="off"), translator).row.error is None
        whole = (tmp_path / "one.mp4").read_bytes()
    task = task_for(clip, tmp_path / "out.mp4", translator, smooth=smooth)
    first, last = (each for each in PartedClips.of([task], 2).tasks if isinstance(each, ClipRange))
    assert first.stop == last.first == (40 if smooth == "light" else 30)
    count = 0

    class Killed(BaseException):
        pass

    def until_killed(event: Event) -> None:
        nonlocal count
        count += isinstance(event, FrameProgress)
        if isinstance(event, FrameProgress) and event.frame > 14:
            raise Killed

    with pytest.raises(Killed):
        run_clip_task(last, translator, until_killed)
    store = segment_folder(tmp_path, tmp_path / "out.mp4")
    made = sorted(path.name for path in store.rglob("0*.mp4"))
    assert made, "a segment of the last range"
    heard: list[Event] = []
    assert carried_out(task, translator, heard).row.error is None
    assert (tmp_path / "out.mp4").read_bytes() == whole
    # And the ranges again, of another try that was ended: they are the same.
    assert [each for each in PartedClips.of([task], 9).tasks if isinstance(each, ClipRange)] == [first, last]


def test_a_range_leaves_alone_what_another_worker_has_in_hand(
    clip: Path, translator: Translator, tmp_path: Path
) -> None:
    task = task_for(clip, tmp_path / "out.mp4", translator)
    first, second, third = (each for each in PartedClips.of([task], 3).tasks if isinstance(each, ClipRange))
    results: list[str | None] = []

    def in_the_middle(event: Event) -> None:
        """The second is at work, and has closed a segment, while the others are made from beginning to end."""
        if isinstance(event, FrameProgress) and event.frame > 10 and not results:
            results.append(None)
            results.extend(carried_out(each, translator).row.error for each in (first, third))

    assert run_clip_task(second, translator, in_the_middle).row.error is None
    assert results == [None, None, None]
    assert "another imgcycle is at work" not in str(carried_out(task, translator).row.error)
