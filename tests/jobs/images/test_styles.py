from __future__ import annotations

from pathlib import Path

import pytest
import torch

from imgcycle.config import ConvertRequest
from imgcycle.engine.translator import Translator
from imgcycle.errors import WeightsError
from imgcycle.jobs.images.batch import convert_styles
from imgcycle.jobs.images.styles import StyleSelection, plan_style_jobs
from imgcycle.jobs.translators import open_style, style_of
from imgcycle.weights.find import find_style
from imgcycle.weights.mix import ChosenStyle
from imgcycle.weights.native import save_weights
from tests.media.pictures import encoded, scene
from tests.styles import TINY, save_style, save_two_nets, tiny_net


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(encoded(scene(40, 30)))
    return folder


def broken(path: Path) -> Path:
    """A file whose description is sound, and whose net holds a value that is not finite."""
    net = tiny_net()
    with torch.no_grad():
        next(net.parameters())[:] = float("nan")
    save_weights(path, net, TINY.to_dict(), {})
    return path


def planned(photos: Path, *styles: Path) -> tuple[StyleSelection, list[str]]:
    """The plans, and the styles whose nets were opened for them."""
    opened: list[str] = []

    def open_one(found: ChosenStyle) -> Translator:
        opened.append(found.label)
        return open_style(found, "cpu", "fp32")

    request = ConvertRequest((str(photos),), f"{photos.parent / 'out'}/")
    return plan_style_jobs(request, [find_style(str(path)) for path in styles], open_one), opened


def made(found: StyleSelection) -> None:
    for _ in convert_styles(found.style_jobs):
        pass


def test_a_style_is_known_without_its_net(tmp_path: Path) -> None:
    for path in (
        save_style(tmp_path / "one.safetensors", work_size=200, detail=0.25),
        save_two_nets(tmp_path / "two.safetensors", strokes={"share": 0.6, "detail": 0.7, "calm": 2.0}),
    ):
        found = find_style(str(path))
        assert style_of(found) == open_style(found, "cpu", "fp32").style
        assert style_of(found) is not None


def test_other_programs_files_are_opened_to_be_known(tmp_path: Path) -> None:
    torch.save(tiny_net().state_dict(), tmp_path / "theirs.pth")
    assert style_of(find_style(str(tmp_path / "theirs.pth"))) is None


def test_a_net_is_opened_where_there_is_something_to_do(tmp_path: Path, photos: Path) -> None:
    style = save_style(tmp_path / "tiny.safetensors", work_size=32)
    found, opened = planned(photos, style)
    assert opened == ["tiny"]
    made(found)
    assert opened == ["tiny"], "once"

    found, opened = planned(photos, style)
    made(found)
    assert [task.verdict for task in found.style_jobs[0].plan.tasks] == ["skip"]
    assert opened == []


def test_a_broken_net_is_refused_before_the_work(tmp_path: Path, photos: Path) -> None:
    bad = broken(tmp_path / "bad.safetensors")
    with pytest.raises(WeightsError, match="not finite"):
        planned(photos, bad)
    good = save_style(tmp_path / "good.safetensors", work_size=32)
    found, _ = planned(photos, bad, good)
    assert [style.label for style in found.styles] == ["good"]
    assert [work.style.name for work in found.style_jobs] == ["good"]
    assert len(found.refused) == 1
    assert "bad.safetensors" in found.refused[0]
    made(found)
    assert (tmp_path / "out" / "good" / "a.jpg").exists()
    with pytest.raises(WeightsError, match="not finite"):
        planned(photos, bad, broken(tmp_path / "worse.safetensors"))
