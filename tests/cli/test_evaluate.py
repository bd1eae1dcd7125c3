"""`imgcycle evaluate`, run in this process: tables, JSON lines, exit codes, one line for every mistake."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from imgcycle.cli.app import run
from imgcycle.metrics.features import FeatureNet
from imgcycle.metrics.inception import InceptionNet
from tests.jobs.evaluation.test_run import PALETTE, MeanColour, save
from tests.jobs.films import film
from tests.media.pictures import scene

SETS = ["evaluate", "made", "red", "--size", "64"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IMGCYCLE_DEBUG", raising=False)
    monkeypatch.setattr("imgcycle.jobs.evaluation.run.FeatureNet", MeanColour)
    for n in range(4):
        pixels = scene(70, 70, n)
        save(tmp_path / f"photos/{n}.png", pixels)
        save(tmp_path / f"made/{n}-red.png", (pixels * [0.9, 0.6, 0.5]).astype(np.uint8))
        save(tmp_path / f"red/{n}.png", (np.roll(pixels, 9, 1) * [0.9, 0.5, 0.4]).astype(np.uint8))
        save(tmp_path / f"back/{n}.png", (pixels // 2 * 2).astype(np.uint8))
    save(tmp_path / "truth/0.png", np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8))
    save(tmp_path / "found/0.png", np.array([[[255, 0, 0], [255, 0, 0]]], np.uint8))
    save(tmp_path / "other/x.png", scene())
    (tmp_path / "palette.txt").write_text(PALETTE)
    return tmp_path


def test_tables_hold_the_outputs_among_what_takes_no_learning(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*SETS, "--inputs", "photos", "--back", "back"]) == 0
    said = capsys.readouterr()
    distances, kept, cycle, protocol = said.out.split("\n\n")
    first = [line.split("  ")[0] for line in distances.splitlines()]
    assert first[0] == "VGG19 relu5_1"
    assert first[-2:] == ["outputs", "reference, halves"]
    assert {"unconverted", "colour transfer", "oil paint", "double exposure", "strength 0.5"} < set(first)
    assert [line.split("  ")[0] for line in kept.splitlines()][1:] == first[1:-1]
    assert "Fréchet" in distances
    assert "FID" not in said.out
    assert cycle.startswith("cycle PSNR ")
    for part in ("middle 64×64", "seed 0", "σ = 3 px", "0000000000000000"):
        assert part in protocol
    assert said.err.startswith("4 outputs, 4 pictures of the reference, in ")
    assert max(map(len, said.out.splitlines())) <= 120


class FewColours(InceptionNet):
    """An Inception of three features, which are its logits as well."""

    def __init__(self, path: Path, device: torch.device) -> None:
        self.digest, self._seen = "6726825d" * 8, MeanColour(device)
        assert path.exists()

    def both(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self._seen.features([images]), 50 * self._seen.features([images])


def test_with_inception_there_is_fid(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("imgcycle.jobs.evaluation.run.InceptionNet", FewColours)
    words = [*SETS, "--inputs", "photos", "--inception", "palette.txt"]
    assert run(words) == 0
    said = capsys.readouterr().out
    vgg, inception, _ = said.split("\n\n", 2)
    assert "Inception-v3" in inception
    assert inception.splitlines()[0].endswith("FID    IS")
    assert "FID" not in vgg
    assert "299×299 bilinear" in said
    assert "weights 6726825d6726825d, the published file" in said
    assert run([*words, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    outputs = next(line for line in lines if line.get("set") == "outputs")
    assert outputs["inception"]["fid"] == outputs["vgg19"]["frechet"]
    assert outputs["inception"]["inception_score"] >= 1
    assert "frechet" not in outputs["inception"]


def test_json_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "made/9.png").write_bytes(b"bad")
    save(folder / "photos/9.png", scene())
    assert run([*SETS, "--inputs", "photos", "--json"]) == 1
    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert said.err == ""
    assert {line["schema"] for line in lines} == {1}
    assert lines[0] == {
        "schema": 1,
        "input": str(Path("made/9.png")),
        "status": "failed",
        "error": "not an image that imgcycle can read",
    }
    outputs = next(line for line in lines if line.get("set") == "outputs")
    assert set(outputs) == {"schema", "set", "pictures", "strength", "vgg19", "kept"}
    figures = {"kid_x1000", "kid_low_x1000", "kid_high_x1000", "ratio", "ratio_low", "ratio_high", "frechet"}
    assert set(outputs["vgg19"]) == figures
    assert outputs["kept"]["edges"] > 0.9
    summary = lines[-1]["summary"]
    assert (summary["pictures"], summary["reference"], summary["left_out"]) == (4, 4, 1)
    assert summary["nets"] == {"VGG19 relu5_1": "0" * 64}
    assert run([*SETS, "--inputs", "photos", "--json", "--sample", "3"]) == 1
    assert not {"NaN", "Infinity"} & set(re.findall(r"\w+", said.out + capsys.readouterr().out))
    assert run([*SETS, "--json", "-v"]) == 1
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["progress"]["total"] == 9


def test_without_inputs_it_says_what_they_would_add(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(SETS) == 0
    assert "--inputs" in capsys.readouterr().err
    assert run([*SETS, "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_labels(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "--labels", "found", "truth", "--palette", "palette.txt"]
    assert run(words) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[:3] == [
        "                  per-pixel  per-class  class IoU",
        "'red' everywhere      0.500      0.500      0.250",
        "predictions           0.500      0.500      0.250",
    ]
    assert "pictures scored: 1" in said.err
    assert run([*words, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == {"schema": 1, "class": "red", "accuracy": 1.0, "iou": 0.5}
    assert lines[1] == {"schema": 1, "class": "green", "accuracy": None, "iou": None}
    assert lines[-1]["summary"]["per_pixel"] == 0.5


def test_flicker(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film(folder / "a b.mp4", frames=3)
    words = ["evaluate", "--flicker", "a b.mp4", "--source", "a b.mp4"]
    assert run(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["E_warp", "×10⁶", "of", "the", "source", "sharpness"]
    assert [line.split("  ")[0] for line in lines[1:4]] == ["source", "result", "result, blurred"]
    assert lines[2].split()[2] == "1.00"
    assert run([*words, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["of_source"] for row in rows[:2]] == [1, 1]
    assert rows[1]["set"] == "result"
    assert rows[-1]["summary"]["frames"] == 3
    assert run(["evaluate", "--flicker", "palette.txt", "--source", "a b.mp4"]) == 1
    assert capsys.readouterr().err == "imgcycle: palette.txt: not a clip that ffmpeg can read\n"


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["evaluate", "made"], "REFERENCE"),
        (["evaluate", "--flicker", "a.mp4"], "--source"),
        (["evaluate", "made", "red", "--flicker", "a.mp4", "--source", "b.mp4"], "no folders"),
        (["evaluate", "--flicker", "a.mp4", "--source", "b.mp4", "--inputs", "other"], "--inputs"),
        (["evaluate", "found", "truth", "--labels", "--palette", "palette.txt", "--sample", "2"], "--sample"),
        (["evaluate", "made", "nowhere"], "there is no nowhere"),
        (["evaluate", "made", "red", "--inputs", "other"], "share their name"),
        (["evaluate", "made", "red", "--back", "back"], "--inputs"),
        (["evaluate", "made", "red", "--inception", "palette.txt"], "not a file of weights"),
        (["evaluate", "made", "red", "--palette", "palette.txt"], "--labels"),
        (["evaluate", "found", "truth", "--labels"], "--palette"),
        (["evaluate", "made", "red", "--device", "toaster"], "no device"),
    ],
)
def test_every_mistake_is_one_line(words: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert part in said.err


def test_without_the_extra_the_pip_line_is_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("imgcycle.jobs.evaluation.run.FeatureNet", FeatureNet)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert run(SETS) == 2
    assert "pip install 'imgcycle[metrics]'" in capsys.readouterr().err
