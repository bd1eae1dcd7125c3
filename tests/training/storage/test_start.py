"""New runs from old weights: a style's name, another method's run, another program's file, and what none of them is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from imgcycle.config import NetConfig
from imgcycle.errors import UsageError
from imgcycle.training.distributed import World
from imgcycle.training.ema import Ema
from imgcycle.training.loop import train
from imgcycle.training.session import Session
from imgcycle.training.storage.start import start_from_weights
from imgcycle.weights.native import load_generator
from tests.training.toys import toy_config


def begun(tmp_path: Path, source: str | Path, **changes: object) -> tuple[Session, list[str]]:
    config = toy_config(tmp_path, **changes)
    session = Session(config, torch.device("cpu"), torch.float32, World())
    averages: dict[str, Ema] = session.averages
    return session, start_from_weights(source, config, session.nets, averages)


def test_a_style_by_its_name_begins_a_run(tmp_path: Path) -> None:
    from imgcycle.weights.find import find_style

    session, notes = begun(tmp_path, "monet", method="cut", net=NetConfig.named("compact"))
    net, _ = load_generator(find_style("monet").path)
    assert not notes
    assert all(torch.equal(t, session.nets["A2B"].state_dict()[name]) for name, t in net.state_dict().items())
    with pytest.raises(UsageError, match=r"not a compact of width 4.*--net compact --width 16"):
        begun(tmp_path, "monet", method="cut")


def test_runs_and_wrong_files_are_called_what_they_are(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(toy_config(tmp_path, steps=1), run)
    session, notes = begun(tmp_path, str(run), method="cut")
    net, _ = load_generator(run / "weights/A2B.safetensors")
    assert notes == [f"{run} was learnt by cyclegan: its generators are taken, discriminators begin afresh"]
    assert all(torch.equal(t, session.nets["A2B"].state_dict()[name]) for name, t in net.state_dict().items())
    for source, said in (
        (run / "state/step-1.pt", rf"is a saved state of a run .*--start-from {run}"),
        (run / "weights/discriminators.safetensors", "holds discriminators, no generator"),
        (tmp_path / "red/0.png", "is no weights file but a PNG picture"),
        (tmp_path / "red", "is a folder without weights"),
        ("nosuch", "no style is called 'nosuch'"),
    ):
        with pytest.raises(UsageError, match=said):
            begun(tmp_path, source)


def test_a_file_of_the_other_direction_fills_the_only_net_there_is(tmp_path: Path) -> None:
    train(toy_config(tmp_path, steps=1), tmp_path / "run")
    back = tmp_path / "run/weights/B2A.safetensors"
    session, _ = begun(tmp_path, back, method="cut")
    net, _ = load_generator(back)
    assert all(torch.equal(t, session.nets["A2B"].state_dict()[name]) for name, t in net.state_dict().items())
