from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from imgcycle.config import ConvertOptions, ConvertRequest
from imgcycle.engine.style import Strokes, Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import OutputError, UsageError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.events import Ended, Event, Note, PageWritten
from imgcycle.jobs.images.batch import StyleJob, convert_styles
from imgcycle.jobs.images.pages import Pages, credit_for, titled, with_pages
from imgcycle.jobs.images.plan import plan_styles
from imgcycle.jobs.recipe import ResolvedOptions
from imgcycle.jobs.tasks import Task
from imgcycle.media.files import PARTIAL
from imgcycle.report import gallery, layout
from imgcycle.report.comparisons import ReportImage
from imgcycle.report.gallery import Gallery
from imgcycle.weights.find import FoundStyle
from tests.media.pictures import encoded, scene
from tests.styles import save_style, tiny_net


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_style(tmp_path / "tiny.safetensors")
    for n in range(5):
        path = tmp_path / "photos" / f"{n}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded(scene(40, 60, n), "PNG"))
    return tmp_path


def works(folder: Path, count: int = 1) -> list[StyleJob]:
    nets = [Translator(tiny_net(seed=n), torch.device("cpu"), style=Style(f"s{n}", "d" * 64, 32)) for n in range(count)]
    plans = plan_styles(ConvertRequest((str(folder / "photos"),)), [net.style for net in nets])
    return [StyleJob(plan, net.style, lambda net=net: net) for plan, net in zip(plans, nets, strict=True)]  # type: ignore[misc]


def shown(folder: Path, of: list[StyleJob], viewing: Pages, fail_fast: bool = False) -> Iterator[Event]:
    found = FoundStyle("tiny", folder / "tiny.safetensors")
    credits = [credit_for(found, work.style, ConvertOptions()) for work in of]
    return with_pages(convert_styles(of, fail_fast=fail_fast), of, credits, viewing)


def test_a_credit_says_the_settings(folder: Path) -> None:
    found, two = FoundStyle("tiny", folder / "tiny.safetensors"), Strokes(1.0, 0.9, 1.5)
    style = Style("s", "d" * 64, 32, 0.4, strokes=two)
    said = {
        share: credit_for(found, style, ConvertOptions(strokes=share, strength=0.5)).settings for share in (None, 0.0)
    }
    assert said[None] == "work size 32, detail 0.4, strength 0.5, strokes 1 over a detail of 0.9"
    assert said[0.0] == "work size 32, detail 0.4, strength 0.5, strokes 0"


def test_what_was_never_reached_is_named(folder: Path) -> None:
    (folder / "photos" / "2.png").write_bytes(b"bad")
    events = list(shown(folder, works(folder), Pages(gallery=folder / "g.html"), fail_fast=True))
    assert isinstance(events[-1], Ended)
    assert PageWritten("gallery", str(folder / "g.html"), 2, (folder / "g.html").stat().st_size) in events
    page = (folder / "g.html").read_text("utf-8")
    assert "<li>3.png: not reached</li>" in page
    assert "<li>2.png: not an image" in page


def test_a_page_that_cannot_be_written_leaves_the_one_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = folder / "g.html"
    list(shown(folder, works(folder), Pages(gallery=page)))
    before = page.read_bytes()

    def full(self: Gallery, missing: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Gallery, "finish", full)
    events: list[Event] = []
    with pytest.raises(OutputError, match="a page cannot be written: No space left"):
        events.extend(shown(folder, works(folder), Pages(gallery=page)))
    assert isinstance(events[-1], Ended)
    assert events[-1].summary.skipped == 5
    assert page.read_bytes() == before
    assert not list(folder.glob(f"{PARTIAL}*"))


def test_a_sheet_takes_what_it_has_room_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_MOST", 6)
    viewing = Pages(folder / "s.png", folder / "g.html")
    events = list(shown(folder, works(folder), viewing))
    pages = {e.kind: e.pictures for e in events if isinstance(e, PageWritten)}
    assert pages == {"sheet": 3, "gallery": 5}
    alone = Pages(folder / "alone.png")
    assert [e.pictures for e in shown(folder, works(folder), alone) if isinstance(e, PageWritten)] == [3]


def test_pictures_are_read_small_and_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from imgcycle.jobs.images import pages as module

    monkeypatch.setattr(module, "LONGEST", 30)
    asked: list[tuple[str, int]] = []
    read = ReportImage.read

    def noted(self: ReportImage, longest: int) -> object:
        asked.append((self.path.name, longest))
        found = read(self, longest)
        assert found.shape == (20, 30, 3)
        return found

    monkeypatch.setattr(ReportImage, "read", noted)
    list(shown(folder, works(folder, 2), Pages(folder / "s.png", folder / "g.html")))
    assert sorted(asked) == sorted([(f"{n}.png", 30) for n in range(5)] * 3)
    assert gallery.LONGEST == 1600


def test_a_promise_is_kept_for_all_styles_before_the_first_begins(folder: Path) -> None:
    with pytest.raises(UsageError, match="more than the 64 MiB allowed"):
        list(convert_styles(works(folder, 2), memory=MemoryBudget(64 * 2**20, promised=True)))
    assert not (folder / "photos-s0").exists()


def test_what_a_gallery_takes_grows_with_the_styles_and_not_with_the_inputs(tmp_path: Path) -> None:
    def least(inputs: int, styles: int) -> int:
        tasks = [Task(f"{n}.png", f"{s}/{n}.png", ".", ResolvedOptions()) for s in range(styles) for n in range(inputs)]
        with pytest.raises(UsageError, match="may take more") as caught:
            Pages(gallery=tmp_path / "g.html").check(tasks, MemoryBudget(1, promised=True))
        assert caught.value.hint is not None
        return int(caught.value.hint.removeprefix("--memory ").partition("M")[0]) * 2**20

    assert least(1000, 1) == least(3, 1) == least(0, 0)
    # Those of the input at hand and of the next one, with three bytes a pixel.
    assert least(3, 25) - least(3, 1) > 24 * 2 * 3 * 1600 * 1600


def test_heavy_pages_say_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from imgcycle.jobs.images import pages as module

    monkeypatch.setattr(module, "_HEAVY", 1000)
    monkeypatch.setattr(module, "_MANY", 2)
    page = folder / "g.html"
    notes = [e.text for e in shown(folder, works(folder), Pages(gallery=page)) if isinstance(e, Note)]
    assert notes == [f"making {page} of 5 pictures", f"{page} is heavy for a browser: --sample 100 makes a lighter one"]


def test_titles_are_paths_from_what_holds_them_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert titled(["x/a/1.png", "x/b\n/1.png"]) == {"x/a/1.png": "a/1.png", "x/b\n/1.png": "b\\n/1.png"}
    assert titled(["x/a/1.png", "x/a/2.png"]) == {"x/a/1.png": "1.png", "x/a/2.png": "2.png"}
    assert titled([str(tmp_path / "1.png"), "y/2.png"])["y/2.png"] == os.path.join("y", "2.png")  # noqa: PTH118
    assert titled([]) == {}
