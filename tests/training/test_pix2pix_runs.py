"""pix2pix as a run: from pairs in two folders or in one, to weights that translate the same way every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgcycle.config import NetConfig
from imgcycle.jobs.images.run import convert_image
from imgcycle.jobs.translators import load_translator
from imgcycle.training import events
from imgcycle.training.loop import train
from tests.training.toys import final_state, same
from tests.training.worlds import config_for, learnt, paired_world, translated


@pytest.mark.parametrize("direction", ["A2B", "B2A"])
def test_it_learns_each_pairs_other_half(tmp_path: Path, direction: str) -> None:
    run = learnt(tmp_path, config_for(tmp_path, "pix2pix", steps=300, save_every=300, lr=2e-3, direction=direction))
    source, made = translated(run, direction)
    wanted = source.flip(1)
    assert float((made - wanted).abs().mean()) * 127.5 < 12, "in levels, picture by picture"
    assert float((source - wanted).abs().mean()) * 127.5 > 30
    assert sorted(p.stem for p in (run / "weights").iterdir()) == [direction, "discriminators"]


def test_it_learns_from_files_of_both_halves(tmp_path: Path) -> None:
    paired_world(tmp_path)
    (tmp_path / "both").mkdir()
    for path in (tmp_path / "red").iterdir():
        with Image.open(path) as red, Image.open(tmp_path / "blue" / path.name) as blue:
            both = np.hstack([np.asarray(red), np.asarray(blue)])
        Image.fromarray(both).save(tmp_path / "both" / path.name)
    apart = config_for(tmp_path, "pix2pix", steps=4)
    train(apart, tmp_path / "apart")
    folder = str(tmp_path / "both")
    train(apart.replace(a=folder, b=folder), tmp_path / "together")
    assert same(final_state(tmp_path / "apart"), final_state(tmp_path / "together"))
    with Image.open(tmp_path / "together/samples/step-4.png") as grid:
        assert grid.size == (3 * 32, 4 * 32)
        assert np.array_equal(np.asarray(grid)[:, :32, ::-1], np.asarray(grid)[:, 64:]), "input | made | wanted"


def test_pairs_without_partners_are_said_once_and_probes_are_not_read(tmp_path: Path) -> None:
    paired_world(tmp_path)
    (tmp_path / "blue/0.png").unlink()
    heard: list[events.Event] = []
    train(config_for(tmp_path, "pix2pix", steps=1), tmp_path / "run", listener=heard.append)
    notes = [e.text for e in heard if isinstance(e, events.Noted)]
    assert notes == [f"1 picture has no partner of the same name and is left out: {tmp_path / 'red/0.png'}"]


def test_convert_takes_a_run_of_pix2pix_and_gives_the_same_picture_again(tmp_path: Path) -> None:
    paired_world(tmp_path)
    net = NetConfig("unet", 4, 6, "batch", test_time_stochastic=True)
    train(config_for(tmp_path, "pix2pix", steps=1, net=net, size=64, crop=64), tmp_path / "run")
    translator = load_translator(str(tmp_path / "run"), "A2B", "cpu", "fp32")
    for name in ("one.png", "two.png"):
        convert_image(tmp_path / "red/0.png", tmp_path / name, translator)
    pictures = [np.asarray(Image.open(tmp_path / name)) for name in ("one.png", "two.png")]
    assert pictures[0].shape == (40, 40, 3)
    assert np.array_equal(pictures[0], pictures[1])
