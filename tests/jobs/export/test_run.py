"""A style taken out: file and folder, their check, and that what was taken out can be brought back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle.errors import ImgcycleError, UsageError
from imgcycle.jobs.export import run, stylise
from imgcycle.jobs.export.run import export_style
from imgcycle.jobs.translators import load_translator
from imgcycle.weights.find import find_style
from imgcycle.weights.onnx.about import read_onnx
from tests.engine.strips.test_run import picture
from tests.styles import save_style, save_two_nets


@pytest.fixture
def style(tmp_path: Path) -> str:
    return str(save_style(tmp_path / "mine.safetensors", work_size=64, detail=0.25, licence="CC0"))


def test_a_file_says_what_it_is_and_comes_back_as_the_same_style(tmp_path: Path, style: str) -> None:
    made = export_style(find_style(style), str(tmp_path / "out.onnx"))
    assert made.files == (tmp_path / "out.onnx",)
    assert made.apart < 0.02
    assert len(made.sizes) == 5
    about = read_onnx(tmp_path / "out.onnx")
    assert (about.range, about.multiple, about.least) == ("-1..1", 4, 8)
    assert about.card["licence"] == "CC0"
    back, x = load_translator(str(tmp_path / "out.onnx")), picture(45, 34)
    assert (back.style.work_size, back.style.detail) == (64, 0.25)
    assert "out.onnx is an ONNX net, NCHW, values -1..1" in back.style.origin
    assert (back(x) - load_translator(style, precision="fp32")(x)).abs().max() < 1e-4


def test_a_file_of_two_nets_says_that_one_is_left_out(tmp_path: Path) -> None:
    path = save_two_nets(tmp_path / "two.safetensors")
    made = export_style(find_style(str(path)), str(tmp_path / "two.onnx"))
    assert "second net" in made.notes[0]


def test_a_folder_runs_by_itself(tmp_path: Path, style: str) -> None:
    made = export_style(find_style(style), f"{tmp_path / 'out'}/")
    assert [path.name for path in made.files] == ["net.onnx", "stylise.py", "index.html"]
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    facts = page.partition('id="facts">')[2].partition("</script>")[0]
    assert json.loads(facts) == {"style": "mine", "multiple": 4, "least": 8, "work_size": 64}
    net, translator = stylise.Net(tmp_path / "out" / "net.onnx"), load_translator(style, precision="fp32")
    for height, width in ((60, 100), (59, 97), (5, 61), (3, 2)):
        pixels = (np.random.default_rng(0).random((height, width, 3)) * 255).astype(np.uint8)
        found = net(pixels, "full")
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1
        wanted = ((translator(x)[0] + 1) * 127.5).round().permute(1, 2, 0)
        assert np.abs(found.astype(int) - wanted.numpy()).max() <= 1, (height, width)
    assert net((np.random.default_rng(0).random((60, 100, 3)) * 255).astype(np.uint8)).shape == (50, 83, 3)


def test_the_script_reads_and_writes_with_numpy_alone_and_with_pillow(
    tmp_path: Path, style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_style(find_style(style), f"{tmp_path}/out/")
    monkeypatch.setattr(stylise, "HERE", tmp_path / "out")
    pixels = (np.random.default_rng(0).random((40, 48, 3)) * 255).astype(np.uint8)
    stylise.write(tmp_path / "a.ppm", pixels)
    assert np.array_equal(stylise.read(tmp_path / "a.ppm"), pixels)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for name in ("a.ppm", "a.png"):
        assert stylise.main([str(tmp_path / name), str(tmp_path / f"out-{name}")]) == 0
    assert np.array_equal(stylise.read(tmp_path / "out-a.ppm"), np.asarray(Image.open(tmp_path / "out-a.png")))
    assert stylise.main([str(tmp_path / "none.png"), str(tmp_path / "b.png")]) == 1


def test_nothing_is_written_over_and_faults_are_not_kept(
    tmp_path: Path, style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, place = find_style(style), tmp_path / "x.onnx"
    with pytest.raises(UsageError, match="neither an"):
        export_style(found, str(tmp_path / "x.pt"))
    place.write_bytes(b"mine")
    with pytest.raises(UsageError, match="there already"):
        export_style(found, str(place))
    monkeypatch.setattr(run, "compared", lambda *_: (3.0, ()))
    with pytest.raises(ImgcycleError, match=r"3\.00 levels"):
        export_style(found, str(place), overwrite=True)
    assert place.read_bytes() == b"mine"
    monkeypatch.undo()
    export_style(found, str(place), overwrite=True)
    with pytest.raises(UsageError, match="already"):
        export_style(find_style(str(place)), str(tmp_path / "again.onnx"))
