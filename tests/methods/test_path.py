"""The path term: a net's own path by hand, and nothing for nets that stay where they are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from imgcycle.config import NetConfig
from imgcycle.errors import UsageError
from imgcycle.methods.base import Batch
from imgcycle.methods.cut import Cut
from imgcycle.methods.path import STEP, at, path_loss
from imgcycle.nets.build import build_generator
from imgcycle.nets.stages import INPUT, Add, Conv, Save
from imgcycle.nets.stages import Stage as NetStage
from tests.methods.toys import tiny_config


def scaled(by: Tensor) -> Conv:
    """One plane times a number."""
    return Conv(by.reshape(1, 1, 1, 1), None)


def two_branches(first: Tensor, second: Tensor) -> list[NetStage]:
    """x·(1 + t·first)·(1 + t·second), where t is the branches' share."""
    return [Save("a"), scaled(first), Add("a"), Save("b"), scaled(second), Add("b")]


def test_branches_count_their_share_and_all_of_them_make_the_net() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 1, 4, 4, dtype=torch.float64)
    chain = two_branches(torch.tensor(2.0).double(), torch.tensor(3.0).double())
    for share in (0.0, 0.25, 1.0):
        assert torch.allclose(at(chain, x, share), x * (1 + 2 * share) * (1 + 3 * share))
    net = build_generator(NetConfig("compact", 4, 2))
    picture = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(at(net.chain(), picture, 1.0), net(picture))
        assert not torch.equal(at(net.chain(), picture, 0.5), net(picture))


def test_a_skip_from_the_input_counts_in_full() -> None:
    x = torch.rand(1, 1, 4, 4)
    chain = [*two_branches(torch.tensor(2.0), torch.tensor(0.0)), Add(INPUT)]
    assert torch.allclose(at(chain, x, 0.0), 2 * x)


def test_it_is_the_squared_speed_of_a_straight_path() -> None:
    """With one branch the result is x·(1 + t·c), whose speed is c·x wherever t is; slope 2c·x²."""
    torch.manual_seed(0)
    x, speed = torch.rand(2, 1, 4, 4, dtype=torch.float64), torch.tensor(3.0).double().requires_grad_()
    chain = two_branches(speed, torch.tensor(0.0).double())
    for _ in range(3):
        loss = path_loss(chain, x)
        (slope,) = torch.autograd.grad(loss, speed)
        assert float(loss.detach()) == pytest.approx(9 * float(x.square().mean()), rel=1e-4)
        assert float(slope) == pytest.approx(6 * float(x.square().mean()), rel=1e-4)


def test_places_along_the_whole_path_are_looked_at() -> None:
    """x·(1 + t)² has the speed 2 + 2t + ε between t and t + ε: from 2.1 to 3.9."""
    torch.manual_seed(0)
    chain, x = two_branches(torch.tensor(1.0), torch.tensor(1.0)), torch.ones(1, 1, 2, 2)
    speeds = torch.stack([path_loss(chain, x) for _ in range(200)]).sqrt()
    assert 2 + STEP - 1e-3 <= float(speeds.min()) < 2.2
    assert 3.8 < float(speeds.max()) <= 2 + 2 * (1 - STEP) + STEP + 1e-3


def test_it_is_a_term_of_cut_with_its_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    batch = Batch(torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1)
    monkeypatch.setattr("imgcycle.methods.cut.path_loss", lambda *_: torch.tensor(0.5))
    losses = Cut(tiny_config(method="cut", lambda_path=3.0)).phases()[1](batch)
    assert float(losses["path_A2B"]) == 1.5
    assert "path_A2B" not in Cut(tiny_config(method="cut")).phases()[1](batch)


def test_it_is_refused_where_it_means_nothing() -> None:
    with pytest.raises(UsageError, match="unit has no path term"):
        tiny_config(method="unit", lambda_path=1.0)
