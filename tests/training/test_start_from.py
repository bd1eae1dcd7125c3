"""What a run can start from: weights by their content, styles by name, other programs' checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from imgcycle.config import NetConfig, TrainConfig
from imgcycle.errors import UnknownStyle, UsageError, WeightsError
from imgcycle.nets.build import build_generator
from imgcycle.training.ema import Ema
from imgcycle.training.storage.start import start_from_weights
from imgcycle.weights.importers import import_checkpoint
from imgcycle.weights.user_styles import add_style
from tests.styles import TINY, save_style, tiny_net
from tests.weights.importers import plain
from tests.weights.importers.plain import lively

RESNET = NetConfig("resnet", 4, 1)


def of(net: NetConfig) -> TrainConfig:
    """The settings of a run with such a net."""
    return TrainConfig(a="a", b="b", net=net)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IMGCYCLE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_style_by_name_and_a_file_by_content(tmp_path: Path) -> None:
    path = save_style(tmp_path / "weights.bin", 3, direction="photograph to painting")
    add_style(str(path), "mine")
    wanted = tiny_net(seed=3).state_dict()
    for source in (path, Path("mine")):
        nets = {"A2B": tiny_net(seed=0), "B2A": tiny_net(seed=1)}
        averages = {"A2B": Ema(nets["A2B"], 0.9)}
        start_from_weights(source, of(TINY), nets, averages)
        for net in (nets["A2B"], averages["A2B"].module):
            assert all(torch.equal(tensor, wanted[name]) for name, tensor in net.state_dict().items())
        assert not torch.equal(nets["B2A"].state_dict()["head.weight"], wanted["head.weight"])


@pytest.mark.parametrize("name", ["net_G.pth", "net_G.safetensors", "net_G"])
def test_another_programs_checkpoint(tmp_path: Path, name: str) -> None:
    theirs, path = lively(plain.Resnet(1)), tmp_path / name
    if name == "net_G.safetensors":
        safetensors.torch.save_file(theirs.state_dict(), path)
    else:
        torch.save(theirs.state_dict(), path)
    nets = {"A2B": build_generator(RESNET), "B2A": build_generator(RESNET)}
    start_from_weights(path, of(RESNET), nets, {})
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.allclose(nets["A2B"](x), theirs(x), atol=1e-5)
        assert not torch.allclose(nets["B2A"](x), theirs(x), atol=1e-2)


def test_both_ways_of_a_checkpoint_fill_both_nets(tmp_path: Path) -> None:
    both = {name: lively(plain.Resnet(1), n) for n, name in enumerate(("G_A2B", "G_B2A"))}
    torch.save({name: net.state_dict() for name, net in both.items()}, tmp_path / "both.pth")
    nets = {"A2B": build_generator(RESNET), "B2A": build_generator(RESNET)}
    start_from_weights(tmp_path / "both.pth", of(RESNET), nets, {})
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        for way in ("A2B", "B2A"):
            assert torch.allclose(nets[way](x), both[f"G_{way}"](x), atol=1e-5)


def test_what_cannot_be_started_from_is_said(tmp_path: Path) -> None:
    torch.save(lively(plain.Resnet(1)).state_dict(), tmp_path / "net_G.pth")
    with pytest.raises(UsageError, match=r"net_G.pth does not fit .*it is a resnet of width 4 and depth 1"):
        start_from_weights(tmp_path / "net_G.pth", of(TINY), {"A2B": build_generator(TINY)}, {})
    (tmp_path / "page.pth").write_text("<html>")
    with pytest.raises(WeightsError, match="is a web page"):
        start_from_weights(tmp_path / "page.pth", of(TINY), {"A2B": build_generator(TINY)}, {})
    with pytest.raises(UnknownStyle):
        start_from_weights(tmp_path / "none", of(TINY), {"A2B": build_generator(TINY)}, {})
    discriminators = save_style(tmp_path / "discriminators.safetensors", direction="discriminators")
    with pytest.raises(UsageError, match="holds discriminators, no generator"):
        start_from_weights(discriminators, of(TINY), {"A2B": build_generator(TINY)}, {})


def test_a_net_of_fewer_blocks_takes_the_first_of_one_with_more(tmp_path: Path) -> None:
    path = save_style(tmp_path / "deep.safetensors", 3, config=replace(TINY, depth=3))
    torch.save(lively(plain.Resnet(2)).state_dict(), tmp_path / "deep.pth")
    wanted = tiny_net(replace(TINY, depth=3), seed=3).state_dict()
    whole = import_checkpoint(tmp_path / "deep.pth", "A2B")[0].state_dict()
    net = tiny_net(replace(TINY, depth=2), seed=0)
    start_from_weights(path, of(replace(TINY, depth=2)), {"A2B": net}, {})
    kept = net.state_dict()
    assert kept.keys() < wanted.keys()
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in kept.items())
    foreign = build_generator(RESNET)
    start_from_weights(tmp_path / "deep.pth", of(RESNET), {"A2B": foreign}, {})
    found = foreign.state_dict()
    assert found.keys() < whole.keys()
    assert all(torch.equal(tensor, whole[name]) for name, tensor in found.items())


def test_a_net_of_more_blocks_takes_none_of_one_with_fewer(tmp_path: Path) -> None:
    path = save_style(tmp_path / "shallow.safetensors", 3)
    deep = replace(TINY, depth=TINY.depth + 1)
    with pytest.raises(UsageError, match="does not fit this run's generator"):
        start_from_weights(path, of(deep), {"A2B": build_generator(deep)}, {})
