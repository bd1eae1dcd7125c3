"""`imgcycle export`, and the way back in: `--to FILE.onnx`, `--range`, `--mask`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgcycle.cli.app import run
from tests.media.pictures import scene
from tests.styles import save_style
from tests.weights.onnx.models import of_levels


def test_a_style_goes_out_and_comes_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    style, out = save_style(tmp_path / "mine.safetensors", work_size=64), tmp_path / "mine.onnx"
    assert run(["export", str(style), "-o", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["files"] == [str(out)]
    assert said["levels_apart"] < 0.02
    assert run(["export", str(style), "-o", str(out)]) == 2
    Image.fromarray(scene(60, 80)).save(tmp_path / "a.png")
    for name, to in (("b.png", out), ("c.png", style)):
        words = ["convert", str(tmp_path / "a.png"), "--to", str(to), "-o", str(tmp_path / name), "--precision", "fp32"]
        assert run(words) == 0
    found, wanted = (np.asarray(Image.open(tmp_path / name)).astype(int) for name in ("b.png", "c.png"))
    assert np.abs(found - wanted).max() <= 1
    assert run(["models", "info", str(out), "--json"]) == 0
    assert "NCHW" in capsys.readouterr().out
    assert run(["models", "import", str(out), "-o", str(tmp_path / "again.safetensors")]) == 2
    assert "run as it is" in capsys.readouterr().err


def test_a_range_is_asked_for_and_belongs_to_the_style(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net, photo, out = of_levels(tmp_path / "n.onnx"), tmp_path / "a.png", tmp_path / "b.png"
    pixels = scene(60, 80)
    Image.fromarray(pixels).save(photo)
    words = ["convert", str(photo), "--to", str(net), "-o", str(out), "--work-size", "full"]
    assert run(words) == 2
    assert "--range -1..1 or 0..1 or 0..255" in capsys.readouterr().err
    assert run([*words, "--range", "0..255"]) == 0
    assert np.array_equal(np.asarray(Image.open(out)), 255 - pixels)
    assert run([*words, "--range", "0..1"]) == 1, "made with another range it is kept"
    assert run(["convert", str(photo), "--to", str(save_style(tmp_path / "s.safetensors")), "--range", "0..1"]) == 2
    assert "no ONNX net" in capsys.readouterr().err


def test_a_mask_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net, pixels = of_levels(tmp_path / "n.onnx"), scene(60, 80)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    mask = np.zeros((60, 80), np.uint8)
    mask[:, 40:] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    words = ["convert", str(tmp_path / "a.png"), "--to", str(net), "--range", "0..255", "--work-size", "full"]
    words += ["-o", str(tmp_path / "b.png"), "--mask", str(tmp_path / "m.png")]
    assert run([*words, "--dry-run", "--json"]) == 0
    assert "m.png" in capsys.readouterr().out
    assert run(words) == 0
    found = np.asarray(Image.open(tmp_path / "b.png"))
    assert np.array_equal(found[:, :40], pixels[:, :40])
    assert np.array_equal(found[:, 40:], 255 - pixels[:, 40:])
