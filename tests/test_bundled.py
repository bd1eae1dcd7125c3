"""The bundled styles: the files their index describes, and pictures that are neither noise nor the input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgcycle.cli.app import run
from imgcycle.nets.stages import multiply_adds
from imgcycle.weights.description import digest
from imgcycle.weights.index import read_index
from imgcycle.weights.native import load_generator, load_strokes

PRETRAINED = Path(__file__).parents[1] / "pretrained"
STYLES = read_index(PRETRAINED)
SAMPLES = sorted((PRETRAINED / "samples").glob("*.jpg"))


@pytest.mark.parametrize("name", sorted(STYLES))
def test_each_is_the_file_its_index_describes_and_says_how_it_was_made(name: str) -> None:
    entry = STYLES[name]
    assert digest(entry.path) == entry.sha256
    net, about = load_generator(entry.path)
    # The season sets are cleaned first, by `train --clean`; snow's pairs are made (tests/benchmarks/snow_pairs.py);
    # second nets learn from photographs of other sources.
    made = about.card.get("first_net", about.card)["command"]
    assert made.startswith(tuple(f"imgcycle train {data}" for data in ("$IMGCYCLE_DATA/", "clean/", "gA gB ")))
    fine = load_strokes(about)
    assert (fine is None) == ("--strokes-of" not in about.card["command"])
    assert about.card["steps"] > 0
    assert about.card["licence"]
    assert entry.path.stat().st_size < 6_000_000
    assert (PRETRAINED / "cards" / f"{name}.md").is_file()
    stages = net.stages()
    assert stages is not None
    assert multiply_adds(stages, 256, 256) < 3e9


def test_the_wheel_ships_every_bundled_file_by_name() -> None:
    project = (PRETRAINED.parent / "pyproject.toml").read_text("utf-8")
    for name in ["index.toml", *(entry.path.name for entry in STYLES.values())]:
        assert f'"pretrained/{name}" = "imgcycle/pretrained/{name}"' in project


@pytest.mark.parametrize(
    ("name", "least", "rougher", "light"),
    [
        ("monet", 6, 2, 0.6),
        ("vangogh", 6, 3, 0.6),
        ("winter", 2, 2, 0.6),
        ("snow", 8, 2, 0.4),  # a meadow under snow is the lightest thing there is
        ("summer", 2, 2, 0.6),
        ("photo", 2, 2, 0.6),
        ("ukiyo-e", 6, 3, 0.6),
    ],
)
def test_each_changes_the_samples_and_keeps_their_light(
    tmp_path: Path, name: str, least: float, rougher: float, light: float
) -> None:
    """Changed by so many levels on average, the light where it was, nothing like noise (thick strokes are rough)."""
    assert run(["convert", str(PRETRAINED / "samples"), "--to", name, "-o", f"{tmp_path}/out/", "--json"]) == 0
    assert len(SAMPLES) >= 3
    for source in SAMPLES:
        before, after = (
            np.asarray(Image.open(p).convert("RGB"), np.float32) for p in (source, tmp_path / "out" / source.name)
        )
        assert before.shape == after.shape
        assert np.abs(before - after).mean() > least
        luma = [(pixels @ np.array([0.299, 0.587, 0.114], np.float32)).ravel() for pixels in (before, after)]
        assert np.corrcoef(luma[0], luma[1])[0, 1] > light
        roughness = [np.abs(np.diff(pixels, axis=1)).mean() for pixels in (before, after)]
        assert roughness[1] < rougher * roughness[0] + 4


def test_models_list_them(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMGCYCLE_HOME", str(tmp_path))
    assert run(["models", "list", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["name"] for row in rows if row["present"]} >= set(STYLES)
