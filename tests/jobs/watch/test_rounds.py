"""Rounds of a watch, with what happens between the looks given as a list."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from imgcycle.config import ConvertOptions, ConvertRequest
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import OutputError, UsageError
from imgcycle.jobs.events import Ended, Event, Note, Planned, RoundEnded, RowFinished
from imgcycle.jobs.images.batch import StyleJob, convert_styles
from imgcycle.jobs.images.plan import plan_styles
from imgcycle.jobs.tasks import Summary
from imgcycle.jobs.watch.looks import Looks
from imgcycle.jobs.watch.rounds import watch
from tests.media.pictures import encoded, scene
from tests.styles import tiny_net

Step = Callable[[], object]


def nothing() -> None:
    pass


@pytest.fixture
def translator() -> Translator:
    return Translator(tiny_net(), torch.device("cpu"), style=Style("tiny", "d" * 64, 32, 0.5))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def put(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encoded(scene(seed=seed), "PNG"))


def watched(
    translator: Translator,
    steps: Sequence[Step],
    *inputs: str,
    fail_fast: bool = False,
    before: Callable[[Sequence[StyleJob]], None] = lambda _: None,
    **asked: object,
) -> tuple[list[Event], Summary]:
    """Events of a watch; before each look but the first one step is taken, and after the last one comes Ctrl-C."""
    request = replace(ConvertRequest(inputs or ("in",)), **asked)  # type: ignore[arg-type]
    left = iter(steps)

    def pause(_: float) -> None:
        step = next(left, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    def carry_out(works: Sequence[StyleJob]) -> Iterator[Event]:
        before(works)
        return convert_styles(works, 1, fail_fast)

    style = translator.style
    jobs = [StyleJob(plan, style, lambda: translator) for plan in plan_styles(request, [style])]
    events = list(watch(jobs, request, carry_out, pause=pause, looks=Looks()))
    assert isinstance(events[-1], Ended)
    return events, events[-1].summary


def rows(events: Sequence[Event]) -> list[tuple[str, str]]:
    return [(Path(e.row.input).name, e.row.status) for e in events if isinstance(e, RowFinished)]


def counts(summary: Summary) -> tuple[int, int, int, int]:
    return summary.done, summary.skipped, summary.kept, summary.failed


def test_what_arrives_is_converted_once_it_is_complete(folder: Path, translator: Translator) -> None:
    put(folder / "a.png")
    whole = encoded(scene(seed=1), "PNG")
    steps = [
        nothing,  # a.png stayed the same
        lambda: (folder / "b.png").write_bytes(whole[:1000]),
        lambda: (folder / "b.png").write_bytes(whole),
        nothing,
        lambda: put(folder / "sub" / "c.png", 2),
        nothing,
        nothing,
    ]
    events, summary = watched(translator, steps)
    assert rows(events) == [("a.png", "done"), ("b.png", "done"), ("c.png", "done")]
    assert counts(summary) == (3, 0, 0, 0)
    assert summary.megapixels == pytest.approx(3 * 40 * 56 / 1e6, abs=1e-3)
    made = folder.parent / "in-tiny"
    assert sorted(p.relative_to(made).as_posix() for p in made.rglob("*.png")) == ["a.png", "b.png", "sub/c.png"]
    said = [e.text for e in events if isinstance(e, Note)]
    assert said == ["waiting for pictures in in, looking every 5 s; Ctrl-C ends it"]
    assert [counts(e.summary) for e in events if isinstance(e, RoundEnded)] == [(1, 0, 0, 0)] * 3


def test_nothing_is_done_twice(folder: Path, translator: Translator) -> None:
    put(folder / "a.png")
    watched(translator, [nothing])
    # The same content at another time, another content, and that one with --update.
    again = [lambda: put(folder / "a.png"), nothing, lambda: put(folder / "a.png", 1), nothing]
    events, summary = watched(translator, again)
    assert rows(events) == [("a.png", "skipped"), ("a.png", "skipped"), ("a.png", "kept")]
    assert counts(summary) == (0, 2, 1, 0)
    assert summary.exit_code == 1
    events, summary = watched(translator, [nothing, lambda: put(folder / "a.png", 2), nothing], update=True)
    assert rows(events) == [("a.png", "done"), ("a.png", "done")]


def test_temporary_names_and_what_vanishes_are_passed_over(folder: Path, translator: Translator) -> None:
    put(folder / "a.png.part")
    (folder / "b.crdownload").write_bytes(b"1")

    def vanish(works: Sequence[StyleJob]) -> None:
        for name in ("c.png", "d.png"):
            if any(name in task.input for work in works for task in work.plan.tasks):
                (folder / name).unlink()

    steps = [
        lambda: (folder / "a.png.part").rename(folder / "a.png"),
        nothing,
        lambda: put(folder / "c.png"),
        nothing,
        lambda: put(folder / "d.png"),
        (folder / "d.png").unlink,
        nothing,
    ]
    events, summary = watched(translator, steps, before=vanish)
    assert rows(events) == [("a.png", "done")]
    assert counts(summary) == (1, 0, 0, 0)
    assert sum(isinstance(event, Note) for event in events) == 1


def test_a_folder_may_go_and_come_back(folder: Path, translator: Translator) -> None:
    put(folder / "a.png")
    put(folder.parent / "other" / "o.png")
    steps = [
        nothing,
        lambda: shutil.rmtree(folder),
        lambda: put(folder.parent / "other" / "p.png", 3),
        nothing,
        lambda: put(folder / "b.png", 1),
        nothing,
    ]
    events, summary = watched(translator, steps, "in", "other", output="out")
    assert rows(events) == [("a.png", "done"), ("o.png", "done"), ("p.png", "done"), ("b.png", "done")]
    assert summary.failed == 0
    # Each folder keeps its own under the output, whatever is in the other.
    out = folder.parent / "out"
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.png")) == [
        *("in/a.png", "in/b.png", "other/o.png", "other/p.png")
    ]


def test_a_damaged_file_fails_once_until_it_changes(folder: Path, translator: Translator) -> None:
    whole = encoded(scene(), "PNG")
    steps = [
        lambda: (folder / "a.png").write_bytes(whole[:1000]),
        *[nothing] * 3,
        lambda: (folder / "a.png").write_bytes(whole),
        *[nothing] * 2,
    ]
    events, summary = watched(translator, steps)
    assert rows(events) == [("a.png", "failed"), ("a.png", "done")]
    assert summary.exit_code == 1


def test_results_beside_their_inputs_are_not_converted_again(folder: Path, translator: Translator) -> None:
    put(folder / "a.png")
    events, _ = watched(translator, [nothing] * 4, "in/*.png")
    assert (folder / "a-tiny.png").is_file()
    assert rows(events) == [("a.png", "done")]


def test_what_cannot_be_planned_is_said_once(folder: Path, translator: Translator) -> None:
    put(folder / "a.png")
    steps = [nothing, lambda: (folder / "a.jpg").write_bytes(encoded(scene())), *[nothing] * 3]
    events, summary = watched(translator, steps, on_clash="refuse", format="png")
    said = [e.text for e in events if isinstance(e, Note)]
    assert "would both become" in said[1]
    assert len(said) == 2
    assert counts(summary) == (1, 0, 0, 1)


def test_a_failure_ends_it_where_that_was_asked_for(folder: Path, translator: Translator) -> None:
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"no picture at all")
    events, summary = watched(translator, [nothing] * 5, fail_fast=True)
    assert rows(events) == [("a.png", "failed")]
    assert counts(summary) == (0, 0, 0, 1)
    assert sum(isinstance(event, Planned) for event in events) == 2  # of the first look, and of the only round


def test_a_full_disk_ends_it_and_a_small_memory_does_not(folder: Path, translator: Translator) -> None:
    put(folder / "a.png")
    request = ConvertRequest(("in",), options=ConvertOptions())
    style = translator.style

    def refusing(error: Exception) -> Callable[[Sequence[StyleJob]], Iterator[Event]]:
        def carry_out(works: Sequence[StyleJob]) -> Iterator[Event]:
            yield Planned(len(works[0].plan.tasks), 0, 0, 0)
            if works[0].plan.tasks:
                raise error

        return carry_out

    def ended(error: Exception) -> list[Event]:
        jobs = [StyleJob(plan, style, lambda: translator) for plan in plan_styles(request, [style])]
        looks = iter([None, None])

        def pause(_: float) -> None:
            if next(looks, 0) == 0:
                raise KeyboardInterrupt

        return list(watch(jobs, request, refusing(error), pause=pause, looks=Looks()))

    with pytest.raises(OutputError):
        ended(OutputError("the disk is too small"))
    *_, note, last = ended(UsageError("the picture is too large"))
    assert note == Note("the picture is too large")
    assert isinstance(last, Ended)
    assert counts(last.summary) == (0, 0, 0, 1)
