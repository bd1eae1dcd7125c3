"""When going on makes no sense: one cause twenty times, a full disk, the first failure when that was asked."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import torch

from imgcycle.config import ConvertRequest
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.jobs.events import Ended, Estimated, Event, Note, RowFinished
from imgcycle.jobs.images.batch import convert_all
from imgcycle.jobs.images.plan import plan
from imgcycle.jobs.progress import BatchProgress
from imgcycle.jobs.recipe import ResolvedOptions
from imgcycle.jobs.tasks import Row, Task, Verdict
from tests.media.pictures import encoded, scene
from tests.styles import tiny_net


def task(n: int, verdict: Verdict = "convert") -> Task:
    return Task(f"{n}.jpg", f"out/{n}.jpg", "out", ResolvedOptions(), verdict)


def row(n: int, error: str | None) -> Row:
    return Row(f"{n}.jpg", f"out/{n}.jpg", "failed" if error else "done", error=error)


def events(tally: BatchProgress, errors: list[str | None], full: bool = False) -> list[Event]:
    return [event for n, error in enumerate(errors) for event in tally.add(row(n, error), full)]


def notes(found: list[Event]) -> list[str]:
    return [event.text for event in found if isinstance(event, Note)]


def test_twenty_failures_of_one_cause_in_a_row_end_the_work_and_nineteen_do_not() -> None:
    tally = BatchProgress([task(n) for n in range(60)], 0.0, False)
    assert notes(events(tally, ["no picture"] * 19 + [None] + ["no picture"] * 19 + ["another"])) == []
    assert not tally.over
    assert notes(events(tally, ["another"] * 19)) == ["20 failures in a row with one cause: stopped with 1 to go"]
    assert tally.over


def test_what_the_plan_knew_of_is_no_cause_and_no_measure_of_time() -> None:
    tally = BatchProgress([task(n, "fail") for n in range(30)] + [task(n) for n in range(4)], 0.0, False)
    found = events(tally, ["a folder that cannot be read: Permission denied"] * 30)
    assert {type(event) for event in found} == {RowFinished}
    assert not tally.over
    assert sum(isinstance(event, Estimated) for event in events(tally, [None] * 3)) == 1
    assert tally.summary().failed == 30
    eager = BatchProgress([task(0, "fail"), task(1)], 0.0, True)
    assert notes(events(eager, ["closed"])) == ["a failure: stopped with 1 to go"]


def test_the_start_of_workers_is_no_measure_of_time() -> None:
    tally = BatchProgress([task(n) for n in range(40)], -1000.0, False, workers=2)
    told = [event for n in range(8) for event in tally.add(row(n, None), working=3.0 * (n + 1))]
    (estimate,) = (event for event in told if isinstance(event, Estimated))  # after three of each worker
    assert estimate.seconds == pytest.approx(18.0 / 6 * 34)


def test_a_full_disk_is_known_by_its_class_and_no_word_is_searched() -> None:
    tally = BatchProgress([task(n) for n in range(3)], 0.0, False)
    assert notes(events(tally, ["a file called No space left on device"])) == []
    assert notes(events(tally, ["whatever it says"], full=True)) == ["the disk is full: stopped with 1 to go"]


@pytest.mark.parametrize("step", ["image.atomic_write", "pipeline.LoadedImage"])
def test_a_full_disk_ends_a_conversion_at_whatever_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    for n in range(6):
        (tmp_path / f"{n}.png").write_bytes(encoded(scene(seed=n), "PNG"))
    net = Translator(tiny_net(), torch.device("cpu"), style=Style("tiny", "d" * 64, 32, 0.5))
    planned = plan(ConvertRequest((str(tmp_path),), str(tmp_path / "out")), net.style)
    monkeypatch.setattr(f"imgcycle.jobs.images.{step}", full)
    found = list(convert_all(planned, net))
    assert notes(found) == ["the disk is full: stopped with 5 to go"]
    assert isinstance(found[-1], Ended)
    assert (found[-1].summary.failed, found[-1].summary.exit_code) == (1, 1)
    assert "Disk quota exceeded" in str([event.row.error for event in found if isinstance(event, RowFinished)])
    assert not list((tmp_path / "out").glob("*.png"))
