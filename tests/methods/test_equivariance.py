"""The shift term: nothing for nets that move with the picture, by hand for one that does not, and one pass more."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.config import NetConfig
from imgcycle.errors import UsageError
from imgcycle.methods import equivariance
from imgcycle.methods.base import Batch
from imgcycle.methods.cut import Cut
from imgcycle.methods.cyclegan import CycleGan
from imgcycle.methods.equivariance import LARGEST, draw_shift, moved, shift_loss
from imgcycle.methods.registry import METHODS
from imgcycle.nets.build import build_generator
from imgcycle.nets.layers import Generator
from tests.methods.toys import tiny_config

EVERY = [(y, x) for y, x in itertools.product(range(-LARGEST, LARGEST + 1), repeat=2) if (y, x) != (0, 0)]


def picture(side: int = 32) -> Tensor:
    return torch.rand(2, 3, side, side, dtype=torch.float64) * 2 - 1


class Halving(nn.Module):
    """Means of 2×2 blocks, each laid over its block: an equivariant net for even movements alone."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * F.interpolate(F.avg_pool2d(x, 2), scale_factor=2)


def test_movements_are_all_but_none_and_equally_likely() -> None:
    torch.manual_seed(0)
    drawn = [draw_shift() for _ in range(48 * 100)]
    assert set(drawn) == set(EVERY)
    assert all(60 < drawn.count(shift) < 140 for shift in EVERY)


@pytest.mark.parametrize("kind", ["compact", "resnet9", "resnet6"])
def test_no_movement_is_a_multiple_of_a_nets_stride(kind: str) -> None:
    assert build_generator(NetConfig.named(kind, 4)).stride > LARGEST


def test_moving_by_hand() -> None:
    rows = torch.arange(5.0).view(1, 1, 5, 1).expand(1, 1, 5, 4)
    assert moved(rows, 2, 0)[0, 0, :, 0].tolist() == [2, 1, 0, 1, 2]
    assert moved(rows, -1, 3)[0, 0, :, 0].tolist() == [1, 2, 3, 4, 3]
    columns = rows.transpose(2, 3)
    assert moved(columns, 3, 1)[0, 0, 0].tolist() == [1, 0, 1, 2, 3]
    assert moved(columns, 0, -3)[0, 0, 0].tolist() == [3, 4, 3, 2, 1]


@pytest.mark.parametrize("shift", EVERY)
def test_it_is_nothing_for_a_net_that_moves_with_its_picture(
    monkeypatch: pytest.MonkeyPatch, shift: tuple[int, int]
) -> None:
    """A pointwise net, and one of 5×5 kernels over zeros, which are all in the border that is left out."""
    torch.manual_seed(0)
    monkeypatch.setattr(equivariance, "draw_shift", lambda: shift)
    source = picture()
    for net in (nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 5, padding=2)):
        net.double()
        assert float(shift_loss(net, source, net(source)).detach()) < 1e-15


def test_it_is_what_a_strided_net_is_off_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a ramp from left to right a block's mean is ½ off at either pixel: moved by one, each is one off, or none."""
    ramp = torch.arange(32, dtype=torch.float64).expand(1, 3, 32, 32)
    net = Halving()
    made = net(ramp)
    for shift, expected in (((0, 1), 1.0), ((0, 2), 0.0), ((3, 0), 0.0), ((2, -3), 1.0)):
        monkeypatch.setattr(equivariance, "draw_shift", lambda shift=shift: shift)
        assert float(shift_loss(net, ramp, made).detach()) == pytest.approx(expected), shift


def test_both_sides_carry_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equivariance, "draw_shift", lambda: (0, 1))
    torch.manual_seed(0)
    net, source = Halving(), picture()
    made = net(source).requires_grad_()
    made.retain_grad()
    loss = shift_loss(net, source, made)
    loss.backward()  # type: ignore[no-untyped-call]
    # The net is its gain times what it is at 1, and so is the loss: its slope is its value, half of it by either side.
    assert net.gain.grad is not None
    assert float(net.gain.grad) == pytest.approx(float(loss.detach()))
    assert made.grad is not None
    assert int((made.grad != 0).sum()) == 2 * 3 * 16 * 16, "the middle half of each side"
    assert not made.grad[..., :8, :].any()
    assert not made.grad[..., :7].any(), "moved back by one"


def test_a_published_net_is_off_unless_moved_by_its_stride(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    net = build_generator(NetConfig("resnet", 4, 1))
    net.initialise()
    source = F.interpolate(torch.rand(1, 3, 32, 32), scale_factor=4, mode="bicubic")
    with torch.no_grad():
        made = net(source)
        monkeypatch.setattr(equivariance, "draw_shift", lambda: (1, 2))
        off = float(shift_loss(net, source, made))
        monkeypatch.setattr(equivariance, "draw_shift", lambda: (4, -4))
        whole = float(shift_loss(net, source, made))
    assert off > 4 * whole > 0


class Counted(nn.Module):
    """Counts the passes of a net."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.passes = 0
        net.register_forward_hook(self._count)

    def _count(self, *_: object) -> None:
        self.passes += 1


def test_cyclegan_has_it_both_ways_for_one_pass_more_of_each() -> None:
    torch.manual_seed(0)
    method, plain = CycleGan(tiny_config(lambda_shift=3.0)), CycleGan(tiny_config())
    batch = Batch(torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1)
    for way in ("A2B", "B2A"):
        plain.nets()[way].load_state_dict(method.nets()[way].state_dict())
    counters = [Counted(run.nets()[way]) for run in (plain, method) for way in ("A2B", "B2A")]
    torch.manual_seed(1)
    losses = method.phases()[0](batch)
    made = batch.fake
    assert set(losses) - set(plain.phases()[0](batch)) == {"shift_A2B", "shift_B2A"}
    assert [c.passes for c in counters] == [2, 2, 3, 3]
    torch.manual_seed(1)
    for way, source in (("A2B", batch.a), ("B2A", batch.b)):
        by_hand = 3.0 * shift_loss(method.nets()[way], source, made[way[-1]])
        assert float(losses[f"shift_{way}"].detach()) == pytest.approx(float(by_hand.detach()), rel=1e-6)


@pytest.mark.parametrize("identity", [True, False])
def test_cut_has_it_on_the_picture_it_translates(identity: bool) -> None:
    torch.manual_seed(0)
    method = Cut(tiny_config(method="cut", lambda_shift=2.0, nce_identity=identity))
    generator = method.nets()["A2B"]
    assert isinstance(generator, Generator)
    batch = Batch(torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1)
    counter = Counted(generator)
    seeds = torch.get_rng_state()
    losses = method.phases()[1](batch)
    assert counter.passes == 1, "beside the chain, which is walked"
    possible = set()
    torch.set_rng_state(seeds)
    for shift in EVERY:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(equivariance, "draw_shift", lambda shift=shift: shift)
            possible.add(round(2 * float(shift_loss(generator, batch.a, batch.fake["B"]).detach()), 5))
    assert round(float(losses["shift_A2B"].detach()), 5) in possible
    assert "shift_A2B" not in Cut(tiny_config(method="cut")).phases()[1](batch)


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"cyclegan", "cut", "fastcut", "pix2pix", "gram"}))
def test_methods_without_it_refuse_it(method: str) -> None:
    with pytest.raises(UsageError, match=rf"{method} has no shift term.*cyclegan, cut, fastcut, pix2pix, gram have"):
        tiny_config(method=method, lambda_shift=1.0)


def test_weights_below_0_and_nets_with_dropout_are_refused() -> None:
    with pytest.raises(UsageError, match="lambda-shift is -1"):
        tiny_config(lambda_shift=-1.0)
    with pytest.raises(UsageError, match="dropout"):
        tiny_config(lambda_shift=1.0, net=NetConfig("unet", 4, 5))
