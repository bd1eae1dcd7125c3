"""The page of a run: written as the run goes, made of what the folder holds."""

from __future__ import annotations

import base64
import io
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgcycle.errors import OutputError, UsageError
from imgcycle.training import events
from imgcycle.training.listeners.page import MOMENTS, RunPage, grid_cells
from imgcycle.training.loop import train
from imgcycle.training.storage.folder import RunFolder
from tests.media.pictures import encoded, scene
from tests.training.toys import toy_config
from tests.training.worlds import config_for


def page_of(run: Path) -> str:
    return (run / "index.html").read_text("utf-8")


def pictures(text: str, **marks: str) -> list[np.ndarray[Any, Any]]:
    """The results on a page with these marks."""
    wanted = "".join(f'(?=[^>]*data-{name}="{value}")' for name, value in marks.items())
    found = re.findall(rf'<img class="after"{wanted}[^>]*base64,([^"]+)"', text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run both ways with samples at 4, 8 and 10, and pictures of the user's own."""
    root = tmp_path_factory.mktemp("page")
    (root / "own").mkdir()
    (root / "own" / "<b> & me.png").write_bytes(encoded(scene(33, 47), "PNG"))
    (root / "own" / "bad.png").write_bytes(b"bad")
    config = toy_config(root, steps=10, sample_every=4, sample_from=str(root / "own"))
    heard: list[events.Event] = []
    train(config, root / "run", listener=heard.append)
    notes = [event.text for event in heard if isinstance(event, events.Noted)]
    assert any("bad.png is left out" in note for note in notes)
    return root / "run"


def test_it_shows_the_fixed_pictures_at_every_moment(run: Path) -> None:
    text = page_of(run)
    assert "<b>Finished</b> · step 10 of 10 · 100 %" in text
    assert 'data-moments="[4, 8, 10]"' in text
    assert re.findall("<h3>(.*?)</h3>", text)[:3] == ["Pictures of your own", "red → blue", "blue → red"]
    cells = grid_cells(run / "samples/step-8.png", 32)
    assert (len(cells), len(cells[0])) == (8, 3)
    shown = pictures(text, kind="0", moment="1")
    assert len(shown) == 9
    for made, row in zip(shown[1:], cells, strict=True):
        assert np.abs(made.astype(int) - row[1]).mean() < 4
    back = pictures(text, kind="1", moment="2")
    newest = grid_cells(run / "samples/step-10.png", 32)
    assert all(np.abs(m.astype(int) - r[2]).mean() < 4 for m, r in zip(back, newest, strict=True))


def test_pictures_of_the_users_own_are_translated_whole(run: Path) -> None:
    place = run / "samples/own/01 <b> & me.png"
    assert sorted(path.name for path in place.iterdir()) == [
        "before.webp",
        "step-10.webp",
        "step-4.webp",
        "step-8.webp",
    ]
    with Image.open(place / "step-4.webp") as early, Image.open(place / "step-10.webp") as late:
        assert early.size == late.size == (47, 33)
        assert np.asarray(early).tobytes() != np.asarray(late).tobytes()
    assert "<span>&lt;b&gt; &amp; me.png</span>" in page_of(run)


def test_it_says_what_to_type_and_with_which_settings(run: Path) -> None:
    text = page_of(run)
    assert f"imgcycle convert photos/ --to {run}</code>" in text
    assert f"--to {run} --direction B2A</code>" in text
    assert "--resume" not in text
    assert '<th scope="row">sample_every</th><td>4</td>' in text.partition("<details>")[0]
    assert '<th scope="row">beta1</th>' not in text.partition("<details>")[0]
    assert '<th scope="row">beta1</th><td>0.5</td>' in text
    assert "gan_A2B" in text


def test_an_interrupted_run_says_how_to_go_on_and_a_resumed_one_shows_all(tmp_path: Path) -> None:
    config = toy_config(tmp_path, steps=4, sample_every=2, save_every=2)
    train(config, tmp_path / "run")
    train(config.replace(steps=6), tmp_path / "run", resume=True)
    assert 'data-moments="[2, 4, 6]"' in page_of(tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    page = RunPage(folder)
    page(events.Started(tmp_path / "run", 6, 8, 8, 8, 8, "cpu", "fp32", 1, True))
    page(events.Finished(6, 8, 1.0, interrupted=True))
    assert "<b>Stopped</b> · step 6 of 8" in page_of(tmp_path / "run")
    assert f"imgcycle train -o {tmp_path / 'run'} --resume" in page_of(tmp_path / "run")


def test_pairs_show_what_was_wanted_once(tmp_path: Path) -> None:
    train(config_for(tmp_path, "pix2pix", steps=2, sample_every=1), tmp_path / "run")
    text = page_of(tmp_path / "run")
    assert len(pictures(text, kind="0", moment="0")) == 4
    wanted = pictures(text, kind="1")
    assert len(wanted) == 4
    grid = grid_cells(tmp_path / "run/samples/step-2.png", 32)
    assert all(np.abs(w.astype(int) - row[2]).mean() < 4 for w, row in zip(wanted, grid, strict=True))


def test_a_damaged_sample_and_a_missing_picture_are_passed_over(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run/samples/step-4.png").write_bytes(b"no picture")
    page = RunPage(RunFolder(tmp_path / "run"))
    page(events.Started(tmp_path / "run", 10, 10, 8, 8, 8, "cpu", "fp32", 1, True))
    page(events.Sampled(10, tmp_path / "run/samples/step-10.png"))
    text = page_of(tmp_path / "run")
    assert "<b>Training</b>" in text
    assert len(pictures(text, kind="0", moment="0")) == 1
    assert len(pictures(text, kind="0", moment="2")) == 9


def test_new_losses_alone_are_written_now_and_then(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = RunPage(RunFolder(run))
    written: list[int] = []
    monkeypatch.setattr("imgcycle.training.listeners.page.write_text", lambda _, text: written.append(len(text)))
    page(events.Started(run, 0, 10, 8, 8, 8, "cpu", "fp32", 1, False))
    for step in range(5):
        page(events.Progress(step, 10, 1, {}, 1e-4, 1.0, 5.0, 0.0))
    assert len(written) == 1
    page(events.Sampled(5, run / "samples/step-4.png"))
    assert len(written) == 2
    monkeypatch.setattr("imgcycle.training.listeners.page.EVERY", 0.0)
    page(events.Progress(6, 10, 1, {}, 1e-4, 1.0, 5.0, 0.0))
    assert len(written) == 3


def test_where_it_cannot_be_written_the_run_says_so(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, text: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("imgcycle.training.listeners.page.write_text", refused)
    page = RunPage(RunFolder(run))
    with pytest.raises(OutputError, match="cannot be written"):
        page(events.Started(run, 0, 10, 8, 8, 8, "cpu", "fp32", 1, False))


def test_a_long_run_is_shown_at_so_many_moments_first_and_last_among_them(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    for step in range(100, 5100, 100):
        shutil.copy(run / "samples/step-4.png", tmp_path / f"run/samples/step-{step}.png")
    page = RunPage(RunFolder(tmp_path / "run"))
    page(events.Started(tmp_path / "run", 4500, 9000, 8, 8, 8, "cpu", "fp32", 1, True))
    said = re.search(r'data-moments="\[(.*?)\]"', page_of(tmp_path / "run"))
    assert said is not None
    moments = [int(step) for step in said[1].split(", ")]
    assert len(moments) == MOMENTS
    assert (moments[0], moments[-1]) == (4, 4500)
    assert moments == sorted(set(moments))


def test_a_folder_without_pictures_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nowhere"):
        with pytest.raises(UsageError, match=folder):
            train(toy_config(tmp_path, sample_from=str(tmp_path / folder)), tmp_path / "run")
