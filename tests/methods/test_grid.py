"""The grid term: about what chance makes of nets without a grid, much more with one, and how to be rid of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from imgcycle.errors import UsageError
from imgcycle.methods.base import Batch
from imgcycle.methods.cut import Cut
from imgcycle.methods.cyclegan import CycleGan
from imgcycle.methods.grid import MARGIN, NOISE, PERIOD, SIDE, grid_loss, noisy_field
from tests.methods.toys import tiny_config

LIKE = torch.zeros(1, 3, 8, 8)


class Patterned(nn.Module):
    """Leaves pictures as they are but for noise of its own and a pattern every `period` pixels."""

    def __init__(self, height: float, period: int = PERIOD, noise: float = 0.02) -> None:
        super().__init__()
        self.height, self.period, self.noise = nn.Parameter(torch.tensor(height)), period, noise

    def forward(self, x: Tensor) -> Tensor:
        lines = (torch.arange(x.shape[3]) % self.period == 0).float()
        return x + self.height * lines + self.noise * torch.randn(x.shape)


def mean_of(net: nn.Module, draws: int = 60) -> float:
    torch.manual_seed(1)
    return float(torch.stack([grid_loss(net, LIKE).detach() for _ in range(draws)]).mean())


def test_fields_are_smooth_noisy_and_within_range() -> None:
    torch.manual_seed(0)
    fields = torch.cat([noisy_field(LIKE) for _ in range(20)])
    assert fields.shape == (20, 3, SIDE, SIDE)
    assert (fields.abs() < 1).double().mean() > 0.99
    curvature = fields[..., 2:] - 2 * fields[..., 1:-1] + fields[..., :-2]
    assert 0 < curvature.std((1, 2, 3)).min() < curvature.std((1, 2, 3)).max() < 1.1 * NOISE * 6**0.5


def test_without_a_pattern_it_is_what_chance_makes_of_it() -> None:
    assert mean_of(Patterned(0.0)) == pytest.approx(1.0, abs=0.1)
    assert mean_of(Patterned(0.0, noise=0.2)) == pytest.approx(1.0, abs=0.1), "more noise is no way out, nor a fault"


@pytest.mark.parametrize("period", [2, PERIOD])
def test_a_pattern_is_seen_that_no_eye_would_see(period: int) -> None:
    half_a_level = 0.5 / 127.5
    assert mean_of(Patterned(half_a_level, period, noise=0.005)) > 2


def test_what_does_not_repeat_with_the_strides_is_left_alone() -> None:
    assert mean_of(Patterned(0.02, period=7)) < 2


class Fainter(nn.Module):
    """All that another net adds to the middle grey, made fainter by a learnt factor."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.factor = net, nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * torch.as_tensor(self.net(x))


@pytest.mark.parametrize("height", [0.0, 0.02])
def test_answering_fainter_is_no_way_out(height: float) -> None:
    torch.manual_seed(0)
    net = Fainter(Patterned(height))
    grid_loss(net, LIKE).backward()  # type: ignore[no-untyped-call]
    assert net.factor.grad is not None
    assert abs(float(net.factor.grad)) < 1e-3


def test_it_teaches_a_net_to_leave_its_pattern() -> None:
    torch.manual_seed(0)
    net = Patterned(0.05)
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    for _ in range(100):
        optimizer.zero_grad()
        grid_loss(net, LIKE).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert abs(float(net.height.detach())) < 0.005


def test_margins_keep_the_phase() -> None:
    assert MARGIN % PERIOD == 0
    assert (SIDE - 2 * MARGIN) % PERIOD == 0


def test_cut_and_cyclegan_have_it_where_it_is_asked_for() -> None:
    torch.manual_seed(0)
    batch = Batch(torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1)
    both = CycleGan(tiny_config(lambda_grid=2.0)).phases()[0](batch)
    assert {"grid_A2B", "grid_B2A"} < set(both)
    one = Cut(tiny_config(method="cut", lambda_grid=2.0)).phases()[1](batch)
    assert float(one["grid_A2B"].detach()) > 0
    assert "grid_A2B" not in Cut(tiny_config(method="cut")).phases()[1](batch)


def test_it_is_weighed() -> None:
    method = Cut(tiny_config(method="cut", lambda_grid=3.0))
    batch = Batch(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imgcycle.methods.cut.grid_loss", lambda *_: torch.tensor(0.5))
        assert float(method.phases()[1](batch)["grid_A2B"]) == 1.5


def test_methods_without_it_and_weights_below_0_are_refused() -> None:
    with pytest.raises(UsageError, match=r"unit has no grid term.*cyclegan, cut, fastcut have"):
        tiny_config(method="unit", lambda_grid=1.0)
    with pytest.raises(UsageError, match="grid term of weight -1"):
        tiny_config(lambda_grid=-1.0)
