"""What is an input: results of ours only when they were meant, closed folders and strangers named one by one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from imgcycle.config import ClipRequest, ConvertRequest
from imgcycle.data.folders import ImageFolder
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, UsageError
from imgcycle.jobs.evaluation.samples import pictures
from imgcycle.jobs.events import Ended, RowFinished
from imgcycle.jobs.images.batch import convert_all
from imgcycle.jobs.images.plan import plan, plan_styles
from imgcycle.jobs.tasks import Row, Summary
from imgcycle.jobs.video.plan import plan_clips
from tests.media.pictures import encoded, scene
from tests.styles import tiny_net

MONET, VANGOGH = Style("monet", "d" * 64, 32, 0.5), Style("vangogh", "e" * 64, 32, 0.5)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for n in range(2):
        Path(f"{n}.jpg").write_bytes(encoded(scene(seed=n)))
    return tmp_path


def run(*inputs: str, style: Style = MONET, **more: Any) -> tuple[list[Row], Summary]:
    net = Translator(tiny_net(), torch.device("cpu"), style=style)
    found = list(convert_all(plan(ConvertRequest(inputs, **more), style), net))
    assert isinstance(found[-1], Ended)
    return [event.row for event in found if isinstance(event, RowFinished)], found[-1].summary


def names(*inputs: str, style: Style = MONET, **more: Any) -> list[str]:
    return [task.output for task in plan(ConvertRequest(inputs, **more), style).tasks]


LEFT_OUT = "2 earlier results of imgcycle left out of the inputs (named alone, they are taken)"


@pytest.mark.parametrize(
    "inputs", [("*.jpg",), ("0.jpg", "1.jpg", "0-monet.jpg", "1-monet.jpg"), (".",), ("[01]*.jpg",)]
)
def test_results_among_the_inputs_are_left_out_however_they_were_named(folder: Path, inputs: tuple[str, ...]) -> None:
    run("*.jpg")
    request = ConvertRequest(inputs, "out/") if inputs[0] == "." else ConvertRequest(inputs)
    planned = plan(request, MONET)
    assert sorted(Path(task.input).name for task in planned.tasks) == ["0.jpg", "1.jpg"]
    assert planned.notes == (LEFT_OUT,)
    if request.output is None:
        assert {task.reason for task in planned.tasks} == {"converted before"}


def test_results_named_alone_are_converted_again(folder: Path) -> None:
    run("*.jpg")
    assert names("0-monet.jpg", style=VANGOGH) == ["0-monet-vangogh.jpg"]
    assert names("*-monet.jpg", style=VANGOGH) == ["0-monet-vangogh.jpg", "1-monet-vangogh.jpg"]
    Path("monets").mkdir()
    for n in range(2):
        Path(f"{n}-monet.jpg").rename(f"monets/{n}.jpg")
    rows, summary = run("monets", style=VANGOGH)
    assert [row.output for row in rows] == ["monets-vangogh/0.jpg", "monets-vangogh/1.jpg"]
    assert (summary.done, summary.exit_code) == (2, 0)
    # The folders beside one another, as a shell's `mon*` names them, and the second time.
    assert run("monets", "monets-vangogh", style=VANGOGH)[1].skipped == 2
    # Beside a photograph it is not said that they are meant.
    assert names("monets", "0.jpg", style=VANGOGH) == ["0-vangogh.jpg"]


def test_what_results_become_is_no_input_the_second_time(folder: Path) -> None:
    run("*.jpg")
    run("*-monet.jpg", style=VANGOGH)
    again = plan(ConvertRequest(("*-monet*.jpg",)), VANGOGH)
    assert [(task.input, task.verdict) for task in again.tasks] == [("0-monet.jpg", "skip"), ("1-monet.jpg", "skip")]
    both = plan_styles(ConvertRequest(("*-monet*.jpg",)), [VANGOGH, Style("night", "f" * 64)])
    assert [len(each.tasks) for each in both] == [2, 2]
    assert both[0].notes[0] == LEFT_OUT


def test_of_two_names_the_picture_that_has_the_suffix_keeps_the_short_one(folder: Path) -> None:
    for name in ("x.jpg", "x.png", "y.bmp", "y.jpg"):
        (folder / "in").mkdir(exist_ok=True)
        (folder / "in" / name).write_bytes(encoded(scene(), "PNG"))
    assert names("in", format="png") == [f"in-monet/{n}" for n in ("x.jpg.png", "x.png", "y.png", "y.jpg.png")]
    assert names("in", format="jpg") == [f"in-monet/{n}" for n in ("x.jpg", "x.png.jpg", "y.bmp.jpg", "y.jpg")]
    assert names("in/x.jpg", "in/x.png", format="png") == ["in/x.jpg.png", "in/x-monet.png"]
    with pytest.raises(UsageError, match=r"in/x\.jpg and in/x\.png would both become"):
        names("in", format="png", on_clash="refuse")


def closed(monkeypatch: pytest.MonkeyPatch, *folders: str, error: type[OSError] = PermissionError) -> None:
    """Make folders that nobody may read, whoever runs the tests."""
    scan = os.scandir

    def scandir(path: Any = ".") -> Any:
        if Path(path).name in folders:
            raise error(13, "Permission denied", os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_a_closed_folder_in_a_tree_has_failed_and_the_rest_is_converted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("in/a", "in/b", "in/.hidden"):
        (folder / name).mkdir(parents=True)
        (folder / name / "x.jpg").write_bytes(encoded(scene()))
    closed(monkeypatch, "a", ".hidden")
    rows, summary = run("in")
    assert [(row.input, row.output, row.status, row.error) for row in rows] == [
        ("in/a", "", "failed", "a folder that cannot be read: Permission denied"),
        ("in/b/x.jpg", "in-monet/b/x.jpg", "done", None),
    ]
    assert (summary.done, summary.failed, summary.exit_code) == (1, 1, 1)
    assert [row.input for row in run("in/**/*.jpg")[0]] == ["in/a", "in/b/x.jpg"]


def test_a_closed_folder_that_is_named_itself_and_one_that_went_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a").mkdir()
    Path("b/c").mkdir(parents=True)
    closed(monkeypatch, "a")
    assert [(row.input, row.status) for row in run("a", "a/", "0.jpg")[0]] == [("a", "failed"), ("0.jpg", "done")]
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    closed(monkeypatch, "c", error=NotADirectoryError)
    assert [(row.input, row.status) for row in run("b")[0]] == [("b/c", "failed")]


def test_other_commands_name_a_closed_folder_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("in/a", "in/b"):
        (folder / name).mkdir(parents=True)
        for n in range(2):
            (folder / name / f"{n}.jpg").write_bytes(encoded(scene(seed=n)))
    closed(monkeypatch, "a")
    (task,) = plan_clips(ClipRequest(("in",)), MONET).tasks
    assert (task.input, task.verdict) == ("in/a", "fail")
    assert task.reason == "a folder that cannot be read: Permission denied"
    with pytest.raises(InputError, match=r"^in/a cannot be read: Permission denied$"):
        pictures("in")
    told: list[tuple[str, str]] = []
    images = ImageFolder(Path("in"), 32, on_unreadable=lambda path, why: told.append((str(path), why)))
    assert told == [("in/a", "Permission denied")]
    assert len(images) == 2


def test_a_folder_too_deep_for_its_path_has_failed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = folder / "deep"
    top.mkdir()
    (top / "a.jpg").write_bytes(encoded(scene()))
    here = os.open(top, os.O_RDONLY)
    try:
        for _ in range(20):
            os.mkdir("d" * 250, dir_fd=here)
            inner = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = inner
        rows, summary = run(str(top))
        assert [row.status for row in rows] == ["failed", "done"]
        assert rows[0].error == "a folder that cannot be read: File name too long"
        assert summary.exit_code == 1
    finally:
        os.close(here)
        for _ in levels(top):
            pass


def levels(top: Path) -> Iterator[None]:
    """Take the tower down: names that long are beyond whoever cleans up."""
    while True:
        inner = top / ("d" * 250)
        if not inner.is_dir():
            return
        lower = inner / ("d" * 250)
        if lower.is_dir():
            lower.rename(top / "e")
        inner.rmdir()
        if (top / "e").is_dir():
            (top / "e").rename(inner)
        yield


def test_clips_and_raw_files_named_by_hand_have_a_row_each(folder: Path) -> None:
    for name in ("a.mp4", "b.NEF"):
        Path(name).write_bytes(b"x")
    Path("in").mkdir()
    Path("in/c.mov").write_bytes(b"x")
    planned = plan(ConvertRequest(("b.NEF", "0.jpg", "a.mp4", "in")), MONET)
    assert [(task.input, task.output, task.verdict, task.reason) for task in planned.tasks] == [
        ("a.mp4", "", "keep", "a video clip (imgcycle video takes them)"),
        ("b.NEF", "", "keep", "a RAW file (--raw preview or --raw develop takes them)"),
        ("0.jpg", "0-monet.jpg", "convert", ""),
    ]
    assert [note.split(" (")[0] for note in planned.notes] == ["2 video clips left alone", "1 RAW file left alone"]
    rows, summary = run("b.NEF", "0.jpg", "a.mp4", "in")
    assert [row.status for row in rows] == ["kept", "kept", "done"]
    assert (summary.kept, summary.exit_code) == (2, 1)
    # Of several styles, each is told once.
    both = plan_styles(ConvertRequest(("a.mp4", "0.jpg")), [MONET, VANGOGH])
    assert [[task.input for task in each.tasks] for each in both] == [["a.mp4", "0.jpg"], ["0.jpg"]]


def test_a_result_whose_name_would_be_too_long_has_failed_before_the_work(folder: Path) -> None:
    Path("x" * 248 + ".jpg").write_bytes(encoded(scene()))
    (task,) = plan(ConvertRequest(("x" * 248 + ".jpg",)), MONET).tasks
    assert task.verdict == "fail"
    assert task.reason == "its result cannot be written: File name too long (--name gives it a shorter one)"
    (task,) = plan(ConvertRequest(("x" * 248 + ".jpg",), name="a{ext}"), MONET).tasks
    assert (task.verdict, task.output) == ("convert", "a.jpg")


@pytest.mark.parametrize(
    ("name", "output"),
    [
        (".imgcycle/{stem}{ext}", None),
        (".imgcycle/{stem}{ext}", "out/"),
        ("{dir}.ImgCycle/{stem}", "out/"),
        (".imgcycle/done.jsonl", "out/"),
        (".imgcycle-{stem}.partial", "out/"),
        ("./.imgcycle/clips/{stem}{ext}", "out/"),
        (None, ".imgcycle/"),
        (None, "out/.imgcycle"),
        (None, "out/.imgcycle/deeper/"),
        (None, "out/.imgcycle/0.jpg"),
        (None, "linked/"),
    ],
)
def test_no_name_leads_to_the_state_folder(folder: Path, name: str | None, output: str | None) -> None:
    (folder / "out" / ".imgcycle").mkdir(parents=True)
    (folder / "linked").symlink_to("out/.imgcycle", target_is_directory=True)
    with pytest.raises(UsageError, match=r"imgcycle.* own notes"):
        names("0.jpg", name=name, output=output)


def test_a_linked_state_folder_is_refused_before_the_work(folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "0-monet.jpg").write_bytes(b"mine")
    (folder / ".imgcycle").symlink_to("other", target_is_directory=True)
    with pytest.raises(UsageError, match=r"\.imgcycle is a link"):
        names("0.jpg")
    assert names("0.jpg", output="out/") == ["out/0.jpg"]
    assert not list((folder / "other").iterdir())
