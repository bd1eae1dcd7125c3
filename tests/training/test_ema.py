"""The average of a run's weights follows what is learnt, also in the first hundred steps."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from imgcycle.config import NetConfig
from imgcycle.nets.build import build_generator
from imgcycle.nets.layers import Generator
from imgcycle.training.ema import Ema
from imgcycle.training.loop import train
from imgcycle.training.storage.folder import RunFolder
from imgcycle.weights.native import fill
from tests.training.toys import final_state, same, toy_config
from tests.training.worlds import config_for, paired_world, translated_by


def tiny_net() -> Generator:
    return build_generator(NetConfig("compact", 4, 1))


def filled(net: nn.Module, value: float) -> nn.Module:
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(value)
    return net


def first(net: nn.Module) -> float:
    return float(next(net.parameters()).flatten()[0])


def test_the_decay_rises_to_what_was_asked_and_begins_anew_after_the_warm_up() -> None:
    ema = Ema(tiny_net(), 0.5, warmup=3)
    net = filled(tiny_net(), 1.0)
    seen = []
    for _ in range(16):
        seen.append(ema.decay)
        ema.update(net)
    ramp = [(1 + n) / (10 + n) for n in range(13)]
    assert seen == pytest.approx([min(0.5, d) for d in ramp[:3] + ramp])
    assert seen[-1] == 0.5


def test_an_update_mixes_by_the_decay_and_copies_counters() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    ema = Ema(cast(Generator, filled(net, 0.0)), 0.9)
    cast(torch.Tensor, net[1].num_batches_tracked).fill_(5)
    cast(torch.Tensor, net[1].running_var).fill_(3.0)
    ema.update(filled(net, 1.0))
    assert first(ema.module) == pytest.approx(0.9)
    norm = cast(nn.BatchNorm2d, cast(nn.Sequential, ema.module)[1])
    assert int(cast(torch.Tensor, norm.num_batches_tracked)) == 5
    assert float(cast(torch.Tensor, norm.running_var)) == pytest.approx(0.1 * 1 + 0.9 * 3)
    ema.begin_from(filled(net, 7.0))
    assert (first(ema.module), ema.decay) == (7.0, 0.1)


def test_a_state_comes_back_whole() -> None:
    ema, other = Ema(tiny_net(), 0.9), Ema(tiny_net(), 0.9)
    for _ in range(4):
        ema.update(tiny_net())
    other.load_state_dict(ema.state_dict())
    assert same(ema.state_dict(), other.state_dict())
    assert other.decay == ema.decay == 5 / 14


def test_a_run_begun_with_a_fixed_decay_keeps_it(tmp_path: Path) -> None:
    net, run = tiny_net(), tmp_path / "run"
    fixed = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)  # type: ignore[no-untyped-call]
    ema = Ema(net, 0.9)
    ema.load_state_dict(fixed.state_dict())
    for _ in range(3):
        newer = tiny_net()
        fixed.update_parameters(newer)
        ema.update(newer)
        assert all(torch.equal(a, b) for a, b in zip(fixed.module.parameters(), ema.module.parameters(), strict=True))
    # As a run saved it: the state goes on as torch's own average would, from the same save, in the same bits.
    config = toy_config(tmp_path, steps=4)
    train(config, run)
    state = final_state(run)
    for saved in state["averages"].values():
        weights = OrderedDict((f"module.{name}", tensor) for name, tensor in saved.pop("module").items())
        saved.clear()
        saved.update(weights | {"n_averaged": torch.tensor(4)})
    RunFolder(run).save_state(4, state)
    train(config.replace(steps=6), run, resume=True)
    assert final_state(run)["averages"]["A2B"]["ramped"] is False


def test_after_200_steps_the_exported_net_is_as_good_as_the_one_that_learns(tmp_path: Path) -> None:
    paired_world(tmp_path)
    config = config_for(tmp_path, "pix2pix", steps=200, save_every=200, lr=1e-3)
    run = tmp_path / "run"
    train(config.replace(ema=0.999), run)
    errors = {}
    for name in ("raw", "exported"):
        net = build_generator(config.net).eval()
        if name == "raw":
            net.load_state_dict(final_state(run)["nets"]["A2B"])
        else:
            fill(net, run / "weights/A2B.safetensors", "the net", "")
        source, made = translated_by(net, tmp_path)
        errors[name] = float((made - source.flip(1)).abs().mean()) * 127.5
    assert errors["exported"] < 1.1 * errors["raw"], errors
    assert errors["raw"] < 40
