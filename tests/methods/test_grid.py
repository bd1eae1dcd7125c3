"""The grid term: nothing for nets without a grid, its power for those with one, and how to be rid of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from imgcycle.errors import UsageError
from imgcycle.methods.base import Batch
from imgcycle.methods.cut import Cut
from imgcycle.methods.cyclegan import CycleGan
from imgcycle.methods.grid import LEVEL, MARGIN, NOISE, PERIOD, SIDE, grid_loss, noisy_fields
from tests.methods.toys import tiny_config

LIKE = torch.zeros(1, 3, 8, 8)
PIXELS = ((SIDE - 2 * MARGIN) // PERIOD) ** 2


class Patterned(nn.Module):
    """Leaves pictures as they are, but for a factor, noise of its own and a line every `period` pixels."""

    def __init__(self, height: float, period: int = PERIOD, noise: float = 0.0, gain: float = 1.0) -> None:
        super().__init__()
        self.height, self.gain = nn.Parameter(torch.tensor(height)), nn.Parameter(torch.tensor(gain))
        self.period, self.noise = period, noise

    def forward(self, x: Tensor) -> Tensor:
        lines = (torch.arange(x.shape[3]) % self.period == 0).float()
        return self.gain * x + self.height * lines + self.noise * torch.randn(x.shape)


def mean_of(net: nn.Module, draws: int = 200) -> float:
    torch.manual_seed(1)
    with torch.no_grad():
        return float(torch.stack([grid_loss(net, LIKE) for _ in range(draws)]).mean())


def test_fields_are_smooth_alike_and_noisy_each_in_its_own_way() -> None:
    torch.manual_seed(0)
    drawn = [noisy_fields(LIKE) for _ in range(20)]
    assert drawn[0].shape == (2, 3, SIDE, SIDE)
    assert (torch.cat(drawn).abs() < 1).double().mean() > 0.99
    for first, second in drawn:
        left = (first - second) / 2**0.5
        assert 0 < float(left.std()) < 1.1 * NOISE
        assert abs(float(left.mean())) < 0.05 * float(left.std()), "the same colours"
    curvature = drawn[0][..., 2:] - 2 * drawn[0][..., 1:-1] + drawn[0][..., :-2]
    assert float(curvature.std()) < 1.1 * NOISE * 6**0.5


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("gain", [0.0, 1.0, 3.0])
def test_without_a_pattern_it_is_nothing_however_much_is_made_of_noise(gain: float, noise: float) -> None:
    chance = (gain * NOISE / 2 + noise) ** 2 / LEVEL**2 / 200**0.5
    assert abs(mean_of(Patterned(0.0, noise=noise, gain=gain))) < 0.01 + chance


@pytest.mark.parametrize(("period", "power"), [(PERIOD, 3 / 16), (2, 1 / 4)])
def test_a_pattern_counts_by_its_power(period: int, power: float) -> None:
    height = 2 * LEVEL
    assert mean_of(Patterned(height, period, gain=0.1)) == pytest.approx(PIXELS * power * 4, rel=0.05)


def test_what_does_not_repeat_with_the_strides_is_left_alone() -> None:
    assert mean_of(Patterned(2 * LEVEL, 7, gain=0.1)) < 0.1 * mean_of(Patterned(2 * LEVEL, gain=0.1))


def test_answering_fainter_or_louder_is_no_way_out() -> None:
    torch.manual_seed(0)
    net = Patterned(2 * LEVEL)
    torch.stack([grid_loss(net, LIKE) for _ in range(300)]).mean().backward()  # type: ignore[no-untyped-call]
    assert net.height.grad is not None
    assert net.gain.grad is not None
    assert abs(float(net.gain.grad)) < 0.02 * float(net.height.grad)


def test_it_teaches_a_net_to_leave_its_pattern() -> None:
    torch.manual_seed(0)
    net = Patterned(0.05, noise=0.01)
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    for _ in range(100):
        optimizer.zero_grad()
        grid_loss(net, LIKE).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert abs(float(net.height.detach())) < 0.005
    assert 0.8 < float(net.gain.detach()) < 1.2


def test_margins_keep_the_phase() -> None:
    assert MARGIN % PERIOD == 0
    assert (SIDE - 2 * MARGIN) % PERIOD == 0


def test_cut_and_cyclegan_have_it_where_it_is_asked_for() -> None:
    torch.manual_seed(0)
    batch = Batch(torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1)
    both = CycleGan(tiny_config(lambda_grid=2.0)).phases()[0](batch)
    assert {"grid_A2B", "grid_B2A"} < set(both)
    one = Cut(tiny_config(method="cut", lambda_grid=2.0)).phases()[1](batch)
    assert float(one["grid_A2B"].detach()) != 0
    assert "grid_A2B" not in Cut(tiny_config(method="cut")).phases()[1](batch)


def test_it_is_weighed() -> None:
    method = Cut(tiny_config(method="cut", lambda_grid=3.0))
    batch = Batch(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imgcycle.methods.cut.grid_loss", lambda *_: torch.tensor(0.5))
        assert float(method.phases()[1](batch)["grid_A2B"]) == 1.5


def test_methods_without_it_and_weights_below_0_are_refused() -> None:
    with pytest.raises(UsageError, match=r"unit has no grid term.*cyclegan, cut, fastcut, pix2pix, gram have"):
        tiny_config(method="unit", lambda_grid=1.0)
    with pytest.raises(UsageError, match="lambda-grid is -1"):
        tiny_config(lambda_grid=-1.0)
